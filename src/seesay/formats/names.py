"""Read labels, groups (such as speakers) and splits from the paths of files.

A pure function of the listing. `name_parts.py` splits paths, `name_roles.py` decides what each part means,
`name_pattern.py` handles patterns given by the user.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from seesay.data.dataset import NONE_NAME, SPLITS
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
"""Names of folders that hold a split; an ending as in `test_set` is ignored."""

ENDING = re.compile(r"[_\- ]?(set|data|images?|audio|files)$")


@dataclass(frozen=True)
class Names:
    """What the paths of files say; each column has one entry per file, "" for unknown."""

    labels: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Groups that no split may divide, by name: `{"speaker": ("ann", "bob", "ann")}`."""
    splits: tuple[str, ...] | None = None
    """By folders; None: not given."""
    summary: str = ""
    """One line on what was decided."""
    level: int | None = None
    """Depth of the folder that is the label, 0 the outermost; None: it is in the name."""


def read_names(
    paths: Sequence[str],
    pictures: bool = False,
    pattern: str | None = None,
    known: Collection[str] = (),
    where: str = "the folder",
) -> Names:
    """Labels, groups and splits from relative paths (with `/` and a suffix), by `pattern` if given.

    `pictures`: the first folder is the label. `known`: labels to recognise anywhere. Files in a folder
    `_none_` have that label and no group, and say nothing about the others. No label, two equally good
    readings, or paths that do not match the pattern: InputError.
    """
    stems = [str(PurePosixPath(path).with_suffix("")) for path in paths]
    if not any(is_negative(stem) for stem in stems):
        return _named(stems, pictures, pattern, known, where)
    classed = [i for i, stem in enumerate(stems) if not is_negative(stem)]
    names = _named([stems[i] for i in classed], pictures, pattern, known, where)
    splits = None
    if names.splits is not None:
        splits = split_folders(stems, where)[1] or _spread(names.splits, classed, len(stems))
    return replace(
        names,
        labels=_spread(names.labels, classed, len(stems), NONE_NAME),
        groups={name: _spread(column, classed, len(stems)) for name, column in names.groups.items()},
        splits=splits,
        summary=f"{names.summary}; {len(stems) - len(classed):,} files of no class ({NONE_NAME})",
    )


def is_negative(path: str) -> bool:
    """Whether a folder of the path is `_none_`."""
    return NONE_NAME in path.split("/")[:-1]


def _named(
    stems: Sequence[str], pictures: bool, pattern: str | None, known: Collection[str], where: str
) -> Names:
    """Labels, groups and splits of files that are no negatives, from paths without a suffix."""
    if pattern is not None:
        return _by_pattern(stems, pattern, where)
    stems, splits = split_folders(stems, where)

    def decided(chosen: Sequence[str]) -> Names:
        return _decided(Paths(chosen, parts_of(chosen), pictures, known, where))

    if splits is None:
        return decided(stems)
    labelled = [i for i, stem in enumerate(stems) if "/" in stem or splits[i] != "test"]
    if not any("/" in stems[i] for i in labelled):
        labelled = list(range(len(stems)))  # labels are in the names, also of test files
    names = decided([stems[i] for i in labelled])
    return replace(
        names,
        labels=_spread(names.labels, labelled, len(stems)),
        groups={name: _spread(column, labelled, len(stems)) for name, column in names.groups.items()},
        splits=splits,
        summary=f"{_split_summary(splits)}; {names.summary}",
        level=None if names.level is None else names.level + 1,
    )


def _spread(column: Sequence[str], rows: Sequence[int], size: int, other: str = "") -> tuple[str, ...]:
    """A column of `size` rows with these entries at `rows` and `other` elsewhere, as for test files without
    a class."""
    by_row = dict(zip(rows, column, strict=True))
    return tuple(by_row.get(i, other) for i in range(size))


def split_called(folder: str) -> str:
    """The split that a folder is named after, or ""."""
    return SPLIT_NAMES.get(ENDING.sub("", folder.lower()), "")


def split_folders(stems: Sequence[str], where: str) -> tuple[list[str], tuple[str, ...] | None]:
    """Paths relative to their folders of splits (`train`, `val`, ...), and the split of each; unchanged paths
    and None if the first folders are not splits."""
    first = [stem.split("/")[0] if "/" in stem else "" for stem in stems]
    split_of = {name: split_called(name) for name in set(first)}
    splits = {*split_of.values()} - {""}
    if len(splits) < 2:
        return list(stems), None
    others = sorted(name for name, split in split_of.items() if not split)
    if others:
        raise InputError(
            f"{where} holds folders of splits ({', '.join(sorted(splits))}), and others: "
            f"{listed(name or 'files in no folder' for name in others)}",
            "Move one or the other elsewhere.",
        )
    return [stem.split("/", 1)[1] for stem in stems], tuple(split_of[name] for name in first)


def _split_summary(splits: Sequence[str]) -> str:
    counts = ", ".join(f"{splits.count(name):,} {name}" for name in SPLITS if name in splits)
    return f"split: first folder ({counts})"


# -------------------------------------------------------------------------------------------------- detection


def _check_several(paths: Paths) -> None:
    """InputError where all pictures lie in one folder: one class, and other parts would be a guess."""
    first = {stem.split("/")[0] if "/" in stem else "" for stem in paths.stems}
    deeper = any(stem.count("/") > 1 for stem in paths.stems)
    if paths.pictures and not deeper and len(first) == 1 and "" not in first:
        raise InputError(
            f"{paths.where} has one folder of pictures, {first.pop()!r}, expected one for each of two "
            "classes or more",
            "Add the others, or describe the names with --name-pattern '{label}_{take}'.",
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
    """Names read by a pattern; one without `/` applies to file names alone. Fields other than `label`,
    `split`, `take` and `_` are groups."""
    expression, fields = parse_pattern(pattern)
    stems, splits = (stems, None) if "split" in fields else split_folders(stems, where)
    in_split_folders = splits is not None
    named = [stem if "/" in pattern else stem.rsplit("/", 1)[-1] for stem in stems]
    matches = [expression.fullmatch(name) for name in named]
    unmatched = [stem for stem, match in zip(stems, matches, strict=True) if match is None]
    if unmatched:
        raise InputError(
            f"{where}: {len(unmatched)} of {len(stems)} files do not match {pattern}: {listed(unmatched)}",
            "Rename or remove them, or change --name-pattern.",
        )
    columns = {name: tuple(match[name] for match in matches if match) for name in fields}
    labels, splits = columns.pop("label"), columns.pop("split", splits)
    groups = {name: column for name, column in columns.items() if name != "take"}
    counted = [f"{len(set(column))} {name}s" for name, column in groups.items()] or ["groups: not known"]
    summary = f"names are read as {pattern}: {len(set(labels))} labels; {'; '.join(counted)}"
    folders = pattern.split("/")[:-1]
    level = folders.index("{label}") + in_split_folders if "{label}" in folders else None
    return Names(labels, groups, splits, summary, level)


def unlabelled(paths: Sequence[str]) -> Names:
    """Names without labels, for files that are only predicted."""
    return Names(("",) * len(paths), summary="label: not known")
