"""Which rows must stay in one split: those that share a content, or a group such as a speaker.

Rows tied directly or through other rows form one component, which no split may cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from seesay.data.dataset import MISSING, Dataset, Group
from seesay.spec import Modality


def ties(dataset: Dataset, groups: bool = True) -> Iterator[tuple[str, np.ndarray]]:
    """What must not cross a split: a name (`audio speaker`) and an id per row, -1 for none.

    Without `groups`, contents alone. Groups that several modalities have under one name, consistently, belong
    to the row: `row group`.
    """
    of_rows = _of_rows(dataset) if groups else {}
    for modality in dataset.modalities:
        pointers = dataset.pointers(modality)
        yield f"{modality} content", pointers
        for name, group in (dataset.groups.get(modality, {}) if groups else {}).items():
            if name not in of_rows:
                yield f"{modality} {name}", of_content(group.ids, pointers)
    for name, ids in of_rows.items():
        yield f"row {name}", ids


def _of_rows(dataset: Dataset) -> dict[str, np.ndarray]:
    """(rows,) ids of the groups that several modalities have under one name, with equal group names and no
    row in two groups."""
    shared: dict[str, np.ndarray] = {}
    names = [name for m in dataset.modalities for name in dataset.groups.get(m, {})]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        parts = [(m, groups[name]) for m, groups in dataset.groups.items() if name in groups]
        ids = np.stack([of_content(np.asarray(group.ids), dataset.pointers(m)) for m, group in parts])
        combined = ids.max(0)
        if len({group.names for _, group in parts}) == 1 and ((ids == combined) | (ids == MISSING)).all():
            shared[name] = combined
    return shared


def of_content(ids: np.ndarray, pointers: np.ndarray) -> np.ndarray:
    """(rows,) ids of the contents that `pointers` index, -1 where a row has none."""
    if not len(ids):
        return np.full(len(pointers), MISSING)
    return np.where(pointers == MISSING, MISSING, ids[pointers])


def unknown_speakers(dataset: Dataset) -> tuple[int, int]:
    """Number of recordings without any known group, such as a speaker, and of all recordings."""
    unknown, total = 0, 0
    for modality in (m for m, spec in dataset.spec.contents.items() if spec.speech):
        known = np.zeros(len(dataset.contents[modality]), bool)
        for group in dataset.groups.get(modality, {}).values():
            known |= np.asarray(group.ids) != MISSING
        unknown, total = unknown + int((~known).sum()), total + len(known)
    return unknown, total


def speaker_notes(unknown: int, recordings: int) -> tuple[str, ...]:
    """A note on unknown speakers and what to do about them; empty if all are known."""
    if not unknown:
        return ()
    of = "" if unknown == recordings else f" for {unknown:,} of {recordings:,} recordings"
    return (
        f"Speakers not known{of}: expect less on new voices. To name them, give the table a column "
        "`speaker`, or data import --columns group=COLUMN; in a folder, --name-pattern.",
    )


def components(dataset: Dataset, rows: np.ndarray | None = None, groups: bool = True) -> np.ndarray:
    """(n,) int64: component of each row; rows of one component share a content or a group, directly or
    through others of `rows`. Without `groups`, contents alone tie rows."""
    rows = np.arange(len(dataset)) if rows is None else rows
    ones: list[np.ndarray] = []
    others: list[np.ndarray] = []
    nodes = len(rows)  # a node per row, then one per content and per group
    for _, ids in ties(dataset, groups):
        row_ids = ids[rows]
        known = np.flatnonzero(row_ids != MISSING)
        ones.append(known)
        others.append(nodes + row_ids[known].astype(np.int64))
        nodes += int(row_ids.max(initial=MISSING)) + 1
    edge = (np.concatenate(ones), np.concatenate(others))
    graph = coo_array((np.ones(len(edge[0]), bool), edge), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    return np.unique(component[: len(rows)], return_inverse=True)[1]


def sharing(ids: np.ndarray, part: float = 0.2) -> tuple[float, float]:
    """Two fractions of rows: those that share their id with another row, and those that would leak if `part`
    were held out at random.

    A held-out row whose id has r rows leaks unless the r - 1 others are held out too. With v of n rows held
    out, that has probability (v-1)/(n-1) · (v-2)/(n-2) · ... with r - 1 factors (drawing without
    replacement). Rows of id -1 share nothing.
    """
    rows = np.bincount(ids[ids != MISSING], minlength=1)
    n, held_out = len(ids), round(part * len(ids))
    others = np.arange(1, max(2, int(rows.max())))
    factors = np.clip((held_out - others) / np.maximum(n - others, 1), 0, 1)
    alone = np.concatenate([[1.0], np.cumprod(factors)])  # by r - 1
    leaking = (rows * (1 - alone[np.maximum(rows - 1, 0)])).sum() / n
    return float(rows[rows > 1].sum() / n), float(leaking)


# ------------------------------------------------------------------------------------------ columns of groups


def joined(
    contents: Mapping[Modality, int], pointers: Mapping[Modality, np.ndarray], names: np.ndarray
) -> dict[Modality, Group]:
    """Per modality the group of each content, with ids common to all modalities.

    `names`: the group of each row; "": unknown. Groups whose rows share a content are merged under the first
    name.
    """
    known = np.flatnonzero(names != "")
    different, which = np.unique(names[known], return_inverse=True)
    nodes, ones, others = len(different), [], []
    for modality, size in contents.items():
        present = pointers[modality][known] != MISSING
        ones.append(which[present])
        others.append(nodes + pointers[modality][known][present])
        nodes += size
    edges = (np.concatenate(ones), np.concatenate(others))
    graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(nodes, nodes))
    component = connected_components(graph, directed=False)[1][: len(different)]
    first = {part: i for i, part in reversed(list(enumerate(component.tolist())))}
    of_name = np.searchsorted(sorted(first.values()), [first[part] for part in component.tolist()])
    kept_names = tuple(str(different[i]) for i in sorted(first.values()))
    groups = {}
    for modality, size in contents.items():
        ids = np.full(size, MISSING, np.int32)
        present = pointers[modality][known] != MISSING
        ids[pointers[modality][known][present]] = of_name[which[present]]
        groups[modality] = Group(ids, kept_names)
    return groups
