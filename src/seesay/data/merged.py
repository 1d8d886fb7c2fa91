"""Rows that are equal made one, which weighs as much as they do together.

A row given twice and a row of weight 2 are then the same training, and the order of the rows does not matter.
"""

import hashlib

import numpy as np

from seesay.data.dataset import MISSING, Dataset, Group
from seesay.data.ragged import ContentTable


def merged(data: Dataset) -> Dataset:
    """The data set with rows of equal label, split and contents made one, whose weight is the sum of theirs,
    then divided by the mean of all.

    Rows and contents come in an order that follows from the contents alone. Contents must be distinct.
    """
    contents, groups, columns = {}, {}, []
    for modality in data.modalities:
        order, pointers = _order(data.contents[modality]), data.pointers(modality)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        columns.append(np.where(pointers == MISSING, MISSING, place[pointers]))
        contents[modality] = data.contents[modality][order]
        of_contents = data.groups.get(modality, {})
        groups[modality] = {name: Group(group.ids[order], group.names) for name, group in of_contents.items()}
    keys = np.stack([data.label, data.split, *columns], 1)
    distinct, which = np.unique(keys, axis=0, return_inverse=True)
    weight = np.bincount(which.reshape(-1), data.weight).astype(np.float64)
    return data.replace(
        contents=contents,
        groups=groups,
        rows=distinct[:, 2:].astype(np.int32),
        label=distinct[:, 0],
        split=distinct[:, 1].astype(np.int8),
        weight=None if (weight == weight[0]).all() else weight / weight.mean(),
        skipped=(),
        files=(),
    )


def _order(table: ContentTable) -> np.ndarray:
    """(contents,) int64: the contents in the order of their hashes, then shapes."""
    hashes = [
        (hashlib.blake2b(content.tobytes(), digest_size=16).digest(), content.shape) for content in table
    ]
    return np.array(sorted(range(len(hashes)), key=hashes.__getitem__), np.int64)
