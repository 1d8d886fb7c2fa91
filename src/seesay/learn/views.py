"""New views of the training rows' recordings: waveforms changed, then made into features, once per epoch.

A recording stands in many rows, so a few views of each are enough for an epoch, and cheaper than one per row.
"""

from dataclasses import replace

import torch
from torch import Generator, nn

from seesay.config import Spec, WaveformConfig
from seesay.data.batches import Table
from seesay.data.dataset import Dataset
from seesay.signal.features import as_float
from seesay.signal.waveforms import augment_waveforms

CLIPS = 256
"""Waveforms changed at once: 8 MB of a second at 8 kHz."""

IN_CACHE = 16
"""Waveforms that a front end is given at once: see `features_of`."""


def has_waveforms(spec: Spec) -> bool:
    """Whether recordings are waveforms; ready-made features cannot be changed before they were made."""
    return spec.audio is not None and spec.audio.features != "unknown"


@torch.no_grad()
def heard_anew(
    rows: Table, data: Dataset, front_end: nn.Module, config: WaveformConfig, generator: Generator
) -> Table:
    """The same rows, each of which points at one of `config.views` changed copies of its recording."""
    assert data.spec.audio is not None
    pointers = rows.pointers["audio"]
    used, place = pointers[pointers >= 0].unique(return_inverse=True)
    features = rows.features["audio"]
    views = features.new_empty((config.views, len(used), *features.shape[1:]))
    for view in views:
        for clips in torch.randperm(len(used), generator=generator, device=rows.device).split(CLIPS):
            waveforms = torch.from_numpy(data.contents["audio"][used[clips].cpu().numpy()]).to(rows.device)
            changed = augment_waveforms(as_float(waveforms), data.spec.audio.rate, config, generator)
            view[clips] = torch.cat([front_end(part) for part in changed.split(IN_CACHE)])
    drawn = torch.randint(config.views, place.shape, generator=generator, device=rows.device)
    anew = pointers.clone()
    anew[pointers >= 0] = drawn * len(used) + place
    return replace(
        rows,
        features={**rows.features, "audio": views.flatten(0, 1)},
        pointers={**rows.pointers, "audio": anew},
    )
