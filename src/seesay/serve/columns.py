"""The columns of predictions, one table for every format, and their values from encodings."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from seesay.condition import Condition
from seesay.data.dataset import NONE_NAME
from seesay.model.classifier import Classifier
from seesay.spec import Modality

Block = Sequence[Sequence[Any]]
"""Values of some rows, column by column; None where there is nothing to say."""


@dataclass(frozen=True)
class Column:
    """A column of predictions."""

    name: str
    kind: Literal["integer", "text", "fraction", "flag"]
    """Type of its values: int, str, float from 0 to 1, bool."""
    of: str | None = None
    """The class whose probability it holds."""


def columns_of(
    modalities: Sequence[Modality], files: bool, classes: Sequence[str] = ()
) -> tuple[Column, ...]:
    """The columns for these modalities. `files`: rows are files, which have names; `classes`: those whose
    probabilities are wanted."""
    return (
        Column("row_id", "integer"),
        *([Column("file", "text")] if files else []),
        Column("label", "text"),
        Column("score", "fraction"),
        Column("used", "text"),
        Column("agree", "flag"),
        *(Column(modality, "text") for modality in modalities),
        Column("known", "fraction"),
        *(Column(f"known_{modality}", "fraction") for modality in modalities if len(modalities) > 1),
        *(Column(f"probability_{name}", "fraction", name) for name in classes),
    )


@torch.inference_mode()
def predicted(
    model: Classifier,
    classes: Sequence[str],
    encodings: Mapping[Modality, Tensor],
    present: Mapping[Modality, Tensor],
    reject: float | None = None,
    probabilities: bool = False,
) -> list[list[Any]]:
    """The values from `label` on, column by column, of rows with these encodings. The label is `_none_` where
    `known` is below `reject`."""
    logits, known = model.decide(encodings, present), model.known(encodings, present)
    together, names = Condition.of(present), np.array(classes)
    fused = logits[together].softmax(1)
    score, label = fused.max(1)
    values = [known[together], *(known[Condition(m)] for m in present if len(present) > 1)]
    rejected = np.zeros(len(label), bool) if reject is None else (values[0] < reject).numpy()
    masks = np.stack([mask.numpy() for mask in present.values()])
    opinions = np.stack([logits[Condition(m)].argmax(1).numpy() for m in present])
    last, first = np.where(masks, opinions, -1).max(0), np.where(masks, opinions, len(names)).min(0)
    return [
        np.where(rejected, NONE_NAME, names[label.numpy()]).tolist(),
        score.tolist(),
        _used(list(present), masks),
        (first == last).tolist(),
        *(_where(mask, names[its]) for mask, its in zip(masks, opinions, strict=True)),
        *([None if math.isnan(value) else value for value in of.tolist()] for of in values),
        *(fused.T.tolist() if probabilities else []),
    ]


def _where(mask: np.ndarray, names: np.ndarray) -> list[str | None]:
    """The names, and None where the mask is false."""
    values = names.astype(object)
    values[~mask] = None
    return values.tolist()


def _used(modalities: list[Modality], masks: np.ndarray) -> list[str]:
    """For each row the modalities it has, such as `image+audio`; `masks` is (modalities, rows)."""
    subsets = itertools.product([False, True], repeat=len(modalities))
    names = [Condition.of(itertools.compress(modalities, subset)) for subset in subsets]
    index = 2 ** np.arange(len(modalities))[::-1] @ masks
    return np.array(names)[index].tolist()


def file_column(files: Sequence[str], rows: Sequence[int]) -> list[list[str]]:
    """The column `file` of these rows, if rows are files. Bytes of names that are no UTF-8 are replaced, so
    that every format can hold them."""
    names = [files[row].encode("utf-8", "surrogateescape") for row in rows] if files else []
    return [[name.decode("utf-8", "replace") for name in names]] if files else []
