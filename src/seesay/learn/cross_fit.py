"""Cross-fitting: where rows are few none is spared to validate, and yet each is judged by a model that has
not seen it.

So many models are trained, each without one part of the rows, and say what they make of that part. What they
say calibrates the model that is trained on all rows, and estimates how good it is: rather too low, since each
had fewer rows.
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
class HeldPart:
    """A part of the training rows, judged by a model that was trained without it."""

    number: int
    """From 0."""
    evidence: Evidence
    """What that model says of it."""


def cross_fit(
    data: Dataset,
    rows: np.ndarray,
    config: Config,
    done: Mapping[int, Evidence],
    watch: Watch = iter,
    device: str = "cpu",
    raw: RawFeatures | None = None,
) -> Iterator[HeldPart | None]:
    """What models say of the parts that they were trained without; None: that training was stopped. Parts
    that are `done` are left alone. No group of rows stands in two parts. `raw`: see `features_of`."""
    how, raw = config.split, RawFeatures(data) if raw is None else raw
    assert how.folds
    for number, (train, held) in enumerate(folds(data, rows, how.folds, how.seed, how.by)):
        if number in done:
            continue
        model = fresh(config, data, train, device, raw)
        epochs = fit(model, data, Splits(train, NONE, NONE), config, watch=watch, raw=raw)
        epoch = next(iter(deque(epochs, maxlen=1)), None)
        if epoch is None or not epoch.last:
            yield None
            return
        average = epoch.training.average
        yield HeldPart(number, evidence_of(average, table(data, held, features_of(average, data, raw))))


def to_tensors(done: Mapping[int, Evidence]) -> dict[str, torch.Tensor]:
    """What is done, by name, as tensors; `from_tensors` takes it back."""
    return {
        f"{number}.{name}": torch.from_numpy(np.ascontiguousarray(array))
        for number, part in done.items()
        for name, array in vars(part).items()
    }


def from_tensors(tensors: Mapping[str, torch.Tensor]) -> dict[int, Evidence]:
    """What `to_tensors` was given."""
    numbers = sorted({int(name.partition(".")[0]) for name in tensors})
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    return {
        n: Evidence(
            **{name.partition(".")[2]: array for name, array in arrays.items() if name.startswith(f"{n}.")}
        )
        for n in numbers
    }
