"""Decide which part of file paths is the label, which the speaker, writer or source, and which a counter.

Every folder level and every part of a name is a candidate, judged over all paths:

- a constant part, or one that repeats another (`dog/dog_000`), is ignored;
- a last part of numbers or single letters counts takes;
- `0c40e715`, `100032`, `p225` and `Actor_01` are ids, never labels;
- the ten digits, their English words, `class3`, and labels known to the caller are labels; so is the first
  folder of pictures;
- if one part refines another, the coarser is the label, and the finer the source of its files;
- for recordings, a remaining part that crosses the labels is the speaker; for pictures, only ids are writers,
  unless a camera may have counted them.

Two equally good readings are an error that names both, with a pattern for each.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from seesay.errors import InputError, listed
from seesay.formats.name_parts import DIGITS, Part
from seesay.formats.name_pattern import pattern_of

SOURCES = 3
"""Least number of values per label for a finer part to count as the source of files."""


@dataclass(frozen=True)
class Paths:
    """Paths to interpret, their parts, and context."""

    stems: Sequence[str]
    parts: Sequence[Part]
    pictures: bool
    known: Collection[str]
    where: str


def informative(paths: Paths) -> list[Part]:
    """The parts that may be a label or a group: no constants, repetitions or counters."""
    kept: list[Part] = []
    for part in paths.parts:
        repetition = any(part.within(other) and other.within(part) for other in kept)
        if len(part.different) > 1 and not repetition:
            kept.append(part)
    return [part for part in kept if not _is_counter(part, kept, paths)]


def _is_counter(part: Part, parts: Sequence[Part], paths: Paths) -> bool:
    """Whether the part counts files: it is last, or unique within each folder."""
    others = [p for p in parts if p is not part]
    if part.level is not None or part.ids or not part.counts or not others:
        return False
    if _could_be_label(part, others, paths):
        return False
    folders = [p.values for p in others if p.level is not None]
    runs_on = len(set(zip(*folders, part.values, strict=True))) == len(part.values)
    return part.last or (bool(folders) and runs_on)


def _could_be_label(part: Part, others: Sequence[Part], paths: Paths) -> bool:
    """Whether numbers may be labels, not counters: with gaps and the same for everyone (`ann_3`, `ann_8`,
    `bob_3`, `bob_8`), with many gaps, or the ten digits, unless counted (`ann/0` to `ann/2`)."""
    if paths.pictures or any(p.labels or p.named_in(paths.known) for p in others):
        return False
    values_of = defaultdict(list)
    for value, *group in zip(part.values, *(p.values for p in others), strict=True):
        values_of[tuple(group)].append(value)
    sets = {frozenset(values) for values in values_of.values()}
    if part.digits:
        once = sum(map(len, values_of.values())) == sum(len(set(values)) for values in values_of.values())
        counted = all(set(map(int, values)) == set(range(len(values))) for values in sets)
        return once and (sets == {DIGITS} or not counted)
    return part.few and (part.gaps > 0.5 or (part.gaps > 0 and len(sets) == 1))


def label_of(parts: Sequence[Part], paths: Paths) -> Part:
    """The part that is the label. None, or several equally good ones: InputError."""
    candidates = _candidates(parts, paths)
    if not candidates:
        raise InputError(
            f"{paths.where}: the names of {len(paths.stems)} files do not show their class: "
            f"{listed(paths.stems)}",
            "Put each class into its own folder, list the files in a manifest, or describe the names with "
            "--name-pattern '{label}_{take}'.",
        )
    if len(candidates) > 1 and all(_is_fold(part, candidates[0], parts) for part in candidates[1:]):
        return candidates[0]
    if len(candidates) > 1:
        ids = [part for part in parts if part.ids]
        others = candidates[:2] if len(candidates) == 2 or candidates[0].uneven else ()
        roles = [
            {other.place: _role(other, paths) for other in ids or others} | {part.place: "label"}
            for part in candidates[:2]
        ]
        raise _ambiguous(candidates, "label", roles, paths)
    return candidates[0]


def _candidates(parts: Sequence[Part], paths: Paths) -> list[Part]:
    """The parts that are equally good candidates for the label."""
    folders = [part for part in parts if part.level is not None]
    candidates = [p for p in parts if (p.few and not p.ids) or (p.uneven and not folders)]
    candidates = [
        p for p in candidates if p.level is not None or not folders or p.labels or p.crosses(folders[0])
    ]
    if paths.pictures:
        candidates = [part for part in folders if not part.ids] or candidates
    if not candidates:
        candidates = folders[:1]
    checks = (lambda p: p.labels, lambda p: p.named_in(paths.known), lambda p: _is_digit(p, folders, paths))
    for is_label in checks:
        if labels := [part for part in candidates if is_label(part)]:
            return _coarsest(labels)
    return _with_counters(_coarsest(candidates), parts, paths)


def _is_digit(part: Part, folders: Sequence[Part], paths: Paths) -> bool:
    """Whether it holds digits including 0, in folders of numbered persons that names repeat: `01/0_01_0`."""
    if not part.first or not set(part.different) <= DIGITS or "0" not in part.different or not folders:
        return False
    padded = all(map(str.isdecimal, folders[0].different)) and all(len(v) > 1 for v in folders[0].different)
    again = [p for p in paths.parts if p.within(folders[0]) and folders[0].within(p)]
    return padded and any(v.startswith("0") for v in folders[0].different) and len(again) > 1


def _coarsest(parts: Sequence[Part]) -> list[Part]:
    """The parts that are not finer than another."""
    return [p for p in parts if not any(p.finer(o) and not (p.uneven and o.uneven) for o in parts)]


def _is_fold(part: Part, folder: Part, parts: Sequence[Part]) -> bool:
    """Whether the part numbers folds, as in ESC-10: every source in the folder has one number."""
    if folder.level is None or not all(map(str.isdecimal, part.different)):
        return False
    return any(p.ids and p.within(folder) and p.within(part) for p in parts)


def group_of(label: Part, parts: Sequence[Part], paths: Paths) -> Part | None:
    """The part that names the speaker, writer or source; None: unknown. Several: InputError."""
    rest = [part for part in parts if part is not label and part.repeats]
    candidates = [part for part in rest if part.ids and not (paths.pictures and _is_of_camera(part, label))]
    if not candidates and not paths.pictures:
        candidates = [part for part in rest if _is_group(part, label)]
    candidates = _coarsest(candidates)
    candidates = _with_counters(candidates, parts, paths)
    if len(candidates) > 1:
        kind = "writer" if paths.pictures else "speaker"
        others = {part.place: "take" if part.counts else "_" for part in candidates}
        roles = [others | {label.place: "label", part.place: kind} for part in candidates[:2]]
        raise _ambiguous(candidates, kind, roles, paths)
    return candidates[0] if candidates else None


def _is_of_camera(part: Part, label: Part) -> bool:
    """Whether the part numbers the pictures of each label, nearly without gaps, from wherever a camera was:
    `cat/IMG_1000` to `cat/IMG_1023`, `dog/IMG_1000` and so on."""
    once = len(set(zip(label.values, part.values, strict=True))) == len(part.values)
    return once and part.last and part.gaps < 0.5 and all(map(str.isdecimal, part.different))


def _with_counters(candidates: list[Part], parts: Sequence[Part], paths: Paths) -> list[Part]:
    """The candidates; a single number in a name is joined by other numbers so far taken for counters."""
    if (
        len(candidates) != 1
        or candidates[0].level is not None
        or not candidates[0].counts
        or candidates[0].ids
    ):
        return candidates
    return candidates + [part for part in paths.parts if part.counts and part.repeats and part not in parts]


def _is_group(part: Part, label: Part) -> bool:
    """Whether the part crosses the labels, or every label has several of its values."""
    if part.uneven or label.within(part) or not (part.few or part.level is not None):
        return False
    groups_per_label = Counter(of for of, _ in set(zip(label.values, part.values, strict=True)))
    return part.crosses(label) or min(groups_per_label.values()) >= SOURCES


def _role(part: Part, paths: Paths) -> str:
    """The role of a part that is not the label."""
    return "take" if part.last and part.counts else "writer" if paths.pictures else "speaker"


def _ambiguous(
    parts: Sequence[Part], what: str, roles: Sequence[Mapping[str, str]], paths: Paths
) -> InputError:
    """The error that names the readings, with patterns for two of them."""
    stem = paths.stems[0]
    patterns = " or ".join(f"--name-pattern {pattern_of(paths.parts, stem, role)!r}" for role in roles)
    return InputError(
        f"{paths.where}: {' and '.join(map(str, parts))} could each be the {what}, as in {stem}",
        f"Choose {patterns}.",
    )
