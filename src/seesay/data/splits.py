"""Train/validation/test splits: stratified, with no picture, recording or speaker in two splits.

Rows that share a content or a group (a speaker), directly or through other rows, form one group and move
together. The naive split by row is available too, to show what it inflates; its notes say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from seesay.data.dataset import MISSING, NONE, NONE_NAME, SPLITS, Dataset
from seesay.data.groups import components, ties
from seesay.errors import ConfigError, InputError, listed

TRAIN = SPLITS.index("train")

VALID = 0.1
"""Default fraction of the training rows for validation."""

TEST = 0.2
"""Default fraction of the rows for test, if the data set has no test rows."""

By = Literal["group", "content", "row"]
"""`group`: rows that share a content or a group stay together; `content`: rows that share a content stay
together, rows of one speaker need not; `row`: rows are drawn one by one, so repeated contents leak."""

ROW_NOTE = (
    "Drawn row by row: a picture, recording or speaker of several rows can be in two splits, "
    "so scores are inflated."
)
CONTENT_NOTE = (
    "Drawn by picture and recording: a speaker can be in two splits, so scores say nothing about new voices."
)
NOTES: dict[By, list[str]] = {"group": [], "content": [CONTENT_NOTE], "row": [ROW_NOTE]}


@dataclass(frozen=True, eq=False)
class Splits:
    """Disjoint rows of the three splits, as ascending indices."""

    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray
    notes: tuple[str, ...] = ()
    """One sentence per warning: fractions or classes that the groups made impossible, and leaks."""

    def __getitem__(self, name: str) -> np.ndarray:
        return getattr(self, name)


@dataclass(frozen=True)
class Leak:
    """Something shared by two splits: `rows[0]` rows of the first have it, `rows[1]` of the second."""

    splits: tuple[str, str]
    what: str
    """`image content`, `audio content`, `audio speaker`, ..."""
    rows: tuple[int, int]


# ----------------------------------------------------------------------------------------------------- splits


def stored(dataset: Dataset) -> Splits:
    """The splits stored in the data set, unchanged."""
    return Splits(dataset.rows_of("train"), dataset.rows_of("valid"), dataset.rows_of("test"))


def with_rows(rows_of: Mapping[str, np.ndarray]) -> str:
    """A remedy that lists the splits with rows."""
    options = [f"{name} ({len(rows):,} rows)" for name, rows in rows_of.items() if len(rows)]
    return f"Choose --split {' or '.join(options)}." if options else "Give other --data."


def split(
    dataset: Dataset, seed: int = 0, by: By = "group", valid: float | None = None, test: float = TEST
) -> Splits:
    """The rows of train, valid and test; the same seed gives the same rows.

    Test and validation rows stored in the data set are kept. A missing split is drawn from the other rows,
    stratified by class: first the fraction `test` of them, then `valid` of the rest (None: `VALID`), as near
    as groups allow (0: none). An unassigned row joins the stored test or validation rows of its group. Rows
    without a label are never in train or valid; negatives are drawn like the rows of a class. A class with a
    single group stays in train, with a note.
    """
    assigned = _initial(dataset, by)
    random = np.random.default_rng(seed)
    notes = list(NOTES[by])
    for name, fraction in (("test", test), ("valid", VALID if valid is None else valid)):
        if fraction and SPLITS.index(name) not in assigned:
            pool = np.flatnonzero(assigned == TRAIN)
            drawn, draw_notes = _draw(dataset, pool, random, by, fraction, name)
            assigned[pool[drawn]] = SPLITS.index(name)
            notes += draw_notes
    train, valid_rows, test_rows = (np.flatnonzero(assigned == i) for i in range(len(SPLITS)))
    parts = Splits(train, valid_rows, test_rows)
    absent = np.setdiff1d(np.arange(len(dataset.spec.classes)), dataset.label[train])
    if len(train) and len(absent):
        names = listed(repr(dataset.spec.classes[i]) for i in absent)
        notes.append(f"train has no rows of class {names}, which cannot be learned.")
    if by == "group":
        notes += [_leak_note(leak) for leak in leaks(dataset, parts)]
    return replace(parts, notes=tuple(notes))


def row_split(dataset: Dataset, rows: np.ndarray | None = None, seed: int = 0, test: float = TEST) -> Splits:
    """The naive split of all labelled `rows`, whatever their stored split: stratified, row by row, no valid.

    Most published notebooks on paired digits do this; where recordings repeat it leaks, as its notes say.
    """
    rows = np.arange(len(dataset)) if rows is None else rows
    rows = rows[dataset.label[rows] >= 0]
    drawn, draw_notes = _draw(dataset, rows, np.random.default_rng(seed), "row", test, "test")
    none = np.empty(0, np.int64)
    return Splits(np.sort(rows[~drawn]), none, np.sort(rows[drawn]), (ROW_NOTE, *draw_notes))


def _initial(dataset: Dataset, by: By) -> np.ndarray:
    """(rows,) int8: the split of each row before drawing; -1: unused.

    An unassigned row joins the stored split of its group, else train.
    """
    assigned = np.array(dataset.split, np.int8)
    loose = assigned == MISSING
    if by != "row" and loose.any() and not loose.all():
        group = components(dataset, groups=by == "group")
        for name in ("test", "valid"):
            belongs = np.isin(group, group[dataset.split == SPLITS.index(name)])
            assigned[loose & belongs & (assigned == MISSING)] = SPLITS.index(name)
    assigned[assigned == MISSING] = TRAIN
    assigned[(dataset.label == MISSING) & (assigned != SPLITS.index("test"))] = MISSING
    return assigned


def leaks(dataset: Dataset, splits: Splits) -> tuple[Leak, ...]:
    """Contents and groups shared by any two splits."""
    result = []
    for name, ids in ties(dataset):
        for i, one in enumerate(SPLITS):
            for other in SPLITS[i + 1 :]:
                a, b = ids[splits[one]], ids[splits[other]]
                shared = np.setdiff1d(np.intersect1d(a, b), [MISSING])
                if len(shared):
                    rows = (int(np.isin(a, shared).sum()), int(np.isin(b, shared).sum()))
                    result.append(Leak((one, other), name, rows))
    return tuple(result)


def _leak_note(leak: Leak) -> str:
    (one, other), (rows, more) = leak.splits, leak.rows
    return (
        f"The data set as given shares {leak.what}s between {one} and {other}: "
        f"{rows:,} {one} rows and {more:,} {other} rows."
    )


def _draw(
    dataset: Dataset, rows: np.ndarray, random: np.random.Generator, by: By, fraction: float, name: str
) -> tuple[np.ndarray, list[str]]:
    """(rows,) bool: a selection of about `fraction` of `rows`; and notes on what the groups did not allow."""
    if not 0 < fraction < 1:
        raise ConfigError(f"the fraction of {name} must be between 0 and 1, got {fraction:g}")
    group = _components(dataset, rows, by)
    classes, label = np.unique(dataset.label[rows], return_inverse=True)
    counts = _counts(group, label, len(classes))
    drawn = _choose(counts, random, fraction)[group]
    names = [NONE_NAME if c == NONE else dataset.spec.classes[c] for c in classes]
    return drawn, _notes(
        counts, names, drawn, np.bincount(label[drawn], minlength=len(classes)), fraction, name
    )


def _components(dataset: Dataset, rows: np.ndarray, by: By) -> np.ndarray:
    """(n,) int: component of each row; rows of one component stay together."""
    return np.arange(len(rows)) if by == "row" else components(dataset, rows, groups=by == "group")


def _counts(group: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """(groups, classes) float: number of rows."""
    groups = int(group.max(initial=-1)) + 1
    flat = np.bincount(group * classes + label, minlength=groups * classes)
    return flat.reshape(groups, classes).astype(np.float64)


def _choose(counts: np.ndarray, random: np.random.Generator, fraction: float) -> np.ndarray:
    """(groups,) bool: groups whose rows make up about `fraction` of every class.

    First every class gets a group, the scarcest class first; then groups are taken in random order, each only
    if it brings the counts nearer to the target. At most half of the groups, overall and of any class, are
    taken, so that a few giants and many small groups (open-wsd: 4 speakers with 22 % of the rows each, 97
    with 0.1 %) are not separated by size.
    """
    counts = counts[order := random.permutation(len(counts))]
    has, target = np.hstack([counts > 0, np.ones((len(counts), 1), bool)]), counts.sum(0) * fraction
    limit = has.sum(0) // 2
    taken = np.zeros(len(counts), bool)
    have, used = np.zeros_like(target), np.zeros_like(limit)

    def change(group: np.ndarray | np.integer) -> np.ndarray | np.floating:
        """Change in squared relative distance from the target if the group is taken."""
        return (counts[group] * (counts[group] + 2 * (have - target)) / target**2).sum(-1)

    def take(group: np.integer) -> None:
        taken[group] = True
        np.add(have, counts[group], out=have)
        np.add(used, has[group], out=used)

    for c in np.argsort(has[:, :-1].sum(0), kind="stable"):
        candidates = np.flatnonzero(has[:, c] & ~has[:, used >= limit].any(1))
        if not have[c] and len(candidates):
            nearer = np.flatnonzero(change(candidates) < 0)
            take(candidates[nearer[0] if len(nearer) else change(candidates).argmin()])
    for g in np.flatnonzero(~taken):
        if (have >= target).all():
            break
        if change(g) < 0 and (used + has[g] <= limit).all():
            take(g)
    chosen = np.zeros(len(counts), bool)
    chosen[order[taken]] = True
    return chosen


def _notes(
    counts: np.ndarray,
    names: Sequence[str],
    drawn: np.ndarray,
    reached: np.ndarray,
    fraction: float,
    part: str,
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
            f"No {part} rows of {_classes(bound)}: each of its groups also has rows of a class that train "
            "would then lack."
        )
    if len(drawn) and not 0.75 <= (drawn_fraction := drawn.mean()) / fraction <= 1.5:
        notes.append(
            f"{part} has {100 * drawn_fraction:.1f} % of the rows instead of {100 * fraction:.0f} %: "
            "the groups allow no better."
        )
    return notes


def _classes(names: Sequence[str]) -> str:
    return f"{'class' if len(names) == 1 else 'classes'} {listed(map(repr, names))}"


# ------------------------------------------------------------------------------------------------------ folds


def folds(
    dataset: Dataset, rows: np.ndarray, k: int, seed: int = 0, by: By = "group"
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`k` pairs (train, valid) of the labelled `rows` and negatives: each row is in exactly one valid part,
    classes are balanced, and no group is divided.

    Groups are assigned largest first, each to the fold with the least of its classes (like scikit-learn's
    StratifiedGroupKFold, with one product per group). More folds than a class has groups: InputError.
    """
    rows = rows[dataset.label[rows] != MISSING]
    group = _components(dataset, rows, by)
    classes, label = np.unique(dataset.label[rows], return_inverse=True)
    counts, real = _counts(group, label, len(classes)), classes >= 0
    _check_folds(counts[:, real], [dataset.spec.classes[c] for c in classes[real]], k, by)
    fold = _deal(counts, k, np.random.default_rng(seed))[group]
    return ((rows[fold != i], rows[fold == i]) for i in range(k))


