"""Which part of paths is the label, which the speaker, writer or source, and which only counts.

Every folder level and every part of a name is a candidate, and all paths together decide:

- a part with one value, or one that only repeats another (`dog/dog_000`), says nothing;
- a last part of numbers or single letters counts takes;
- `0c40e715`, `100032`, `p225` and `Actor_01` are ids, never labels;
- the ten digits, their English words, `class3`, and labels that the caller knows beforehand, are labels; of
  pictures, the first folder is;
- of two parts of which one is finer, the coarser is the label, and the finer the source of its files;
- of recordings, what is left and crosses the labels is the speaker; of pictures, only ids are the writer.

Where two readings are equally good, neither is taken: the message names both, and the pattern of each.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from seesay.errors import InputError, listed
from seesay.formats.name_parts import DIGITS, Part
from seesay.formats.name_pattern import pattern_of

SOURCES = 3
"""Values of a finer part that each label needs, before they are believed to be the sources of its files."""


@dataclass(frozen=True)
class Paths:
    """Paths to be read, their parts, and what is known of them."""

    stems: Sequence[str]
    parts: Sequence[Part]
    pictures: bool
    known: Collection[str]
    where: str


def informative(paths: Paths) -> list[Part]:
    """The parts that can be a label or a group: no constants, no repetitions, no counters."""
    kept: list[Part] = []
    for part in paths.parts:
        repetition = any(part.within(other) and other.within(part) for other in kept)
        if len(part.different) > 1 and not repetition:
            kept.append(part)
    return [part for part in kept if not _is_counter(part, kept, paths)]


def _is_counter(part: Part, parts: Sequence[Part], paths: Paths) -> bool:
    """Whether the part counts files: it comes last, or runs on within each folder."""
    others = [p for p in parts if p is not part]
    if part.level is not None or part.ids or not part.counts or not others:
        return False
    if _could_be_label(part, others, paths):
        return False
    folders = [p.values for p in others if p.level is not None]
    runs_on = len(set(zip(*folders, part.values, strict=True))) == len(part.values)
    return part.last or (bool(folders) and runs_on)


def _could_be_label(part: Part, others: Sequence[Part], paths: Paths) -> bool:
    """Whether numbers may be what is said, not how often: with gaps, and the same for everyone (`ann_3`,
    `ann_8`, `bob_3`, `bob_8`) or with many gaps; or the ten digits, but not counted (`ann/0` to `ann/2`)."""
    if paths.pictures or any(p.labels or p.named_in(paths.known) for p in others):
        return False
    each = defaultdict(list)
    for value, *group in zip(part.values, *(p.values for p in others), strict=True):
        each[tuple(group)].append(value)
    sets = {frozenset(values) for values in each.values()}
    if part.digits:
        once = sum(map(len, each.values())) == sum(len(set(values)) for values in each.values())
        counted = all(set(map(int, values)) == set(range(len(values))) for values in sets)
        return once and (sets == {DIGITS} or not counted)
    return part.few and (part.gaps > 0.5 or (part.gaps > 0 and len(sets) == 1))


def label_of(parts: Sequence[Part], paths: Paths) -> Part:
    candidates = _candidates(parts, paths)
    if not candidates:
        raise InputError(
            f"{paths.where}: the names of {len(paths.stems)} files do not show their class: "
            f"{listed(paths.stems)}",
            "Put each class into a folder of its own, list the files in a manifest, or say what names mean "
            "with --name-pattern '{label}_{take}'.",
        )
    if len(candidates) > 1 and all(_is_fold(part, candidates[0], parts) for part in candidates[1:]):
        return candidates[0]
    if len(candidates) > 1:
        ids = [part for part in parts if part.ids]
        others = candidates[:2] if len(candidates) == 2 or candidates[0].uneven else ()
        roles = [
            {each.place: _role(each, paths) for each in ids or others} | {part.place: "label"}
            for part in candidates[:2]
        ]
        raise _ambiguous(candidates, "label", roles, paths)
    return candidates[0]


def _candidates(parts: Sequence[Part], paths: Paths) -> list[Part]:
    """The parts that are labels as well as any other."""
    folders = [part for part in parts if part.level is not None]
    found = [p for p in parts if (p.few and not p.ids) or (p.uneven and not folders)]
    found = [p for p in found if p.level is not None or not folders or p.labels or p.crosses(folders[0])]
    if paths.pictures:
        found = [part for part in folders if not part.ids] or found
    if not found:
        found = folders[:1]
    ways = (lambda p: p.labels, lambda p: p.named_in(paths.known), lambda p: _is_digit(p, folders, paths))
    for is_label in ways:
        if labels := [part for part in found if is_label(part)]:
            return _coarsest(labels)
    return _with_counters(_coarsest(found), parts, paths)


def _is_digit(part: Part, folders: Sequence[Part], paths: Paths) -> bool:
    """Whether it is some of the digits from 0, in a folder of a numbered person that the name repeats:
    `01/0_01_0`."""
    if not part.first or not set(part.different) <= DIGITS or "0" not in part.different or not folders:
        return False
    padded = all(map(str.isdecimal, folders[0].different)) and all(len(v) > 1 for v in folders[0].different)
    again = [p for p in paths.parts if p.within(folders[0]) and folders[0].within(p)]
    return padded and any(v.startswith("0") for v in folders[0].different) and len(again) > 1


def _coarsest(parts: Sequence[Part]) -> list[Part]:
    """Those that are not finer than another."""
    return [p for p in parts if not any(p.finer(o) and not (p.uneven and o.uneven) for o in parts)]


def _is_fold(part: Part, folder: Part, parts: Sequence[Part]) -> bool:
    """Numbers of which each source within the folder has one: folds, as in ESC-10."""
    if folder.level is None or not all(map(str.isdecimal, part.different)):
        return False
    return any(p.ids and p.within(folder) and p.within(part) for p in parts)


def group_of(label: Part, parts: Sequence[Part], paths: Paths) -> Part | None:
    """What the files of one speaker, writer or source share; none: not known."""
    rest = [part for part in parts if part is not label and part.repeats]
    found = [part for part in rest if part.ids]
    if not found and not paths.pictures:
        found = [part for part in rest if _is_group(part, label)]
    found = _coarsest(found)
    found = _with_counters(found, parts, paths)
    if len(found) > 1:
        who = "writer" if paths.pictures else "speaker"
        others = {part.place: "take" if part.counts else "_" for part in found}
        roles = [others | {label.place: "label", part.place: who} for part in found[:2]]
        raise _ambiguous(found, who, roles, paths)
    return found[0] if found else None


def _with_counters(found: list[Part], parts: Sequence[Part], paths: Paths) -> list[Part]:
    """Beside a single part that is a number in a name, the numbers that were believed to count takes."""
    if len(found) != 1 or found[0].level is not None or not found[0].counts or found[0].ids:
        return found
    return found + [part for part in paths.parts if part.counts and part.repeats and part not in parts]


def _is_group(part: Part, label: Part) -> bool:
    """It crosses the labels, or every label has several of its values."""
    if part.uneven or label.within(part) or not (part.few or part.level is not None):
        return False
    each = Counter(of for of, _ in set(zip(label.values, part.values, strict=True)))
    return part.crosses(label) or min(each.values()) >= SOURCES


def _role(part: Part, paths: Paths) -> str:
    """What a part is that is not the label."""
    return "take" if part.last and part.counts else "writer" if paths.pictures else "speaker"


def _ambiguous(
    found: Sequence[Part], what: str, roles: Sequence[Mapping[str, str]], paths: Paths
) -> InputError:
    """The message that names the readings, and the patterns of two."""
    stem = paths.stems[0]
    patterns = " or ".join(f"--name-pattern {pattern_of(paths.parts, stem, each)!r}" for each in roles)
    return InputError(
        f"{paths.where}: {' and '.join(map(str, found))} could each be the {what}, as in {stem}",
        f"Choose {patterns}.",
    )
