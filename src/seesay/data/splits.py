"""Which rows train, which validate, which test: stratified, no picture, recording or speaker on two sides.

Rows that share a content or a group of their contents (a speaker) belong together, also through other rows:
they are joined into one group and move as one. The naive split by rows is here too, to show what it inflates,
and says so in its notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from seesay.data.dataset import MISSING, SPLITS, Dataset
from seesay.data.groups import components, ties
from seesay.errors import ConfigError, InputError, listed

TRAIN = SPLITS.index("train")

VALID = 0.1
"""Fraction of the training rows that validate unless asked otherwise."""

By = Literal["group", "content", "row"]
"""`group`: what belongs together stays together; `content`: rows of one picture or recording do, those of one
speaker need not; `row`: rows are drawn one by one, repeated contents leak."""

ROW_NOTE = (
    "Drawn row by row: a picture, recording or speaker of several rows can stand on both sides, "
    "so scores are inflated."
)
CONTENT_NOTE = (
    "Drawn by picture and recording: a speaker can stand on both sides, "
    "so scores say nothing about voices that were never heard."
)
NOTES: dict[By, list[str]] = {"group": [], "content": [CONTENT_NOTE], "row": [ROW_NOTE]}


@dataclass(frozen=True, eq=False)
class Splits:
    """Rows of a data set, as indices in ascending order, none of them in two parts."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    notes: tuple[str, ...] = ()
    """What the groups did not allow, and what leaks, in plain sentences."""

    def __getitem__(self, name: str) -> np.ndarray:
        return getattr(self, name)


@dataclass(frozen=True)
class Leak:
    """Rows of two splits that share something: `rows[0]` rows of the one have what is also in the other."""

    splits: tuple[str, str]
    what: str
    """`image content`, `audio content`, `audio speaker`, ..."""
    rows: tuple[int, int]


# ----------------------------------------------------------------------------------------------------- splits


def stored(dataset: Dataset) -> Splits:
    """The split that the data set has, as it is."""
    return Splits(dataset.rows_of("train"), dataset.rows_of("valid"), dataset.rows_of("test"))


def with_rows(rows_of: Mapping[str, np.ndarray]) -> str:
    """A remedy: the splits that have rows."""
    there = [f"{name} ({len(rows):,} rows)" for name, rows in rows_of.items() if len(rows)]
    return f"Choose --split {' or '.join(there)}." if there else "Give other --data."


def split(
    dataset: Dataset, seed: int = 0, by: By = "group", valid: float | None = None, test: float = 0.2
) -> Splits:
    """The rows of train, valid and test; the same seed gives the same rows.

    A split that the data set has is kept: its test rows stay test, its valid rows stay valid. What it has
    not is drawn from the other rows, stratified by class: `test` of them first, then `valid` of what
    remains (None: `VALID`), as near as groups allow (0: none is drawn). A row that is in no split yet
    follows the given test or valid rows that it belongs to. Rows without a label are never in train or
    valid. A class with a single group stays in train, which the notes say.
    """
    side = _given(dataset, by)
    random = np.random.default_rng(seed)
    notes = list(NOTES[by])
    for name, share in (("test", test), ("valid", VALID if valid is None else valid)):
        if share and SPLITS.index(name) not in side:
            pool = np.flatnonzero(side == TRAIN)
            drawn, said = _draw(dataset, pool, random, by, share, name)
            side[pool[drawn]] = SPLITS.index(name)
            notes += said
    train, valid_rows, test_rows = (np.flatnonzero(side == i) for i in range(len(SPLITS)))
    parts = Splits(train, valid_rows, test_rows)
    absent = np.setdiff1d(np.arange(len(dataset.spec.classes)), dataset.label[train])
    if len(train) and len(absent):
        names = listed(repr(dataset.spec.classes[i]) for i in absent)
        notes.append(f"train has no rows of class {names}, which cannot be learned.")
    if by == "group":
        notes += [_says(leak) for leak in leaks(dataset, parts)]
    return replace(parts, notes=tuple(notes))


def row_split(dataset: Dataset, rows: np.ndarray | None = None, seed: int = 0, test: float = 0.2) -> Splits:
    """The naive split of all labelled `rows`, whatever split they have: stratified, row by row, no valid.

    What most published notebooks on paired digits do; where recordings repeat it leaks, and its notes say so.
    """
    rows = np.arange(len(dataset)) if rows is None else rows
    rows = rows[dataset.label[rows] >= 0]
    drawn, said = _draw(dataset, rows, np.random.default_rng(seed), "row", test, "test")
    none = np.empty(0, np.int64)
    return Splits(np.sort(rows[~drawn]), none, np.sort(rows[drawn]), (ROW_NOTE, *said))


