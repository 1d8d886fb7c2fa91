"""Batches by indexing: tables of features stay in memory, and a batch is an index into them. No data loader.

Where pairs were drawn within their class, any other partner of the class is as valid, so every epoch can draw
new ones.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor

from seesay.data.dataset import MISSING, Dataset
from seesay.spec import Modality

Inputs = Mapping[Modality, Tensor]
"""Contents or features by modality, (b, ...); arbitrary values in rows that lack the modality."""

Present = Mapping[Modality, Tensor]
"""By modality, (b,) bool: whether the row has it."""


@dataclass(frozen=True)
class Batch:
    """Inputs and labels of some rows. `label` is -1 where unknown and -2 in negatives (`NONE`)."""

    inputs: Inputs
    present: Present
    label: Tensor
    rows: Tensor
    weight: Tensor | None = None
    """(b,): how much each row counts, 1 on average; None: all the same."""


def as_floats(values: Tensor) -> Tensor:
    """The values as float32."""
    return values.float()


@dataclass(frozen=True)
class Features:
    """One modality's features, or values that become features when a batch is made."""

    values: Tensor
    """(contents, ...)"""
    finish: Callable[[Tensor], Tensor] = as_floats
    """Makes features of a batch of values."""


@dataclass(frozen=True)
class Table:
    """Rows of a data set on a device: per modality a table of features, and each row's index into it."""

    features: Mapping[Modality, Features]
    pointers: Mapping[Modality, Tensor]
    label: Tensor
    rows: Tensor
    """(n,): their indices in the data set."""
    thin: tuple[Modality, ...] = ()
    """The modalities that were thinned."""
    weight: Tensor | None = None
    """(n,): how much each row counts, 1 on average; None: all the same."""

    def __len__(self) -> int:
        return len(self.label)

    @property
    def device(self) -> torch.device:
        return self.label.device

    def take(self, positions: Tensor) -> Batch:
        """The batch of the rows at these positions."""
        inputs, present = {}, {}
        for modality, table in self.features.items():
            pointer = self.pointers[modality][positions]
            inputs[modality] = table.finish(table.values[pointer.clamp(min=0)])
            present[modality] = pointer >= 0
        weight = None if self.weight is None else self.weight[positions]
        return Batch(inputs, present, self.label[positions], self.rows[positions], weight)

    def in_order(self, size: int) -> Iterator[Batch]:
        """Batches of all rows, in order."""
        for positions in torch.arange(len(self), device=self.device).split(size):
            yield self.take(positions)

    def shuffled(self, size: int, generator: Generator, copies: int = 1) -> Iterator[Batch]:
        """Batches of all rows in random order, each row `copies` times in its batch.

        An incomplete last batch is dropped, unless it is the only one. Rows with the few contents that
        `thinned` left come `TOGETHER` in some batches, since batch normalisation needs several.
        """
        order = torch.randperm(len(self), generator=generator, device=self.device)
        whole = len(order) // size * size or len(order)
        order = order[:whole]
        if self.thin and size > TOGETHER:
            rare = torch.stack([self.pointers[m][order] >= 0 for m in self.thin]).any(0)
            order = order[_gathered(rare, size)]
        for positions in order.split(size):
            yield self.take(positions.repeat(copies))

    def thinned(self, most: Mapping[Modality, int], generator: Generator) -> "Table":
        """The same rows with each content of these modalities in at most so many of them, drawn at random;
        the others lack it."""
        pointers = {m: _thinned(self.pointers[m], n, generator) for m, n in most.items()}
        return replace(self, pointers={**self.pointers, **pointers}, thin=tuple(most))

    def repair(self, generator: Generator) -> "Table":
        """The same rows with new partners drawn within each class, and among negatives: every content is used
        as often as before, and missing modalities stay missing."""
        first, *others = self.pointers
        pointers = {first: self.pointers[first]}
        for modality in others:
            pointer = self.pointers[modality]
            pointers[modality] = _shuffled_within(2 * self.label + (pointer >= 0), pointer, generator)
        return replace(self, pointers=pointers)


TOGETHER = 32
"""Rows with a thinned modality in one batch: with fewer, batch normalisation's statistics are noise."""


def _gathered(rare: Tensor, size: int) -> Tensor:
    """(n,): an order of rows in batches of `size` that has `TOGETHER` of the rare ones in some batches and
    none in the others; no change if there are enough for every batch."""
    count, batches = int(rare.sum()), max(1, len(rare) // size)
    groups = count // TOGETHER
    if not groups or groups >= batches:
        return torch.arange(len(rare), device=rare.device)
    group = torch.arange(count, device=rare.device) // TOGETHER
    batch = group.clamp(max=groups - 1) * batches // groups
    room = size - torch.bincount(batch, minlength=batches)
    others = torch.arange(batches, device=rare.device).repeat_interleave(room)
    number = torch.empty(len(rare), dtype=torch.long, device=rare.device)
    number[rare], number[~rare] = batch, others[: len(rare) - count]
    return number.argsort(stable=True)


def _thinned(pointers: Tensor, most: int, generator: Generator) -> Tensor:
    """(n,): the pointers with each content at most so many times, at random; MISSING in the other rows."""
    order = torch.randperm(len(pointers), generator=generator, device=pointers.device)
    order = order[pointers[order].argsort(stable=True)]  # rows by content, at random within it
    _, counts = pointers[order].unique_consecutive(return_counts=True)
    starts = (counts.cumsum(0) - counts).repeat_interleave(counts)
    place = torch.arange(len(order), device=pointers.device) - starts
    result = pointers.clone()
    result[order[place >= most]] = MISSING
    return result


def table(dataset: Dataset, rows: np.ndarray, features: Mapping[Modality, Features]) -> Table:
    """The table of these rows of the data set, with `features` of its contents."""
    device = next(iter(features.values())).values.device
    pointers = {m: torch.from_numpy(dataset.pointers(m)[rows].astype(np.int64)).to(device) for m in features}
    label = torch.from_numpy(np.asarray(dataset.label[rows], np.int64)).to(device)
    weight = None if dataset.weight is None else torch.from_numpy(dataset.weight[rows]).float().to(device)
    rows_of_data = torch.from_numpy(np.asarray(rows, np.int64)).to(device)
    return Table(features, pointers, label, rows_of_data, weight=weight)


def _shuffled_within(kind: Tensor, pointers: Tensor, generator: Generator) -> Tensor:
    """`pointers` shuffled among the rows of equal `kind`."""
    order = torch.randperm(len(kind), generator=generator, device=kind.device)
    shuffled = order[kind[order].argsort(stable=True)]  # rows by kind, at random within it
    result = torch.empty_like(pointers)
    result[kind.argsort(stable=True)] = pointers[shuffled]
    return result
