"""From columns to a data set: labels, splits and speakers as people write them, beside a table per modality.

Every reader of a foreign layout ends here, so that what is refused, and how, is the same for all of them.
Rows are counted from 1 in messages; a heading is not counted.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from seesay.config import MODALITIES, AudioSpec, ImageSpec, Modality, Spec
from seesay.data.dataset import MISSING, SPLITS, Dataset, Group, Pairing
from seesay.errors import InputError, nearest

SHOWN = 10
"""Of a list of faults, as many are shown; the count says how many there are."""

SYNONYMS = {"val": "valid", "validation": "valid", "dev": "valid", "": ""}
"""Names that people give to splits, besides our own; an empty cell assigns the row to none."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """One modality as it was read: distinct contents, and per row which of them it has, or -1."""

    spec: ImageSpec | AudioSpec
    contents: np.ndarray
    pointers: np.ndarray
    said: str
    """What was found and what was made of it, in a sentence."""
    notes: tuple[str, ...] = ()
    """What to know before it is used, a sentence each: see `Dataset.notes`."""


def dataset_from(
    name: str,
    tables: Mapping[Modality, Table],
    labels: Sequence[Any] | np.ndarray,
    *,
    classes: Sequence[str] = (),
    split: Sequence[Any] | np.ndarray | None = None,
    speaker: Sequence[Any] | np.ndarray | None = None,
    pairing: Pairing = "given",
    sources: Iterable[str] = (),
    notes: Iterable[str] = (),
    left_out: Mapping[str, int] | None = None,
    where: str = "",
    labelled: bool = True,
) -> Dataset:
    """The data set of these tables and columns, an entry per row each. `labels` are names or whole numbers;
    with `classes` they are indices into those. A row of the test split may have an empty label: not known;
    any row may where they are not `labelled`, and there may be less than two classes.
    `where`: what to call all this in a message, if not by its name.

    Columns of another length, odd labels or splits, a class of a single row, less than two classes:
    InputError.
    """
    where = where or name
    tables = {m: tables[m] for m in MODALITIES if m in tables}
    specs: dict[str, Any] = {m: table.spec for m, table in tables.items()}
    rows = np.stack([table.pointers for table in tables.values()], axis=1).astype(np.int32)
    for what, column in (("labels", labels), ("splits", split), ("speakers", speaker)):
        if column is not None and len(column) != len(rows):
            raise InputError(f"{where}: {len(rows)} rows need as many {what}, got {len(column)}")
    splits = np.full(len(rows), MISSING, np.int8) if split is None else split_index(split, where)
    names = label_names(labels, where)
    if labelled:
        check_known(names, splits, where)
    found = tuple(classes) or classes_of(names)
    label = label_index(names, found, by_number=bool(classes), where=where)
    if labelled:
        check_classes(label, found, where)
    return Dataset(
        spec=Spec(found, **specs),
        contents={m: table.contents for m, table in tables.items()},
        rows=rows,
        label=label,
        split=splits,
        groups={} if speaker is None else speakers(tables, np.asarray(speaker)),
        pairing=pairing,
        name=name,
        sources=(*sources, *(f"{m}: {table.said}" for m, table in tables.items())),
        notes=(*notes, *(note for table in tables.values() for note in table.notes)),
        left_out=left_out or {},
    )


# ----------------------------------------------------------------------------------------------------- labels


def label_names(labels: Sequence[Any] | np.ndarray, where: str) -> np.ndarray:
    """(rows,) text: whole numbers as such (`7` for 7, 7.0 and "07"), names as they are, "" for unknown.

    Fractions, NaN, infinities, anything else: InputError with the row.
    """
    values = np.asarray(labels)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or values.dtype.kind not in "biufUS":
        raise InputError(
            f"{where}: labels must be a whole number or name per row, got {values.dtype} {values.shape}"
        )
    different, which = np.unique(_text(values), return_inverse=True)
    numbers = [bool(NUMBER.fullmatch(name)) for name in different]
    whole = all(number or not name for name, number in zip(different, numbers, strict=True))
    texts = list(map(str, different))
    for i, number in enumerate(numbers):
        if number and not float(texts[i]).is_integer():
            row = int(np.flatnonzero(which == i)[0]) + 1
            raise InputError(
                f"{where}: the label of row {row} is {texts[i]}, neither a whole number nor a name",
                "Labels are classes: give each a whole number or a name.",
            )
        if number and whole:
            texts[i] = str(int(Decimal(texts[i])))
    return np.array(texts)[which]


def _text(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8")
    return values.astype(np.int64 if values.dtype.kind == "b" else values.dtype).astype(str)


def check_known(names: np.ndarray, split: np.ndarray, where: str) -> None:
    """InputError where a row outside the test split has no label."""
    unknown = np.flatnonzero((names == "") & (split != SPLITS.index("test")))
    if unknown.size:
        raise InputError(
            f"{where}: {unknown.size} rows have no label: {listed(f'row {i + 1}' for i in unknown)}",
            "Only rows of the split 'test' may have none.",
        )


def classes_of(names: np.ndarray) -> tuple[str, ...]:
    """The different names: numbers in their order as text, `2` before `10`, else the alphabet's order."""
    found = {str(name) for name in np.unique(names)} - {""}
    if all(NUMBER.fullmatch(name) for name in found):
        return tuple(sorted(found, key=int))
    return tuple(sorted(found))


