"""The features of a data set's contents, made once each by the front ends of a model.

No path bypasses a front end: where it allows contents to stay bytes (a quarter of the memory), it is applied
batch by batch.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from seesay.data.batches import Features
from seesay.data.dataset import MISSING, Dataset
from seesay.data.ragged import ContentTable
from seesay.model.classifier import Classifier
from seesay.model.feature_cache import FeatureCache, Track, untracked
from seesay.registry import is_frozen
from seesay.signal.front_ends import Normaliser, features_of_contents, fitted, fitting, steps_of
from seesay.spec import Modality

FRONT_END_BATCH = 16
"""Contents per call of a front end: frames and spectra of more waveforms do not fit the cache and take three
times as long (docs/log.md)."""


class RawFeatures:
    """Features of a data set's contents before normalisation, cached for other models whose front ends have
    the same settings; on disk if pretrained networks make them."""

    def __init__(self, dataset: Dataset, track: Track = untracked) -> None:
        """`track`: shows the progress of pretrained networks."""
        self.dataset, self.track = dataset, track
        self._cache: dict[tuple[Modality, object], Tensor] = {}
        self._kept: dict[Modality, tuple[object, Tensor]] = {}

    def of(self, modality: Modality, front_end: nn.Module, device: torch.device) -> Tensor:
        """(contents, ...): the features of this modality, before normalisation."""
        steps, _ = parted(front_end)
        key = (modality, getattr(front_end, "settings", front_end))
        if key not in self._cache:
            self._cache[key] = self._made(modality, front_end, steps, device)
        return self._cache[key].to(device)

    def kept(self, modality: Modality, key: object, make: Callable[[], Tensor]) -> Tensor:
        """What `make` returned at the first call with this key, made once for several models: the latest of
        each modality, since it may be large."""
        if modality not in self._kept or self._kept[modality][0] != key:
            self._kept[modality] = (key, make())
        return self._kept[modality][1]

    def _made(
        self, modality: Modality, front_end: nn.Module, steps: nn.Module, device: torch.device
    ) -> Tensor:
        contents, settings = self.dataset.contents[modality], getattr(front_end, "settings", None)
        if settings is None or not is_frozen(settings.kind):
            return _extract(steps, contents, device)
        cache = FeatureCache.of(steps, settings, self.dataset.spec[modality])
        return cache.features(contents, lambda part: _extract(steps, part, device), self.track)


def parted(front_end: nn.Module) -> tuple[nn.Module, Normaliser | None]:
    """The steps of a front end before its normaliser, and the normaliser; None if it does not end in one."""
    *steps, last = steps_of(front_end)
    return (nn.Sequential(*steps), last) if isinstance(last, Normaliser) else (front_end, None)


def may_stay_bytes(rest: nn.Module) -> bool:
    """Whether contents can stay bytes until they are batched: whether the first step has a true attribute
    `takes_bytes`."""
    return bool(getattr(steps_of(rest)[0], "takes_bytes", False))


@torch.no_grad()
def features_of(
    model: Classifier, dataset: Dataset, raw: RawFeatures | None = None
) -> dict[Modality, Features]:
    """The features of all contents of a data set, on the model's device, for the modalities that both have.
    `raw`: a cache of the same data set's features, to read from and add to."""
    raw = RawFeatures(dataset) if raw is None else raw
    device, features = model.log_prior.device, {}
    for modality in (m for m in model.modalities if m in dataset.contents):
        front_end, contents = model.front_ends[modality], dataset.contents[modality]
        fit, rest = fitting(front_end)
        if contents.dtype == np.uint8 and may_stay_bytes(rest):
            features[modality] = Features(fitted(fit, contents).to(device), rest)
            continue
        values = raw.of(modality, front_end, device)
        _, normaliser = parted(front_end)
        features[modality] = Features(values if normaliser is None else normaliser(values))
    return features


@torch.no_grad()
def fit_normalisers(model: Classifier, dataset: Dataset, rows: np.ndarray, raw: RawFeatures) -> None:
    """Fit every normaliser to the contents of these rows, each counted once. If they lack a modality, to
    those of all rows; if no row has it, its normaliser is left alone."""
    for modality in model.modalities:
        _, normaliser = parted(model.front_ends[modality])
        used = _used(dataset, modality, rows)
        used = used if len(used) else _used(dataset, modality, np.arange(len(dataset)))
        if normaliser is not None and len(used):
            features = raw.of(modality, model.front_ends[modality], model.log_prior.device)
            normaliser.fit(features[torch.from_numpy(used).to(features.device)].cpu().numpy())


def _used(dataset: Dataset, modality: Modality, rows: np.ndarray) -> np.ndarray:
    """The contents that these rows point to, sorted and without repeats."""
    pointers = np.unique(dataset.pointers(modality)[rows]).astype(np.int64)
    return pointers[pointers != MISSING]


def _extract(steps: nn.Module, contents: ContentTable, device: torch.device) -> Tensor:
    starts = range(0, max(1, len(contents)), FRONT_END_BATCH)  # one empty batch if there are no contents
    return torch.cat([features_of_contents(steps, contents[i : i + FRONT_END_BATCH], device) for i in starts])
