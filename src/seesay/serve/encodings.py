"""Encodings of many contents, in batches that do not depend on which rows were predicted before.

In the last bits, an encoding depends on the size of its batch. So batches are planned for all rows at the
start, and a command that continues after a kill makes those that the first would have made.
"""

import mmap
from collections.abc import Iterable

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from seesay.data.dataset import MISSING
from seesay.data.ragged import ContentTable, Ragged
from seesay.model.classifier import Classifier
from seesay.signal.front_ends import features_of_contents
from seesay.spec import Modality

CACHE_BYTES = 64 * 2**20
"""Memory for the encodings of a modality: 260,000 of 64 numbers."""

ENCODER_BATCH = 128
"""Contents in a batch of an encoder. More are no faster, and with 512 the allocator returns the feature maps
to the system each time, which costs up to 40 % more (docs/log.md)."""

FRONT_END_BATCH = 16
"""Contents in a batch of a front end. Frames and spectra of more waveforms do not fit into the CPU cache: 120
microseconds per recording with 16, 360 with 128 (docs/log.md)."""


@torch.inference_mode()
def encode(model: Classifier, modality: Modality, contents: ContentTable) -> Float[Tensor, "n d"]:
    """The encodings of contents, as one batch."""
    front_end, starts = model.front_ends[modality], range(0, len(contents), FRONT_END_BATCH)
    features = torch.cat([features_of_contents(front_end, contents[i : i + FRONT_END_BATCH]) for i in starts])
    return model.encode({modality: features})[modality]


def size_of(model: Classifier, modality: Modality) -> int:
    """Numbers in an encoding."""
    heads = (layer for layer in model.heads[modality].modules() if isinstance(layer, nn.Linear))
    return next(heads).in_features


class Encodings:
    """The encodings of one modality's contents, cached if they fit. Safe to call from several threads.

    `parts`: the pointers of the rows that will be asked for, part by part. A batch holds contents that no
    earlier part has; if encodings do not fit into the cache, those of a part.
    """

    def __init__(
        self,
        model: Classifier,
        modality: Modality,
        contents: ContentTable,
        parts: Iterable[np.ndarray],
    ) -> None:
        self.model, self.modality, self.contents = model, modality, contents
        self.dim = size_of(model, modality)
        self.caches = len(contents) * self.dim * 4 <= CACHE_BYTES
        self.cache = torch.empty(len(contents) if self.caches else 0, self.dim)
        self.batch_of = np.full(len(self.cache), -1, np.int32)
        self.batches: list[np.ndarray] = []
        for pointers in parts if self.caches else ():
            ids = np.unique(pointers[pointers != MISSING])
            for batch in _batches(ids[self.batch_of[ids] < 0]):
                self.batch_of[batch] = len(self.batches)
                self.batches.append(batch)
        self.encoded = np.zeros(len(self.batches), bool)

    def __call__(self, pointers: Integer[np.ndarray, " n"]) -> Float[Tensor, "n d"]:
        """The encodings of the contents at these pointers, a part; zeros where a pointer is -1."""
        present = np.flatnonzero(pointers != MISSING)
        encodings = torch.zeros(len(pointers), self.dim)
        ids, inverse = np.unique(pointers[present], return_inverse=True)
        encodings[torch.from_numpy(present)] = self._of(ids)[torch.from_numpy(inverse)]
        return encodings

    def _of(self, ids: Integer[np.ndarray, " n"]) -> Float[Tensor, "n d"]:
        if self.caches:
            for number in np.unique(self.batch_of[ids]):
                if not self.encoded[number]:
                    batch = self.batches[number]
                    self.cache[torch.from_numpy(batch)] = self._encode(batch)
                    self.encoded[number] = True
            encodings = self.cache[torch.from_numpy(ids)]
        else:
            encodings = torch.cat([self.cache[:0], *map(self._encode, _batches(ids))])
        release(self.contents.values if isinstance(self.contents, Ragged) else self.contents)
        return encodings

    def _encode(self, batch: Integer[np.ndarray, " n"]) -> Float[Tensor, "n d"]:
        return encode(self.model, self.modality, self.contents[batch])


def _batches(ids: Integer[np.ndarray, " n"]) -> list[np.ndarray]:
    return [ids[i : i + ENCODER_BATCH] for i in range(0, len(ids), ENCODER_BATCH)]


def release(array: np.ndarray) -> None:
    """Free the memory that pages of a memory-mapped array take; they are loaded again when read again. Does
    nothing to other arrays, to writable ones, or if the system does not support it."""
    base, advice = array, getattr(mmap, "MADV_DONTNEED", None)
    while isinstance(base, np.ndarray) and not base.flags.writeable:
        base = base.base
    if isinstance(base, mmap.mmap) and advice is not None:
        base.madvise(advice)
