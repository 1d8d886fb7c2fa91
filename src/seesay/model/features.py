"""The features of a data set's contents, made by the front ends of a model, each once.

Nothing goes round a front end: where bytes may stay bytes (a quarter of the memory), which the front end
says, it is given them batch by batch.
"""

import numpy as np
import torch
from torch import Tensor, nn

from seesay.data.batches import Features
from seesay.data.dataset import MISSING, Dataset
from seesay.data.ragged import ContentTable
from seesay.model.classifier import Classifier
from seesay.signal.front_ends import Normaliser, fitted, fitting, front_of, steps_of
from seesay.spec import Modality

FRONT_END_BATCH = 16
"""Contents that a front end is given: frames and spectra of more waveforms leave the cache, and take three
times as long (docs/log.md)."""


class RawFeatures:
    """Features of a data set's contents before they are normalised. What was made once is kept for the next
    model whose front end has the same settings."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.kept: dict[tuple[Modality, object], Tensor] = {}

    def of(self, modality: Modality, front_end: nn.Module, device: torch.device) -> Tensor:
        """(contents, ...) of this modality, by all steps of its front end but the normaliser."""
        steps, _ = parted(front_end)
        key = (modality, getattr(front_end, "settings", front_end))
        if key not in self.kept:
            self.kept[key] = _made(steps, self.dataset.contents[modality], device)
        return self.kept[key].to(device)


def parted(front_end: nn.Module) -> tuple[nn.Module, Normaliser | None]:
    """A front end as what comes before the normaliser, and that; None where it does not end in one."""
    *steps, last = steps_of(front_end)
    return (nn.Sequential(*steps), last) if isinstance(last, Normaliser) else (front_end, None)


def may_stay_bytes(rest: nn.Module) -> bool:
    """Whether whole bytes lose nothing by being kept until a batch of them is wanted: the first step says so,
    by an attribute `takes_bytes`."""
    return bool(getattr(steps_of(rest)[0], "takes_bytes", False))


@torch.no_grad()
def features_of(
    model: Classifier, dataset: Dataset, raw: RawFeatures | None = None
) -> dict[Modality, Features]:
    """The features of all contents of a data set, on the model's device, of modalities that both know.
    `raw`: features of the same data set that are made already, or will be used again."""
    raw = RawFeatures(dataset) if raw is None else raw
    device, found = model.log_prior.device, {}
    for modality in (m for m in model.modalities if m in dataset.contents):
        front_end, contents = model.front_ends[modality], dataset.contents[modality]
        fit, rest = fitting(front_end)
        if contents.dtype == np.uint8 and may_stay_bytes(rest):
            found[modality] = Features(fitted(fit, contents).to(device), rest)
            continue
        values = raw.of(modality, front_end, device)
        _, normaliser = parted(front_end)
        found[modality] = Features(values if normaliser is None else normaliser(values))
    return found


@torch.no_grad()
def fit_normalisers(model: Classifier, dataset: Dataset, rows: np.ndarray, raw: RawFeatures) -> None:
    """Sets the numbers of every normaliser from the contents of these rows, each counted once. A modality
    that they lack: from those of all rows; that no row has: the numbers stay."""
    for modality in model.modalities:
        _, normaliser = parted(model.front_ends[modality])
        used = _used(dataset, modality, rows)
        used = used if len(used) else _used(dataset, modality, np.arange(len(dataset)))
        if normaliser is not None and len(used):
            made = raw.of(modality, model.front_ends[modality], model.log_prior.device)
            normaliser.fit(made[torch.from_numpy(used).to(made.device)].cpu().numpy())


def _used(dataset: Dataset, modality: Modality, rows: np.ndarray) -> np.ndarray:
    """The contents that these rows point to, each once, in order."""
    pointers = np.unique(dataset.pointers(modality)[rows]).astype(np.int64)
    return pointers[pointers != MISSING]


def _made(steps: nn.Module, contents: ContentTable, device: torch.device) -> Tensor:
    starts = range(0, max(1, len(contents)), FRONT_END_BATCH)  # of no contents, features that are none
    return torch.cat([front_of(steps, contents[i : i + FRONT_END_BATCH], device) for i in starts])
