"""Batches of whole tensors: the tables of features lie in memory, a batch is an index into them. No loader,
no workers.

For a pair drawn within its class any other partner of that class is as true, so every epoch can have new
ones.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from seesay.data.dataset import Dataset
from seesay.spec import Modality

Inputs = Mapping[Modality, Tensor]
"""Contents or features by modality, one row each; of a row that lacks the modality, anything."""

Present = Mapping[Modality, Tensor]
"""By modality, (b,) bool: which rows have it."""


@dataclass(frozen=True)
class Batch:
    """Some rows. `label` is -1 where it is not known."""

    inputs: Inputs
    present: Present
    label: Tensor
    rows: Tensor


def as_floats(values: Tensor) -> Tensor:
    """The values as float32."""
    return values.float()


@dataclass(frozen=True)
class Features:
    """One modality's features, or what they are made of when a batch is wanted."""

    values: Tensor
    """(contents, ...)"""
    finish: Callable[[Tensor], Tensor] = as_floats
    """From some of the values to features."""


@dataclass(frozen=True)
class Table:
    """Rows of a data set on a device: per modality the table of features and each row's pointer into it."""

    features: Mapping[Modality, Features]
    pointers: Mapping[Modality, Tensor]
    label: Tensor
    rows: Tensor
    """(n,): which rows of the data set these are."""

    def __len__(self) -> int:
        return len(self.label)

    @property
    def device(self) -> torch.device:
        return self.label.device

    def take(self, places: Tensor) -> Batch:
        """The batch of the rows at these places."""
        inputs, present = {}, {}
        for modality, table in self.features.items():
            pointer = self.pointers[modality][places]
            inputs[modality] = table.finish(table.values[pointer.clamp(min=0)])
            present[modality] = pointer >= 0
        return Batch(inputs, present, self.label[places], self.rows[places])

    def in_order(self, size: int) -> Iterator[Batch]:
        """All rows, once, in order."""
        for places in torch.arange(len(self), device=self.device).split(size):
            yield self.take(places)

    def shuffled(self, size: int, generator: Generator, copies: int = 1) -> Iterator[Batch]:
        """All rows, once, in random order, each `copies` times in its batch. A last batch that is not full is
        left out, unless it is the only one."""
        order = torch.randperm(len(self), generator=generator, device=self.device)
        whole = len(order) // size * size or len(order)
        for places in order[:whole].split(size):
            yield self.take(places.repeat(copies))

    def repair(self, generator: Generator) -> "Table":
        """The same rows, each with a partner drawn from its class: every pointer is still used as often as
        before, and a row that lacks a modality still does."""
        first, *others = self.pointers
        pointers = {first: self.pointers[first]}
        for modality in others:
            pointer = self.pointers[modality]
            pointers[modality] = _shuffled_within(2 * self.label + (pointer >= 0), pointer, generator)
        return Table(self.features, pointers, self.label, self.rows)


def table(dataset: Dataset, rows: np.ndarray, features: Mapping[Modality, Features]) -> Table:
    """These rows of the data set, pointing into `features` of its contents."""
    device = next(iter(features.values())).values.device
    pointers = {m: torch.from_numpy(dataset.pointers(m)[rows].astype(np.int64)).to(device) for m in features}
    label = torch.from_numpy(np.asarray(dataset.label[rows], np.int64)).to(device)
    return Table(features, pointers, label, torch.from_numpy(np.asarray(rows, np.int64)).to(device))


def _shuffled_within(kind: Tensor, pointers: Tensor, generator: Generator) -> Tensor:
    """`pointers` with those of one kind in another order among the rows of that kind."""
    order = torch.randperm(len(kind), generator=generator, device=kind.device)
    shuffled = order[kind[order].argsort(stable=True)]  # rows by kind, at random within it
    result = torch.empty_like(pointers)
    result[kind.argsort(stable=True)] = pointers[shuffled]
    return result