def label_index(names: np.ndarray, classes: Sequence[str], by_number: bool, where: str) -> np.ndarray:
    """(rows,) int64: where each name stands in `classes`, or, `by_number`, that number; -1 where the name is
    ""."""
    choices = [str(i) for i in range(len(classes))] if by_number else list(classes)
    index = {name: i for i, name in enumerate(choices)} | {"": MISSING}
    different, which = np.unique(names, return_inverse=True)
    for name in different:
        if name not in index:
            raise InputError(
                f"{where}: label {str(name)!r} is none of 0 to {len(classes) - 1}", "Check `classes`."
            )
    return np.array([index[str(name)] for name in different], np.int64)[which]


def check_classes(label: np.ndarray, classes: Sequence[str], where: str) -> None:
    """InputError where there is nothing to tell apart, or a class that cannot be learned and tested."""
    counts = np.bincount(label[label != MISSING], minlength=len(classes))
    if np.count_nonzero(counts) < 2:
        raise InputError(
            f"{where} has {np.count_nonzero(counts)} class, expected two or more: {listed(classes)}",
            "Check the labels, or name the folder that holds the classes.",
        )
    single = [
        f"{classes[i]!r} (row {np.flatnonzero(label == i)[0] + 1})"
        for i in np.flatnonzero(counts == 1).tolist()
    ]
    if single:
        raise InputError(
            f"{where}: a class needs two rows or more, and these have a single one: {listed(single)}",
            "Add rows or leave the class out.",
        )


# ------------------------------------------------------------------------------------------- splits, speakers


def split_index(split: Sequence[Any] | np.ndarray, where: str) -> np.ndarray:
    """(rows,) int8: indices into SPLITS, from such, or from names; "" and -1: none."""
    values = np.asarray(split)
    if values.dtype.kind in "iu":
        if values.ndim != 1 or not MISSING <= values.min() <= values.max() < len(SPLITS):
            raise InputError(f"{where}: splits must be -1 to {len(SPLITS) - 1}, or names, one per row")
        return values.astype(np.int8)
    index = {name: i for i, name in enumerate(SPLITS)} | {"": MISSING}
    different, which = np.unique(_text(values), return_inverse=True)
    found = [SYNONYMS.get(str(name).lower(), str(name).lower()) for name in different]
    for i, name in enumerate(found):
        if name not in index:
            row = int(np.flatnonzero(which == i)[0]) + 1
            raise InputError(
                f"{where}: the split of row {row} is {str(different[i])!r}", nearest(name, list(SPLITS))
            )
    return np.array([index[name] for name in found], np.int8)[which]


def speakers(tables: Mapping[Modality, Table], speaker: np.ndarray) -> dict[Modality, dict[str, Group]]:
    """Who speaks in each recording (who wrote each picture, where there are no recordings); "": not known.

    A content of several rows takes the name that its first row gives.
    """
    modality = "audio" if "audio" in tables else "image"
    table = tables[modality]
    names = _text(speaker)
    known = np.flatnonzero((table.pointers != MISSING) & (names != ""))[::-1]
    different, which = np.unique(names[known], return_inverse=True)
    ids = np.full(len(table.contents), MISSING, np.int32)
    ids[table.pointers[known]] = which  # from the last row to the first: the first is written last
    return {modality: {"speaker": Group(ids, tuple(map(str, different)))}}


def listed(faults: Iterable[str]) -> str:
    """At most SHOWN of them, and how many more there are."""
    faults = list(faults)
    more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    return ", ".join(faults[:SHOWN]) + more
