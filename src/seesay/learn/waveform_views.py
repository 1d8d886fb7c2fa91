"""New views of the training rows' recordings: waveforms changed, then made into features, once per epoch.

A recording stands in many rows, so a few views of each are enough for an epoch, and cheaper than one per row.
"""

from dataclasses import replace

import torch
from torch import Generator, nn

from seesay.config import WaveformConfig
from seesay.data.batches import Features, Table
from seesay.data.dataset import Dataset
from seesay.signal.augment_waveforms import augment_waveforms
from seesay.signal.front_ends import as_float, fitted, fitting
from seesay.spec import Modality, WaveformSpec

CLIPS = 256
"""Waveforms changed at once: 8 MB of a second at 8 kHz."""

IN_CACHE = 16
"""Waveforms that a front end is given at once: see `features_of`."""


@torch.no_grad()
def resample_views(
    rows: Table,
    data: Dataset,
    modality: Modality,
    front_end: nn.Module,
    config: WaveformConfig,
    generator: Generator,
) -> Table:
    """The same rows, each of which points at one of `config.views` changed copies of its recording, which is
    a waveform of this modality."""
    spec = data.spec[modality]
    assert isinstance(spec, WaveformSpec)
    fit, rest = fitting(front_end)
    pointers = rows.pointers[modality]
    used, place = pointers[pointers >= 0].unique(return_inverse=True)
    features = rows.features[modality].values
    views = features.new_empty((config.views, len(used), *features.shape[1:]))
    for view in views:
        for clips in torch.randperm(len(used), generator=generator, device=rows.device).split(CLIPS):
            recordings = data.contents[modality][used[clips].cpu().numpy()]
            waveforms = fitted(fit, recordings).to(rows.device)
            changed = augment_waveforms(as_float(waveforms), spec.rate, config, generator)
            view[clips] = torch.cat([rest(part) for part in changed.split(IN_CACHE)])
    drawn = torch.randint(config.views, place.shape, generator=generator, device=rows.device)
    anew = pointers.clone()
    anew[pointers >= 0] = drawn * len(used) + place
    return replace(
        rows,
        features={**rows.features, modality: Features(views.flatten(0, 1))},
        pointers={**rows.pointers, modality: anew},
    )
