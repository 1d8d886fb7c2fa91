"""Cross-fitting: with few rows, none is held out for validation, yet each is predicted by a model that has
not seen it.

Several models are trained, each without one part of the rows, and predict that part. Their predictions
calibrate the model that is trained on all rows and estimate its score, slightly pessimistically, since each
was trained on fewer rows.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from seesay.config import Config
from seesay.data.batches import table
from seesay.data.dataset import Dataset
from seesay.data.splits import Splits, folds
from seesay.learn.fit import Watch, fit, fresh
from seesay.model.features import RawFeatures, features_of
from seesay.model.temperature import Evidence, evidence_of

NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class HeldOutPart:
    """A part of the training rows, predicted by a model that was trained without it."""

    number: int
    """From 0."""
    evidence: Evidence
    """That model's outputs on the part."""


def cross_fit(
    data: Dataset,
    rows: np.ndarray,
    config: Config,
    done: Mapping[int, Evidence],
    watch: Watch = iter,
    device: str = "cpu",
    raw: RawFeatures | None = None,
) -> Iterator[HeldOutPart | None]:
    """Yield each part, predicted by a model trained without it; None if its training was stopped. Parts in
    `done` are skipped. No group is in two parts. `raw`: see `features_of`."""
    raw = RawFeatures(data) if raw is None else raw
    settings = config.split
    assert settings.folds
    parts = folds(data, rows, settings.folds, settings.seed, settings.by)
    for number, (train, held_out) in enumerate(parts):
        if number in done:
            continue
        model = fresh(config, data, train, device, raw)
        epochs = fit(model, data, Splits(train, NONE, NONE), config, watch=watch, raw=raw)
        epoch = next(iter(deque(epochs, maxlen=1)), None)
        if epoch is None or not epoch.last:
            yield None
            return
        average = epoch.training.average
        features = features_of(average, data, raw)
        yield HeldOutPart(number, evidence_of(average, table(data, held_out, features)))


def to_tensors(done: Mapping[int, Evidence]) -> dict[str, torch.Tensor]:
    """The parts as named tensors; `from_tensors` is the inverse."""
    return {
        f"{number}.{name}": torch.from_numpy(np.ascontiguousarray(array))
        for number, part in done.items()
        for name, array in vars(part).items()
    }


def from_tensors(tensors: Mapping[str, torch.Tensor]) -> dict[int, Evidence]:
    """The inverse of `to_tensors`."""
    numbers = sorted({int(name.partition(".")[0]) for name in tensors})
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    for number in numbers:  # older runs lack it
        blank = np.full(arrays[f"{number}.pointers"].shape, np.nan, np.float32)
        arrays.setdefault(f"{number}.known", blank)
    return {
        n: Evidence(
            **{name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{n}.")}
        )
        for n in numbers
    }
