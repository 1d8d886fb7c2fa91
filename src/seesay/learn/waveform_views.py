"""Waveform augmentation: each epoch, recordings are augmented and their features are made again.

A recording occurs in many rows, so a few augmented views of each are enough for an epoch, and cheaper than
one per row.
"""

from dataclasses import replace

import torch
from torch import Generator, nn

from seesay.config import WaveformConfig
from seesay.data.batches import Features, Table
from seesay.data.dataset import Dataset
from seesay.model.features import FRONT_END_BATCH
from seesay.signal.augment_waveforms import augment_waveforms
from seesay.signal.clip import as_float
from seesay.signal.front_ends import fitted, fitting
from seesay.spec import Modality, WaveformSpec

CLIPS = 256
"""Waveforms augmented at once: 8 MB if each is a second at 8 kHz."""


@torch.no_grad()
def resample_views(
    rows: Table,
    data: Dataset,
    modality: Modality,
    front_end: nn.Module,
    config: WaveformConfig,
    generator: Generator,
) -> Table:
    """The same rows, each pointing to one of `config.views` augmented copies of its recording, drawn at
    random."""
    spec = data.spec[modality]
    assert isinstance(spec, WaveformSpec)
    fit, rest = fitting(front_end)
    pointers = rows.pointers[modality]
    used, position = pointers[pointers >= 0].unique(return_inverse=True)
    features = rows.features[modality].values
    views = features.new_empty((config.views, len(used), *features.shape[1:]))
    for view in views:
        for clips in torch.randperm(len(used), generator=generator, device=rows.device).split(CLIPS):
            recordings = data.contents[modality][used[clips].cpu().numpy()]
            waveforms = fitted(fit, recordings).to(rows.device)
            augmented = augment_waveforms(as_float(waveforms), spec.rate, config, generator)
            view[clips] = torch.cat([rest(part) for part in augmented.split(FRONT_END_BATCH)])
    drawn = torch.randint(config.views, position.shape, generator=generator, device=rows.device)
    new_pointers = pointers.clone()
    new_pointers[pointers >= 0] = drawn * len(used) + position
    return replace(
        rows,
        features={**rows.features, modality: Features(views.flatten(0, 1))},
        pointers={**rows.pointers, modality: new_pointers},
    )