def _given(dataset: Dataset, by: By) -> np.ndarray:
    """(rows,) int8: the split of each row. Those in none follow what they belong to, or train; -1: unused."""
    side = np.array(dataset.split, np.int8)
    loose = side == MISSING
    if by != "row" and loose.any() and not loose.all():
        group = components(dataset, groups=by == "group")
        for name in ("test", "valid"):
            belongs = np.isin(group, group[dataset.split == SPLITS.index(name)])
            side[loose & belongs & (side == MISSING)] = SPLITS.index(name)
    side[side == MISSING] = TRAIN
    side[(dataset.label < 0) & (side != SPLITS.index("test"))] = MISSING
    return side


def leaks(dataset: Dataset, splits: Splits) -> tuple[Leak, ...]:
    """What stands on both sides of any two splits; empty where nothing does."""
    found = []
    for name, ids in ties(dataset):
        for i, one in enumerate(SPLITS):
            for other in SPLITS[i + 1 :]:
                a, b = ids[splits[one]], ids[splits[other]]
                shared = np.setdiff1d(np.intersect1d(a, b), [MISSING])
                if len(shared):
                    rows = (int(np.isin(a, shared).sum()), int(np.isin(b, shared).sum()))
                    found.append(Leak((one, other), name, rows))
    return tuple(found)


def _says(leak: Leak) -> str:
    (one, other), (rows, more) = leak.splits, leak.rows
    return (
        f"The data set as given shares {leak.what}s between {one} and {other}: "
        f"{rows:,} {one} rows and {more:,} {other} rows."
    )


def _draw(
    dataset: Dataset, rows: np.ndarray, random: np.random.Generator, by: By, share: float, name: str
) -> tuple[np.ndarray, list[str]]:
    """(rows,) bool: those of a part that is about `share` of `rows`, and what the groups did not allow."""
    if not 0 < share < 1:
        raise ConfigError(f"the share of {name} must lie between 0 and 1, got {share:g}")
    group = _tied(dataset, rows, by)
    classes, label = np.unique(dataset.label[rows], return_inverse=True)
    counts = _counts(group, label, len(classes))
    drawn = _choose(counts, random, share)[group]
    names = [dataset.spec.classes[c] for c in classes]
    return drawn, _notes(counts, names, drawn, np.bincount(label[drawn], minlength=len(classes)), share, name)


def _tied(dataset: Dataset, rows: np.ndarray, by: By) -> np.ndarray:
    """(n,) int: rows of one number stay together."""
    return np.arange(len(rows)) if by == "row" else components(dataset, rows, groups=by == "group")


