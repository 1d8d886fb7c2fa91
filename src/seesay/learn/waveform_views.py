"""Waveform augmentation: recordings are augmented and their features made again, in every epoch or once.

A recording occurs in many rows, so a few augmented views of each are enough for an epoch, and cheaper than
one per row.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor, nn

from seesay.config import Config, WaveformConfig
from seesay.data.batches import Features, Table, as_floats
from seesay.data.dataset import SPLITS, Dataset
from seesay.learn.seeds import seed_of
from seesay.model.features import FRONT_END_BATCH, RawFeatures, parted
from seesay.signal.augment_waveforms import augment_waveforms
from seesay.signal.clip import Clip, as_float
from seesay.signal.front_ends import fitted, fitting
from seesay.signal.sounding import LONG, windows
from seesay.spec import Modality, WaveformSpec

CLIPS = 256
"""Waveforms augmented at once: 8 MB if each is a second at 8 kHz."""

MEMORY = 1_000_000_000
"""Most bytes of the features of kept views."""

HALF, LARGEST = torch.float16, 65_504.0
"""Type of those that are not normalised, and its largest number."""


@torch.no_grad()
def resample_views(
    rows: Table,
    data: Dataset,
    raw: RawFeatures,
    modality: Modality,
    front_end: nn.Module,
    config: Config,
    generator: Generator,
) -> Table:
    """The same rows, each pointing to one of several augmented copies of its recording, drawn at random: new
    ones or, as `config.waveform.renew` says, those that `raw` keeps."""
    pointers, shape = rows.pointers[modality], tuple(rows.features[modality].values.shape[1:])
    used, position = pointers[pointers >= 0].unique(return_inverse=True)
    own, (steps, normaliser) = _not_in_test(data, modality, used), parted(front_end)
    dtype, changes = torch.float32 if normaliser else HALF, config.waveform
    copies = min(changes.views, MEMORY // max(1, dtype.itemsize * len(own) * math.prod(shape)))
    finish: Callable[[Tensor], Tensor] = as_floats
    if changes.renew or copies < 2:
        views = _views(changes.views, data, modality, front_end, used, changes, generator, shape)
    else:
        first = Generator(rows.device).manual_seed(seed_of(config.seed, 0))
        settings = getattr(front_end, "settings", front_end)
        key = (settings, changes, config.seed, own.cpu().numpy().tobytes())
        make = partial(_views, copies, data, modality, steps, own, changes, first, shape, dtype)
        views, position = raw.kept(modality, key, make), torch.searchsorted(own, used)[position]
        finish = as_floats if normaliser is None else lambda values: normaliser(values.float())
    drawn = torch.randint(len(views), position.shape, generator=generator, device=rows.device)
    new_pointers = pointers.clone()
    new_pointers[pointers >= 0] = drawn * views.shape[1] + position
    return replace(
        rows,
        features={**rows.features, modality: Features(views.flatten(0, 1), finish)},
        pointers={**rows.pointers, modality: new_pointers},
    )


def _not_in_test(data: Dataset, modality: Modality, used: Tensor) -> Tensor:
    """These contents and all others that a row outside the test split has, in order: cross-fitted models use
    different ones."""
    pointers = data.pointers(modality)[data.split != SPLITS.index("test")]
    others = torch.from_numpy(pointers[pointers >= 0].astype(np.int64)).to(used.device)
    return torch.cat([used, others]).unique()


def _views(
    copies: int,
    data: Dataset,
    modality: Modality,
    front_end: nn.Module,
    contents: Tensor,
    config: WaveformConfig,
    generator: Generator,
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """(copies, contents, ...): the features of augmented copies of these recordings."""
    spec = data.spec[modality]
    assert isinstance(spec, WaveformSpec)
    fit, rest = fitting(front_end)
    views = torch.empty((copies, len(contents), *shape), dtype=dtype, device=contents.device)
    for view in views:
        for clips in torch.randperm(len(contents), generator=generator, device=contents.device).split(CLIPS):
            recordings = data.contents[modality][contents[clips].cpu().numpy()]
            if config.window and isinstance(fit, Clip):
                waveforms = random_clips(fit, recordings, spec.rate, config.window, generator)
            else:
                waveforms = fitted(fit, recordings)
            waveforms = as_float(waveforms.to(contents.device))
            augmented = augment_waveforms(waveforms, spec.rate, config, generator)
            made = torch.cat([rest(part) for part in augmented.split(FRONT_END_BATCH)])
            view[clips] = made.clamp(-LARGEST, LARGEST).to(dtype) if dtype == HALF else made
    return views


def random_clips(
    clip: Clip, recordings: Iterable[np.ndarray], rate: int, share: float, generator: Generator
) -> Tensor:
    """(b, samples): a clip of each recording; of this share of the long ones a random window of those that
    sound, the more often the more it says."""
    clips = []
    for recording in recordings:
        random = torch.rand((), generator=generator, device=generator.device) < share
        if random and len(recording) > LONG * clip.samples:
            firsts = [window.first for window in windows(recording, rate, clip.samples)]
            cuts = torch.from_numpy(np.stack([recording[i : i + clip.samples] for i in firsts]))
            weight = clip.weight(cuts).to(generator.device)
            clips.append(cuts[torch.multinomial(weight, 1, generator=generator).cpu()])
        else:
            clips.append(clip(torch.from_numpy(np.array(recording))[None]))
    return torch.cat(clips)
