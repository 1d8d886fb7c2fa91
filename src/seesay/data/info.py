"""Describe a data set and its pitfalls: counts, balance, ranges, repeats, and what a random split would leak.

`describe` computes an `Info`, whose `warnings` are plain sentences; `print_info` shows it on a terminal,
`--json` prints its fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from seesay.data.dataset import MISSING, NONE, SPLITS, Dataset
from seesay.data.dataset_json import shape_of
from seesay.data.groups import sharing, speaker_notes, ties, unknown_speakers
from seesay.data.ragged import ContentTable, Ragged
from seesay.data.splits import Leak, leaks, stored
from seesay.errors import listed
from seesay.spec import ContentSpec, Modality, PictureSpec, WaveformSpec, noun, spec_type

PART = 0.2  # fraction of the rows that a random split would hold out, as most notebooks do
HARMLESS = 0.01  # fraction of the held-out rows: fewer leaks do not show in a score
IMBALANCE = 3  # ratio of the largest to the smallest class above which accuracy alone misleads
BLOCK = 1_024  # contents examined together, so that a memory-mapped table is never wholly in memory


@dataclass(frozen=True)
class Contents:
    """Statistics of one modality's table and of the rows that use it."""

    contents: int
    shape: tuple[int | None, ...]
    """Shape of a content; None where contents differ."""
    dtype: str
    minimum: float
    maximum: float
    mean: float
    kind: str
    """`picture`, `waveform`, `matrix` or `vector`."""
    made: str
    """How a file becomes a content; "": ready-made."""
    constant: int
    """Number of contents of a single value: blank pictures, silent recordings."""
    not_finite: int
    """Number of contents with NaN or infinities."""
    missing: Mapping[str, int]
    """Rows without one, per split."""
    repeated: int
    """Rows beyond the first of each content."""
    most_repeated: int
    """Rows of the most repeated content."""
    groups: Mapping[str, int]
    """Number of distinct speakers (or other groups) by name."""
    ungrouped: int
    """Recordings without a known speaker or other group; 0 for pictures."""


@dataclass(frozen=True)
class Drawn:
    """How much a random split would leak through one thing that rows share, such as a speaker."""

    what: str
    sharing: float
    """Fraction of the rows that share it with another row."""
    leaking: float
    """Expected fraction of the held-out fifth that shares it with training rows; exact, not simulated."""


