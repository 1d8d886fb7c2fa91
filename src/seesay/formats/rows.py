"""From columns to a data set: labels, splits and speakers as people write them, beside a table per modality.

Every reader of a foreign layout ends here, so that what is refused, and how, is the same for all of them.
Rows are counted from 1 in messages; a heading is not counted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seesay.data.dataset import MISSING, SPLITS, Dataset, Group, Pairing
from seesay.data.groups import joined
from seesay.data.ragged import ContentTable
from seesay.data.skipped import Skipped
from seesay.errors import InputError, nearest
from seesay.errors import listed as listed
from seesay.formats.labels import (
    alike,
    check_classes,
    check_known,
    classes_of,
    label_index,
    label_names,
    text_of,
)
from seesay.spec import ContentSpec, Modality, Spec, in_order

SYNONYMS = {"val": "valid", "validation": "valid", "dev": "valid", "": ""}
"""Names that people give to splits, besides our own; an empty cell assigns the row to none."""


@dataclass(frozen=True)
class Table:
    """One modality as it was read: distinct contents, and per row which of them it has, or -1."""

    spec: ContentSpec
    contents: ContentTable
    pointers: np.ndarray
    said: str
    """What was found and what was made of it, in a sentence."""
    notes: tuple[str, ...] = ()
    """What to know before it is used, a sentence each: see `Dataset.notes`."""
    skipped: tuple[Skipped, ...] = ()
    """Rows whose file could not be read, where such are left out."""


def dataset_from(
    name: str,
    tables: Mapping[Modality, Table],
    labels: Sequence[Any] | np.ndarray,
    *,
    classes: Sequence[str] = (),
    split: Sequence[Any] | np.ndarray | None = None,
    speaker: Sequence[Any] | np.ndarray | None = None,
    group: Sequence[Any] | np.ndarray | None = None,
    pairing: Pairing = "given",
    sources: Iterable[str] = (),
    notes: Iterable[str] = (),
    left_out: Mapping[str, int] | None = None,
    skipped: Iterable[Skipped] = (),
    where: str = "",
    labelled: bool = True,
) -> Dataset:
    """The data set of these tables and columns, an entry per row each. `labels` are names or whole numbers;
    with `classes` they are indices into those. A row of the test split may have an empty label: not known;
    any row may where they are not `labelled`, and there may be less than two classes. Rows of one `group`
    stay on one side of every split. Rows that are `skipped`, here or by a table, are left out.
    `where`: what to call all this in a message, if not by its name.

    Columns of another length, odd labels or splits, a class of a single row, less than two classes:
    InputError.
    """
    where = where or name
    tables = {m: tables[m] for m in in_order(tables)}
    rows = np.stack([table.pointers for table in tables.values()], axis=1).astype(np.int32)
    columns = (("labels", labels), ("splits", split), ("speakers", speaker), ("groups", group))
    for what, column in columns:
        if column is not None and len(column) != len(rows):
            raise InputError(f"{where}: {len(rows)} rows need as many {what}, got {len(column)}")
    splits = np.full(len(rows), MISSING, np.int8) if split is None else split_index(split, where)
    names = label_names(labels, where)
    if labelled:
        check_known(names, splits, where)
    left = _first_of_rows([*skipped, *(each for table in tables.values() for each in table.skipped)])
    kept = np.setdiff1d(np.arange(len(rows)), [each.row - 1 for each in left])
    if labelled:
        _check_left(names, kept, where)
    names = names[kept]
    found = tuple(classes) or classes_of(names)
    label = label_index(names, found, by_number=bool(classes), where=where)
    if labelled:
        check_classes(label, found, where)
    given = {"speaker": speaker, "group": group}
    who = {what: text_of(column, where) for what, column in given.items() if column is not None}
    return Dataset(
        spec=Spec(found, {m: table.spec for m, table in tables.items()}),
        contents={m: table.contents for m, table in tables.items()},
        rows=rows[kept],
        label=label,
        split=splits[kept],
        groups=_groups(tables, who),
        pairing=pairing,
        name=name,
        sources=(*sources, *(f"{m}: {table.said}" for m, table in tables.items())),
        notes=(*notes, *_alike(found, who), *(note for table in tables.values() for note in table.notes)),
        left_out=dict(left_out or {}) | ({"cannot be read": len(left)} if left else {}),
        skipped=left,
    )


def _alike(classes: Iterable[str], who: Mapping[str, np.ndarray]) -> Iterator[str]:
    """What to say of classes, speakers and groups that look alike."""
    yield from alike("Classes", classes)
    for what, names in who.items():
        yield from alike(f"{what.title()}s", names)


def _first_of_rows(skipped: Iterable[Skipped]) -> tuple[Skipped, ...]:
    """One of each row, in the order of the rows."""
    first: dict[int, Skipped] = {}
    for each in skipped:
        first.setdefault(each.row, each)
    return tuple(first[row] for row in sorted(first))


def _check_left(names: np.ndarray, kept: np.ndarray, where: str) -> None:
    """InputError where a class is left out as a whole."""
    lost = sorted(set(np.unique(names).tolist()) - set(np.unique(names[kept]).tolist()) - {""})
    if lost:
        raise InputError(
            f"{where}: none of the files of {listed(map(repr, lost))} can be read, so the class would vanish",
            "Mend its files or delete its rows.",
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
    different, which = np.unique(text_of(values, where), return_inverse=True)
    found = [SYNONYMS.get(str(name).lower(), str(name).lower()) for name in different]
    for i, name in enumerate(found):
        if name not in index:
            row = int(np.flatnonzero(which == i)[0]) + 1
            raise InputError(
                f"{where}: the split of row {row} is {str(different[i])!r}", nearest(name, list(SPLITS))
            )
    return np.array([index[name] for name in found], np.int8)[which]


def _groups(
    tables: Mapping[Modality, Table], who: Mapping[str, np.ndarray]
) -> dict[Modality, dict[str, Group]]:
    """What the columns `speaker` and `group` say of the contents."""
    groups = speakers(tables, who["speaker"]) if "speaker" in who else {}
    if "group" in who:
        sizes = {m: len(table.contents) for m, table in tables.items()}
        pointers = {m: table.pointers for m, table in tables.items()}
        for modality, group in joined(sizes, pointers, who["group"]).items():
            groups[modality] = groups.get(modality, {}) | {"group": group}
    return groups


def speakers(tables: Mapping[Modality, Table], speaker: np.ndarray) -> dict[Modality, dict[str, Group]]:
    """Who speaks in each recording (who wrote each picture, where there are no recordings); "": not known.

    A content of several rows takes the name that its first row gives. Where several modalities hold
    recordings, the names are those of all of them.
    """
    first = next(iter(tables.values())).spec.kind
    voices = {m: table for m, table in tables.items() if table.spec.speech}
    voices = voices or {m: table for m, table in tables.items() if table.spec.kind == first}
    names = text_of(speaker)
    there = {m: (table.pointers != MISSING) & (names != "") for m, table in voices.items()}
    different = np.unique(names[np.any(list(there.values()), axis=0)])
    groups: dict[Modality, dict[str, Group]] = {}
    for modality, table in voices.items():
        known = np.flatnonzero(there[modality])[::-1]
        ids = np.full(len(table.contents), MISSING, np.int32)
        # from the last row to the first: the first is written last
        ids[table.pointers[known]] = np.searchsorted(different, names[known])
        groups[modality] = {"speaker": Group(ids, tuple(map(str, different)))}
    return groups
