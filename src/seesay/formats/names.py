"""What the paths of files say: labels, groups such as speakers, splits.

A pure function of the listing. `name_parts.py` takes paths apart, `name_roles.py` decides what a part is,
`name_pattern.py` reads the pattern of a user who says it.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from seesay.data.dataset import SPLITS
from seesay.errors import InputError, listed
from seesay.formats.name_parts import parts_of
from seesay.formats.name_pattern import parse_pattern
from seesay.formats.name_roles import Paths, group_of, informative, label_of
from seesay.formats.rows import SYNONYMS

SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    **{name: split for name, split in SYNONYMS.items() if name},
    "training": "train",
    "testing": "test",
}
"""Folders that hold a split, whatever follows in their name: `test_set`."""

ENDING = re.compile(r"[_\- ]?(set|data|images?|audio|files)$")


@dataclass(frozen=True)
class Names:
    """What the paths of files say; an entry per file in each column, "" for not known."""

    labels: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What must stay on one side of a split, by name: `{"speaker": ("ann", "bob", "ann")}`."""
    splits: tuple[str, ...] | None = None
    """Where folders say it."""
    summary: str = ""
    """What was decided, in a line."""
    level: int | None = None
    """Which folder is the label, 0 the outermost; none: the name says it."""


def read_names(
    paths: Sequence[str],
    pictures: bool = False,
    pattern: str | None = None,
    known: Collection[str] = (),
    where: str = "the folder",
) -> Names:
    """What these relative paths, with `/` and a suffix, say. A `pattern` decides, where it is given.
    `pictures`: the label is their first folder. `known`: labels that are found wherever they stand.

    No label, two readings that are equally good, or paths that the pattern does not fit: InputError.
    """
    stems = [str(PurePosixPath(path).with_suffix("")) for path in paths]
    if pattern is not None:
        return _by_pattern(stems, pattern, where)
    stems, splits = split_folders(stems, where)

    def decided(some: Sequence[str]) -> Names:
        return _decided(Paths(some, parts_of(some), pictures, known, where))

    if splits is None:
        return decided(stems)
    given = [i for i, stem in enumerate(stems) if "/" in stem or splits[i] != "test"]
    if not any("/" in stems[i] for i in given):
        given = list(range(len(stems)))  # labels are in the names, of test files too
    names = decided([stems[i] for i in given])
    return replace(
        names,
        labels=_spread(names.labels, given, len(stems)),
        groups={name: _spread(column, given, len(stems)) for name, column in names.groups.items()},
        splits=splits,
        summary=f"{_split_summary(splits)}; {names.summary}",
        level=None if names.level is None else names.level + 1,
    )


def _spread(column: Sequence[str], rows: Sequence[int], size: int) -> tuple[str, ...]:
    """The column with its entries at these rows of so many, others empty: test files beside class folders."""
    found = dict(zip(rows, column, strict=True))
    return tuple(found.get(i, "") for i in range(size))


def split_called(folder: str) -> str:
    """The split that a folder's name says, "" for none."""
    return SPLIT_NAMES.get(ENDING.sub("", folder.lower()), "")


def split_folders(stems: Sequence[str], where: str) -> tuple[list[str], tuple[str, ...] | None]:
    """The paths below `train`, `valid`, `test` or what else these are called, and the split of each; as they
    are where their first folders are no splits."""
    first = [stem.split("/")[0] if "/" in stem else "" for stem in stems]
    split_of = {name: split_called(name) for name in set(first)}
    found = {*split_of.values()} - {""}
    if len(found) < 2:
        return list(stems), None
    others = sorted(name for name, split in split_of.items() if not split)
    if others:
        raise InputError(
            f"{where} holds folders of splits ({', '.join(sorted(found))}), and beside them "
            f"{listed(name or 'files in no folder' for name in others)}",
            "Move either elsewhere.",
        )
    return [stem.split("/", 1)[1] for stem in stems], tuple(split_of[name] for name in first)


def _split_summary(splits: Sequence[str]) -> str:
    counts = ", ".join(f"{splits.count(name):,} {name}" for name in SPLITS if name in splits)
    return f"split: first folder ({counts})"


# --------------------------------------------------------------------------------------------------- deciding


def _check_several(paths: Paths) -> None:
    """InputError where all pictures lie in one folder: it is a class, and what else names say is a guess."""
    first = {stem.split("/")[0] if "/" in stem else "" for stem in paths.stems}
    deeper = any(stem.count("/") > 1 for stem in paths.stems)
    if paths.pictures and not deeper and len(first) == 1 and "" not in first:
        raise InputError(
            f"{paths.where} has one folder of pictures, {first.pop()!r}, expected one for each of two "
            "classes or more",
            "Add the others, or say what names mean with --name-pattern '{label}_{take}'.",
        )


def _decided(paths: Paths) -> Names:
    _check_several(paths)
    parts = informative(paths)
    label = label_of(parts, paths)
    group = group_of(label, parts, paths)
    labels = len(label.different)
    deeper = label.level is not None and any(stem.count("/") > label.level + 1 for stem in paths.stems)
    below = " (folders below it are not used)" if deeper and group is None else ""
    if group is None:
        unused = [str(part) for part in parts if part is not label and part.few]
        summary = f"label: {label.place}{below}; {'groups' if paths.pictures else 'speakers'}: not known; "
        summary += f"{labels} labels{f'; not used: {listed(unused)}' if unused else ''}"
        return Names(label.values, summary=summary, level=label.level)
    kind = "source" if group.within(label) else "writer" if paths.pictures else "speaker"
    summary = f"label: {label.place}; {kind}: {group.place}; {len(group.different)} {kind}s x {labels} labels"
    return Names(label.values, {kind: group.values}, summary=summary, level=label.level)


# ---------------------------------------------------------------------------------------------------- pattern


def _by_pattern(stems: Sequence[str], pattern: str, where: str) -> Names:
    """What the pattern says; where it has no folders, of names alone. Fields other than `label`, `split`,
    `take` and `_` are groups."""
    expression, fields = parse_pattern(pattern)
    stems, splits = (stems, None) if "split" in fields else split_folders(stems, where)
    below = splits is not None
    named = [stem if "/" in pattern else stem.rsplit("/", 1)[-1] for stem in stems]
    found = [expression.fullmatch(name) for name in named]
    odd = [stem for stem, match in zip(stems, found, strict=True) if match is None]
    if odd:
        raise InputError(
            f"{where}: {len(odd)} of {len(stems)} files are not named {pattern}: {listed(odd)}",
            "Rename or remove them, or change --name-pattern.",
        )
    columns = {name: tuple(match[name] for match in found if match) for name in fields}
    labels, splits = columns.pop("label"), columns.pop("split", splits)
    groups = {name: column for name, column in columns.items() if name != "take"}
    counted = [f"{len(set(column))} {name}s" for name, column in groups.items()] or ["groups: not known"]
    summary = f"names are read as {pattern}: {len(set(labels))} labels; {'; '.join(counted)}"
    folders = pattern.split("/")[:-1]
    level = folders.index("{label}") + below if "{label}" in folders else None
    return Names(labels, groups, splits, summary, level)


def unlabelled(paths: Sequence[str]) -> Names:
    """Names that say nothing, for files that are only predicted."""
    return Names(("",) * len(paths), summary="label: not known")