@dataclass(frozen=True)
class Info:
    """Everything that `seesay data info` reports."""

    name: str
    rows: int
    classes: tuple[str, ...]
    pairing: str
    splits: Mapping[str, int]
    """Number of rows by split; `none`: not assigned yet."""
    balance: Mapping[str, tuple[int, ...]]
    """Number of rows of each class, by split."""
    unlabelled: Mapping[str, int]
    negatives: Mapping[str, int]
    """Number of rows that belong to no class, by split."""
    modalities: Mapping[Modality, Contents]
    shared: tuple[Leak, ...]
    """What two of the stored splits share."""
    drawn_by_row: tuple[Drawn, ...]
    sources: tuple[str, ...]
    left_out: Mapping[str, int]
    """Number of files left out, by reason."""
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def kinds(self) -> dict[Modality, str]:
        """Kind of contents by modality."""
        return {modality: table.kind for modality, table in self.modalities.items()}

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, for JSON."""
        return asdict(self)


def describe(dataset: Dataset) -> Info:
    """The statistics and warnings of a data set; reads every content once."""
    members = {name: dataset.rows_of(name) for name in SPLITS} | {
        "none": np.flatnonzero(dataset.split == MISSING)
    }
    members = {name: rows for name, rows in members.items() if len(rows)}
    label = {name: dataset.label[rows] for name, rows in members.items()}
    classes = len(dataset.spec.classes)
    info = Info(
        name=dataset.name,
        rows=len(dataset),
        classes=dataset.spec.classes,
        pairing=dataset.pairing,
        splits={name: len(rows) for name, rows in members.items()},
        balance={
            n: tuple(np.bincount(labels[labels >= 0], minlength=classes).tolist())
            for n, labels in label.items()
        },
        unlabelled={name: int((labels == MISSING).sum()) for name, labels in label.items()},
        negatives={name: int((labels == NONE).sum()) for name, labels in label.items()},
        modalities={m: _contents(dataset, m, members) for m in dataset.modalities},
        shared=leaks(dataset, stored(dataset)),
        drawn_by_row=tuple(_drawn(dataset)),
        sources=dataset.sources,
        left_out=dataset.left_out,
        notes=dataset.notes,
    )
    return replace(info, warnings=tuple(_warnings(info)))


# ------------------------------------------------------------------------------------------------- statistics


def _contents(dataset: Dataset, modality: Modality, members: Mapping[str, np.ndarray]) -> Contents:
    table, pointers, spec = dataset.contents[modality], dataset.pointers(modality), dataset.spec[modality]
    values = _values(table)
    known = pointers[pointers != MISSING]
    counts = np.bincount(known, minlength=1)
    return Contents(
        contents=len(table),
        shape=tuple(shape_of(table)),
        dtype=table.dtype.name,
        kind=spec.kind,
        made=_made(spec),
        missing={name: int((pointers[rows] == MISSING).sum()) for name, rows in members.items()},
        repeated=int(len(known) - (counts > 0).sum()),
        most_repeated=int(counts.max()),
        groups={
            name: len(np.setdiff1d(group.ids, [MISSING]))
            for name, group in dataset.groups.get(modality, {}).items()
        },
        ungrouped=unknown_speakers(dataset.only(modality))[0],
        **values,
    )


def _blocks(table: ContentTable) -> Iterator[np.ndarray]:
    """Blocks (n, values): contents of one size together, others one by one."""
    if isinstance(table, Ragged):
        yield from (content.reshape(1, -1) for content in table)
        return
    for start in range(0, len(table), BLOCK):
        yield np.asarray(table[start : start + BLOCK]).reshape(-1, math.prod(table.shape[1:]))


def _values(table: ContentTable) -> dict[str, Any]:
    """Range and mean of the finite values; numbers of contents of a single value, and with NaN or
    infinities."""
    low, high, total, count, constant, not_finite = np.inf, -np.inf, 0.0, 0, 0, 0
    for block in _blocks(table):
        finite = np.isfinite(block)
        constant += int((block == block[:, :1]).all(1).sum())
        not_finite += int((~finite.all(1)).sum())
        if (values := block[finite]).size:
            low, high = min(low, values.min()), max(high, values.max())
            total, count = total + float(values.sum(dtype=np.float64)), count + values.size
    return {
        "minimum": float(low) if count else 0.0,
        "maximum": float(high) if count else 0.0,
        "mean": total / max(count, 1),
        "constant": constant,
        "not_finite": not_finite,
    }


def _made(spec: ContentSpec) -> str:
    """How files were made into contents of this spec; "": ready-made."""
    if isinstance(spec, PictureSpec):
        return spec.reader or ""
    return f"{spec.rate:,} Hz" if isinstance(spec, WaveformSpec) else ""


def _drawn(dataset: Dataset) -> list[Drawn]:
    """How much a random validation set would leak, drawn from the labelled rows outside test."""
    rows = np.flatnonzero((dataset.split != SPLITS.index("test")) & (dataset.label >= 0))
    return [Drawn(what, *sharing(ids[rows], PART)) for what, ids in ties(dataset)] if len(rows) else []


# --------------------------------------------------------------------------------------------------- warnings


def _warnings(info: Info) -> Iterator[str]:
    yield from says_left_out(info.left_out)
    yield from (_says_shared(leak, info.kinds) for leak in info.shared)
    yield from _says_drawn(info.drawn_by_row, info.kinds)
    recordings = [table for table in info.modalities.values() if spec_type(table.kind).speech]
    yield from speaker_notes(sum(t.ungrouped for t in recordings), sum(t.contents for t in recordings))
    yield from _says_balance(info)
    for modality, table in info.modalities.items():
        of = f"of the {table.contents:,} {noun(modality, info.kinds)}s"
        if table.constant:
            blank = {"picture": "blank", "waveform": "silent"}.get(table.kind, "empty")
            yield f"{table.constant:,} {of} {_are(table.constant)} {blank}, of a single value."
        if table.not_finite:
            yield f"{table.not_finite:,} {of} hold NaN or infinities: no model can use them."


def says_left_out(reasons: Mapping[str, int]) -> Iterator[str]:
    """A sentence such as `Left out: 3 files (2 not a picture, 1 empty).`, or none."""
    if total := sum(reasons.values()):
        by_reason = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items())
        yield f"Left out: {total:,} file{'' if total == 1 else 's'} ({by_reason})."


def _says_shared(leak: Leak, kinds: Mapping[Modality, str]) -> str:
    (one, other), (a, b) = leak.splits, leak.rows
    return (
        f"{one.capitalize()} and {other} share {tie_noun(leak.what, kinds)}s: they occur in {a:,} {one} rows "
        f"and {b:,} {other} rows. Scores on {other} are inflated."
    )


def _says_drawn(drawn: Sequence[Drawn], kinds: Mapping[Modality, str]) -> Iterator[str]:
    harm = [d for d in drawn if d.leaking >= HARMLESS]
    if harm:
        parts = (
            f"{_percent(d.sharing)} of the rows share their {tie_noun(d.what, kinds)} with another row, and "
            f"{_percent(d.leaking)} of a random validation set would share theirs with training rows."
            for d in harm
        )
        yield f"A random split of the rows would leak. {' '.join(parts)} Use the default split (by group)."


def _says_balance(info: Info) -> Iterator[str]:
    for name, counts in info.balance.items():
        empty = [c for c, n in zip(info.classes, counts, strict=True) if not n]
        if any(counts) and empty:
            yield f"No {name} rows of class {listed(map(repr, empty))}."
        present = [(n, c) for c, n in zip(info.classes, counts, strict=True) if n]
        if present and max(present)[0] > IMBALANCE * min(present)[0]:
            (few, rare), (many, common) = min(present), max(present)
            yield (
                f"Classes are unbalanced in {name}: {common!r} has {many:,} rows, {rare!r} {few:,}. "
                "Look at macro-F1, not at accuracy."
            )
        if rows := info.unlabelled[name]:
            fate = "can be predicted, not scored" if name == "test" else "are left out of training"
            yield f"{rows:,} {name} rows have no label: they {fate}."


def tie_noun(what: str, kinds: Mapping[Modality, str]) -> str:
    """The noun for a tie: `recording` for `audio content`, `speaker` for `audio speaker`."""
    modality, name = what.split(" ", 1)
    return noun(modality, kinds) if name == "content" else name


def either(names: Sequence[str]) -> str:
    """Names joined as `picture, recording or speaker`."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _percent(fraction: float) -> str:
    return "over 99 %" if 0.995 <= fraction < 1 else f"{100 * fraction:.0f} %"
