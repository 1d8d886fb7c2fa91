"""Build a data set from a table per modality and columns of labels, splits and speakers as users write them.

All readers of foreign layouts end here, so that they refuse the same input in the same way. Messages count
rows from 1, without the heading.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seesay.data.dataset import MISSING, SPLITS, Dataset, Group, Pairing
from seesay.data.groups import joined
from seesay.data.ragged import ContentTable
from seesay.data.skipped import Skipped
from seesay.errors import InputError, listed, nearest
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
"""Other names of splits; an empty cell leaves the row unassigned."""


@dataclass(frozen=True)
class Table:
    """One modality as read: distinct contents, and per row the index of its content, or -1."""

    spec: ContentSpec
    contents: ContentTable
    pointers: np.ndarray
    summary: str
    """What was read and how it is stored, as a phrase."""
    notes: tuple[str, ...] = ()
    """What to know before using it, a sentence each: see `Dataset.notes`."""
    skipped: tuple[Skipped, ...] = ()
    """Rows skipped because a file could not be read."""


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
    """The data set of these tables and columns, each with one entry per row.

    `labels` are names or integers; with `classes`, indices into those. Rows called `_none_` are negatives, of
    no class. Test rows may have an empty label, for unknown; with `labelled` false any row may, and there may
    be fewer than two classes. No split divides the rows of one `group`. Rows `skipped`, here or in a table,
    are left out. `where`: name of the source in messages, if not `name`.

    Columns of another length, invalid labels or splits, a class with a single row, fewer than two classes:
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
    all_skipped = _first_of_rows([*skipped, *(skip for table in tables.values() for skip in table.skipped)])
    kept = np.setdiff1d(np.arange(len(rows)), [skip.row - 1 for skip in all_skipped])
    if labelled:
        _check_left(names, kept, where)
    names = names[kept]
    class_names = tuple(classes) or classes_of(names)
    label = label_index(names, class_names, by_number=bool(classes), where=where)
    if labelled:
        check_classes(label, class_names, where)
    group_columns = {"speaker": speaker, "group": group}
    group_names = {
        what: text_of(column, where) for what, column in group_columns.items() if column is not None
    }
    return Dataset(
        spec=Spec(class_names, {m: table.spec for m, table in tables.items()}),
        contents={m: table.contents for m, table in tables.items()},
        rows=rows[kept],
        label=label,
        split=splits[kept],
        groups=_groups(tables, group_names),
        pairing=pairing,
        name=name,
        sources=(*sources, *(f"{m}: {table.summary}" for m, table in tables.items())),
        notes=(
            *notes,
            *_alike(class_names, group_names),
            *(note for table in tables.values() for note in table.notes),
        ),
        left_out=dict(left_out or {}) | ({"cannot be read": len(all_skipped)} if all_skipped else {}),
        skipped=all_skipped,
    )


def _alike(classes: Iterable[str], groups: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Notes on classes, speakers and groups whose names look alike."""
    yield from alike("Classes", classes)
    for what, names in groups.items():
        yield from alike(f"{what.title()}s", names)


def _first_of_rows(skipped: Iterable[Skipped]) -> tuple[Skipped, ...]:
    """The first entry of each row, in order of rows."""
    first: dict[int, Skipped] = {}
    for skip in skipped:
        first.setdefault(skip.row, skip)
    return tuple(first[row] for row in sorted(first))


def _check_left(names: np.ndarray, kept: np.ndarray, where: str) -> None:
    """InputError where all rows of a class were skipped."""
    lost = sorted(set(np.unique(names).tolist()) - set(np.unique(names[kept]).tolist()) - {""})
    if lost:
        raise InputError(
            f"{where}: none of the files of {listed(map(repr, lost))} can be read, so the class would vanish",
            "Fix its files or delete its rows.",
        )


# ------------------------------------------------------------------------------------------- splits, speakers


def split_index(split: Sequence[Any] | np.ndarray, where: str) -> np.ndarray:
    """(rows,) int8: indices into SPLITS, from indices or names; "" and -1: unassigned."""
    values = np.asarray(split)
    if values.dtype.kind in "iu":
        if values.ndim != 1 or not MISSING <= values.min() <= values.max() < len(SPLITS):
            raise InputError(f"{where}: splits must be -1 to {len(SPLITS) - 1}, or names, one per row")
        return values.astype(np.int8)
    index = {name: i for i, name in enumerate(SPLITS)} | {"": MISSING}
    different, which = np.unique(text_of(values, where), return_inverse=True)
    split_names = [SYNONYMS.get(str(name).lower(), str(name).lower()) for name in different]
    for i, name in enumerate(split_names):
        if name not in index:
            row = int(np.flatnonzero(which == i)[0]) + 1
            raise InputError(
                f"{where}: the split of row {row} is {str(different[i])!r}", nearest(name, list(SPLITS))
            )
    return np.array([index[name] for name in split_names], np.int8)[which]


def _groups(
    tables: Mapping[Modality, Table], names: Mapping[str, np.ndarray]
) -> dict[Modality, dict[str, Group]]:
    """Groups of contents from the columns `speaker` and `group`."""
    groups = speakers(tables, names["speaker"]) if "speaker" in names else {}
    if "group" in names:
        sizes = {m: len(table.contents) for m, table in tables.items()}
        pointers = {m: table.pointers for m, table in tables.items()}
        for modality, group in joined(sizes, pointers, names["group"]).items():
            groups[modality] = groups.get(modality, {}) | {"group": group}
    return groups


def speakers(tables: Mapping[Modality, Table], speaker: np.ndarray) -> dict[Modality, dict[str, Group]]:
    """The speaker of each recording or, without recordings, of each content of the first kind; "": unknown.

    A content of several rows takes the name in its first row. All modalities of recordings share one list of
    names.
    """
    first = next(iter(tables.values())).spec.kind
    voices = {m: table for m, table in tables.items() if table.spec.speech}
    voices = voices or {m: table for m, table in tables.items() if table.spec.kind == first}
    names = text_of(speaker)
    present = {m: (table.pointers != MISSING) & (names != "") for m, table in voices.items()}
    distinct_names = np.unique(names[np.any(list(present.values()), axis=0)])
    groups: dict[Modality, dict[str, Group]] = {}
    for modality, table in voices.items():
        known = np.flatnonzero(present[modality])[::-1]
        ids = np.full(len(table.contents), MISSING, np.int32)
        # in reverse, so that the first row is written last and wins
        ids[table.pointers[known]] = np.searchsorted(distinct_names, names[known])
        groups[modality] = {"speaker": Group(ids, tuple(map(str, distinct_names)))}
    return groups