def fold_limit(dataset: Dataset, rows: np.ndarray, by: By = "group") -> int:
    """The largest number of folds possible: the number of groups, among the labelled `rows`, of the class
    with fewest."""
    rows = rows[dataset.label[rows] >= 0]
    classes, label = np.unique(dataset.label[rows], return_inverse=True)
    counts = _counts(_components(dataset, rows, by), label, len(classes))
    return int((counts > 0).sum(0).min(initial=len(counts)))


def _deal(counts: np.ndarray, k: int, random: np.random.Generator) -> np.ndarray:
    """(groups,) int: the fold of each group."""
    fold = np.empty(len(counts), np.int64)
    have = np.zeros((k, counts.shape[1] + 1))
    shares = counts / counts.sum(0)
    sizes = shares.sum(1, keepdims=True)
    weighed = np.hstack([shares, sizes])  # ties between folds go to the smaller one
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
        raise InputError("there are no labelled rows to make folds of", "Pass training rows.")
    groups = (counts > 0).sum(0)
    if groups.min() >= k:
        return
    scarce = int(groups.argmin())
    what = "rows" if by == "row" else "groups (rows that share no picture, recording or speaker with others)"
    raise InputError(
        f"{k} folds need at least {k} {what} of every class, class {names[scarce]!r} has {groups[scarce]}",
        f"Use {groups[scarce]} folds or fewer, or add rows of that class."
        if groups[scarce] > 1
        else "Add rows of that class, or remove it.",
    )