def _counts(group: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """(groups, classes) float: rows of each class in each group."""
    groups = int(group.max(initial=-1)) + 1
    flat = np.bincount(group * classes + label, minlength=groups * classes)
    return flat.reshape(groups, classes).astype(np.float64)


def _choose(counts: np.ndarray, random: np.random.Generator, share: float) -> np.ndarray:
    """(groups,) bool: groups whose rows come near `share` of every class.

    First every class gets a group, the scarcest class first; then groups are taken in random order as long
    as each brings the counts nearer to the target. At most half of the groups, and of those of any class,
    are taken, so that a few giants and many small groups (open-wsd: 4 speakers with 22 % of the rows each,
    97 with 0.1 %) do not part by size.
    """
    counts = counts[order := random.permutation(len(counts))]
    has, target = np.hstack([counts > 0, np.ones((len(counts), 1), bool)]), counts.sum(0) * share
    most = has.sum(0) // 2
    taken = np.zeros(len(counts), bool)
    have, used = np.zeros_like(target), np.zeros_like(most)

    def change(group: np.ndarray | np.integer) -> np.ndarray | np.floating:
        """Of the squared distance from the target, in parts of the target, when the group is taken."""
        return (counts[group] * (counts[group] + 2 * (have - target)) / target**2).sum(-1)

    def take(group: np.integer) -> None:
        taken[group] = True
        np.add(have, counts[group], out=have)
        np.add(used, has[group], out=used)

    for c in np.argsort(has[:, :-1].sum(0), kind="stable"):
        candidates = np.flatnonzero(has[:, c] & ~has[:, used >= most].any(1))
        if not have[c] and len(candidates):
            nearer = np.flatnonzero(change(candidates) < 0)
            take(candidates[nearer[0] if len(nearer) else change(candidates).argmin()])
    for g in np.flatnonzero(~taken):
        if (have >= target).all():
            break
        if change(g) < 0 and (used + has[g] <= most).all():
            take(g)
    chosen = np.zeros(len(counts), bool)
    chosen[order[taken]] = True
    return chosen


def _notes(
    counts: np.ndarray, names: Sequence[str], drawn: np.ndarray, reached: np.ndarray, share: float, part: str
) -> list[str]:
    groups = (counts > 0).sum(0)
    single = [n for n, g, r in zip(names, groups, reached, strict=True) if not r and g == 1]
    bound = [n for n, g, r in zip(names, groups, reached, strict=True) if not r and g > 1]
    notes = []
    if single:
        notes.append(
            f"No {part} rows of {_classes(single)}: all rows share a picture, recording or speaker, "
            "so they stay together in train."
        )
    if bound:
        notes.append(
            f"No {part} rows of {_classes(bound)}: its groups hold other classes that train would then lack."
        )
    if len(drawn) and not 0.75 <= (got := drawn.mean()) / share <= 1.5:
        notes.append(
            f"{part} has {100 * got:.1f} % of the rows where {100 * share:.0f} % were wanted: "
            "the groups allow no better."
        )
    return notes


def _classes(names: Sequence[str]) -> str:
    return f"{'class' if len(names) == 1 else 'classes'} {listed(map(repr, names))}"


# ------------------------------------------------------------------------------------------------------ folds


def folds(
    dataset: Dataset, rows: np.ndarray, k: int, seed: int = 0, by: By = "group"
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`k` pairs (train, valid) of the labelled `rows`: each is valid once, balanced, no group crosses.

    Groups are dealt out largest first, each to the fold that has least of its classes (as scikit-learn's
    StratifiedGroupKFold, in one product per group). More folds than a class has groups: InputError.
    """
    rows = rows[dataset.label[rows] >= 0]
    group = _tied(dataset, rows, by)
    classes, label = np.unique(dataset.label[rows], return_inverse=True)
    counts = _counts(group, label, len(classes))
    _check_folds(counts, [dataset.spec.classes[c] for c in classes], k, by)
    fold = _deal(counts, k, np.random.default_rng(seed))[group]
    return ((rows[fold != i], rows[fold == i]) for i in range(k))


def fold_limit(dataset: Dataset, rows: np.ndarray, by: By = "group") -> int:
    """The most folds that every class of the labelled `rows` has groups for."""
    rows = rows[dataset.label[rows] >= 0]
    classes, label = np.unique(dataset.label[rows], return_inverse=True)
    counts = _counts(_tied(dataset, rows, by), label, len(classes))
    return int((counts > 0).sum(0).min(initial=len(counts)))


def _deal(counts: np.ndarray, k: int, random: np.random.Generator) -> np.ndarray:
    """(groups,) int: a fold for each group."""
    fold = np.empty(len(counts), np.int64)
    have = np.zeros((k, counts.shape[1] + 1))
    shares = counts / counts.sum(0)
    sizes = shares.sum(1, keepdims=True)
    weighed = np.hstack([shares, sizes])  # between folds that have as much of the classes, the smaller one
    pull = np.hstack([shares, 1e-6 * sizes])
    order = random.permutation(len(counts))
    for g in order[np.argsort(-sizes[order, 0], kind="stable")]:
        fold[g] = (have @ pull[g]).argmin()
        have[fold[g]] += weighed[g]
    return fold


def _check_folds(counts: np.ndarray, names: Sequence[str], k: int, by: By) -> None:
    if k < 2:
        raise ConfigError(f"cross-validation needs at least 2 folds, got {k}")
    if not len(counts):
        raise InputError("there are no rows with a label to make folds of", "Hand over training rows.")
    groups = (counts > 0).sum(0)
    if groups.min() >= k:
        return
    scarce = int(groups.argmin())
    what = "rows" if by == "row" else "groups (rows that share no picture, recording or speaker with others)"
    raise InputError(
        f"{k} folds need at least {k} {what} of every class, class {names[scarce]!r} has {groups[scarce]}",
        f"Ask for {groups[scarce]} folds or fewer, or add rows of that class."
        if groups[scarce] > 1
        else "Add rows of that class, or leave it out.",
    )
