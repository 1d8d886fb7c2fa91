"""Encodings of a data set's contents by pointer, in memory that does not grow with the data.

Where all encodings of a modality fit into KEPT, each content is encoded when a row first asks for it, and
never again. Where they do not, every part of the rows encodes what it points at.
"""

import mmap

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from seesay.data.dataset import MISSING
from seesay.data.ragged import ContentTable, Ragged
from seesay.model.classifier import Classifier
from seesay.signal.front_ends import front_of
from seesay.spec import Modality

KEPT = 64 * 2**20
"""Bytes of encodings that are kept, by modality: 260,000 of 64 numbers."""

AT_ONCE = 128
"""Contents that an encoder is given. More are no quicker, and with 512 the allocator gives their maps back to
the system each time, which costs up to 40 % more (docs/log.md)."""

AT_THE_DOOR = 16
"""Contents that a front end is given. Frames and spectra of more waveforms leave the cache: 120 microseconds
a recording with 16 at once, 360 with 128 (docs/log.md)."""


class Encodings:
    """The encodings of a table of contents of one modality. Several threads may ask at once."""

    def __init__(self, model: Classifier, modality: Modality, contents: ContentTable) -> None:
        self.model, self.modality, self.contents = model, modality, contents
        heads = (layer for layer in model.heads[modality].modules() if isinstance(layer, nn.Linear))
        self.dim = next(heads).in_features
        self.keeps = len(contents) * self.dim * 4 <= KEPT
        self.kept = torch.empty(len(contents) if self.keeps else 0, self.dim)
        self.known = np.zeros(len(self.kept), bool)

    def __call__(self, pointers: Integer[np.ndarray, " n"]) -> Float[Tensor, "n d"]:
        """Of the contents that these point at; zeros where a pointer is -1."""
        there = np.flatnonzero(pointers != MISSING)
        found = torch.zeros(len(pointers), self.dim)
        ids, which = np.unique(pointers[there], return_inverse=True)
        found[torch.from_numpy(there)] = self._of(ids)[torch.from_numpy(which)]
        return found

    def _of(self, ids: Integer[np.ndarray, " n"]) -> Float[Tensor, "n d"]:
        new = ids[~self.known[ids]] if self.keeps else ids
        parts = [self._encode(self.contents[new[i : i + AT_ONCE]]) for i in range(0, len(new), AT_ONCE)]
        release(self.contents.values if isinstance(self.contents, Ragged) else self.contents)
        encoded = torch.cat([self.kept[:0], *parts])
        if not self.keeps:
            return encoded
        self.kept[torch.from_numpy(new)] = encoded
        self.known[new] = True
        return self.kept[torch.from_numpy(ids)]

    @torch.inference_mode()
    def _encode(self, contents: ContentTable) -> Float[Tensor, "n d"]:
        front_end, starts = self.model.front_ends[self.modality], range(0, len(contents), AT_THE_DOOR)
        features = torch.cat([front_of(front_end, contents[i : i + AT_THE_DOOR]) for i in starts])
        return self.model.encode({self.modality: features})[self.modality]


def release(array: np.ndarray) -> None:
    """Gives the memory back that a memory-mapped array has been read into; what is read again is loaded
    again. Nothing happens to other arrays, to those that can be written to, or where the system cannot do
    it."""
    base, advice = array, getattr(mmap, "MADV_DONTNEED", None)
    while isinstance(base, np.ndarray) and not base.flags.writeable:
        base = base.base
    if isinstance(base, mmap.mmap) and advice is not None:
        base.madvise(advice)
