"""Read arrays by their usual names: one `.npz`, or a folder of `.npy` files.

`image`, `audio`, `label` with an array `split`, or one name per split: `x_train`, `y_train`, `x_test`,
`y_test` as in Keras, `train_images`, `train_labels`; `images` and `labels`, `X` and `y`, `data` and `target`.
Two-dimensional `audio` with a `rate` holds waveforms. Any other array with a vector, matrix or picture per
row is a modality of its own name: `clip`, `clap_train`. A row of only NaN is missing.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from seesay.data.dataset import MISSING, SPLITS, Dataset
from seesay.errors import InputError, listed
from seesay.files import read_array
from seesay.formats.arrays import array_table, without_absent
from seesay.formats.cells import Embedded
from seesay.formats.labels import label_names
from seesay.formats.media import USUAL, Reading, Track, audio_contents, silent
from seesay.formats.ready_made import open_npz, unreadable
from seesay.formats.rows import SYNONYMS, Table, dataset_from, split_index
from seesay.spec import DEFAULT_NAMES, Modality, is_name

KINDS: Mapping[str, tuple[str, ...]] = {
    "picture": ("image", "images", "picture", "pictures", "img", "imgs", "photo", "photos"),
    "waveform": ("audio", "audios", "sound", "sounds", "recording", "recordings", "waveform", "waveforms"),
    "content": ("x", "data", "inputs", "features"),
    "label": ("label", "labels", "y", "target", "targets"),
    "split": ("split", "splits"),
    "speaker": ("speaker", "speakers"),
    "group": ("group", "groups"),
    "classes": ("classes", "class_names", "label_names", "target_names"),
    "rate": ("rate", "sampling_rate", "sample_rate", "sr"),
}
"""Usual names of arrays by what they hold. `content`: recordings if there is a rate, else pictures."""

COLUMNS = ("label", "split", "speaker", "group", "classes")
"""Kinds of arrays with a single column."""

Named = dict[str, dict[str, tuple[str, np.ndarray]]]
"""Name and array by kind and split ("" for no split)."""


def without_split(name: str) -> tuple[str, str]:
    """An array's name without words for splits, and the first split named, or ""."""
    words = re.split(r"[_\-. ]+", name)
    splits = [SYNONYMS.get(word.lower(), word.lower()) for word in words]
    rest = "_".join(word for word, split in zip(words, splits, strict=True) if split not in SPLITS)
    return rest, next((split for split in splits if split in SPLITS), "")


def kind_of(name: str) -> tuple[str, str] | None:
    """The kind and split ("" for none) of an array by its name: `x_train` is `content` of `train`; None:
    unknown."""
    rest, split = without_split(name.lower())
    if not rest and split:
        return None
    return next(((kind, split) for kind, names in KINDS.items() if (rest or name.lower()) in names), None)


def may_be_content(name: str) -> bool:
    """Whether a table's column of this name may hold contents: not `target`, `y` or another reserved name."""
    kind = kind_of(name)
    return is_name(name) and (kind is None or kind[0] not in (*COLUMNS, "rate"))


def modality_of(name: str, array: np.ndarray) -> tuple[Modality, str] | None:
    """The modality and split ("" for none) of an array with a name outside `KINDS`; None: its shape, dtype or
    name does not suit a modality."""
    rest, split = without_split(name)
    if not 2 <= array.ndim <= 4 or array.dtype.kind not in "biuf" or not is_name(rest):
        return None
    return rest, split


def is_array_folder(folder: Path) -> bool:
    """Whether the folder holds `.npy` files of contents and of labels, by name."""
    kinds = {kind[0] for path in folder.glob("*.npy") if (kind := kind_of(path.stem))}
    return "label" in kinds and len(list(folder.glob("*.npy"))) > 1


def read_npz(path: Path, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """The data set in a `.npz` file of labels and contents, one entry per row.

    Optional arrays: `split` (names, or 0, 1, 2 for train, valid, test; -1: not assigned), `speaker`, `group`,
    and `classes`, the class names; labels are then indices into it. If only test rows have the label -1, it
    means unknown. InputError if arrays do not match each other or are pickled.
    """
    return _dataset(_npz_arrays(path), path.stem, f"the arrays of {path.name}", str(path), reading, track)


def read_array_folder(folder: Path, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """The data set in a folder of `.npy` files, named like the arrays of a `.npz`. InputError as in
    `read_npz`."""
    arrays = {path.stem: read_array(path) for path in sorted(folder.glob("*.npy"))}
    name = folder.resolve().name
    return _dataset(arrays, name, f"the arrays in {name}", str(folder), reading, track)


def _dataset(
    arrays: Mapping[str, np.ndarray], name: str, source: str, where: str, reading: Reading, track: Track
) -> Dataset:
    named = _named(arrays, where)
    rate = named.pop("rate", {}).get("")
    if "content" in named:
        kind = "picture" if rate is None or "waveform" in named else "waveform"
        if kind in named:
            content, other = (next(iter(named[what].values()))[0] for what in ("content", kind))
            raise InputError(
                f"{where} has {content} and {other}: which one is used?", "Rename or remove one."
            )
        named[kind] = named.pop("content")
    default_kinds = {modality: kind for kind, modality in DEFAULT_NAMES.items() if kind in named}
    named |= {modality: named.pop(kind) for modality, kind in default_kinds.items()}
    if "label" not in named and reading.labelled:
        raise InputError(
            f"{where} contains {listed(arrays)}, and no labels",
            "Add an array label, one for each row (or y_train and y_test).",
        )
    contents: list[Modality] = [*default_kinds, *_others(named, arrays, where, reading)]
    if not contents:
        raise InputError(
            f"{where} contains {listed(arrays)}; expected label, and image, audio or arrays of other names "
            "(or x_train, y_train, x_test, y_test)",
            "Rename the arrays, and give them as many rows as there are labels.",
        )
    parts = _parts(named, contents, where)
    rows = {split: _rows(named, contents, split, where) for split in parts}
    tables: dict[Modality, Table] = {}
    for modality in contents:
        by_file = {f"{where}, {n}": a for n, a in (named[modality][s] for s in parts)}
        if default_kinds.get(modality) == "waveform" and rate is not None:
            tables[modality] = _waveforms(by_file, rate[1], where, reading, track)
        else:
            tables[modality] = without_absent(by_file, partial(array_table, modality=modality))
    split = _column(named, "split", parts, rows)
    if list(parts) != [""]:
        split = np.repeat([SPLITS.index(part) for part in parts], list(rows.values())).astype(np.int8)
    label = _column(named, "label", parts, rows)
    classes = named.get("classes", {}).get("")
    used = {name for kind in named.values() for name, _ in kind.values()}
    unused = [what for what in arrays if what not in used and (kind_of(what) or ("", ""))[0] != "rate"]
    return dataset_from(
        name,
        tables,
        np.full(sum(rows.values()), "") if label is None else _without_unknown(label, split, where),
        classes=[str(c) for c in classes[1].tolist()] if classes else (),
        split=split,
        speaker=_column(named, "speaker", parts, rows),
        group=_column(named, "group", parts, rows),
        sources=[source],
        notes=[f"Arrays that are not used: {listed(unused)}."] if unused else [],
        where=where,
        labelled=reading.labelled,
    )


def _others(named: Named, arrays: Mapping[str, np.ndarray], where: str, reading: Reading) -> list[Modality]:
    """Modalities with names outside `KINDS`, added to `named` if they have as many rows as the labels, or
    without labels if the model or another split has them. Two arrays for one modality: InputError."""
    rows = {split: len(array) for split, (_, array) in named.get("label", {}).items()}
    others = {
        name: other
        for name, array in arrays.items()
        if kind_of(name) is None and (other := modality_of(name, array)) is not None
    }
    known = set() if reading.labelled or reading.spec is None else set(reading.spec.modalities)
    known |= {m for name, (m, split) in others.items() if len(arrays[name]) == rows.get(split)}
    modalities: list[Modality] = []
    for name, (modality, split) in others.items():
        array = arrays[name]
        if modality not in known or len(array) != rows.get(split, len(array)):
            continue
        if split in named.setdefault(modality, {}):
            first = named[modality][split][0]
            raise InputError(f"{where} has {first} and {name}: which one is used?", "Remove one.")
        named[modality][split] = (name, array)
        modalities += [modality] * (modality not in modalities)
    return modalities


def _named(arrays: Mapping[str, np.ndarray], where: str) -> Named:
    """The arrays by kind and split. InputError for two of one kind, or a column of the wrong shape."""
    named: Named = {}
    for name, array in arrays.items():
        if (kind := kind_of(name)) is None:
            continue
        what, split = kind
        if what in COLUMNS and not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)):
            raise InputError(f"{where}: {name} must be a single column, got {array.shape}")
        here = named.setdefault(what, {})
        if split in here:
            raise InputError(f"{where} has {here[split][0]} and {name}: which one is used?", "Remove one.")
        here[split] = (name, array.reshape(-1) if what in COLUMNS else array)
    return named


def _parts(named: Named, contents: Sequence[Modality], where: str) -> tuple[str, ...]:
    """The splits named by arrays of contents, in order; ("",) if none."""
    splits = {split for modality in contents for split in named[modality]}
    labels = set(named.get("label", {}))
    if (
        any(set(named[m]) != splits for m in contents)
        or (len(splits) > 1 and "" in splits)
        or labels - splits - {""}
    ):
        names = [name for kind in (*contents, "label") for name, _ in named.get(kind, {}).values()]
        raise InputError(
            f"{where} has {listed(names)}, which do not match each other", "Use the same splits in all names."
        )
    if labels and "" not in labels and (lacking := sorted(splits - labels - {"test"})):
        raise InputError(
            f"{where} has {named[contents[0]][lacking[0]][0]} and no labels for it, only "
            + listed(name for name, _ in named["label"].values()),
            "Add them: only test rows may lack labels.",
        )
    return tuple(split for split in ("", *SPLITS) if split in splits)


def _rows(named: Named, contents: Sequence[Modality], split: str, where: str) -> int:
    """The number of rows of a split. Arrays that differ in it: InputError."""
    arrays = [named[m][split] for m in contents]
    if split in named.get("label", {}):
        arrays.append(named["label"][split])
    counts = {name: len(array) if array.ndim else 0 for name, array in arrays}
    if len(set(counts.values())) > 1:
        raise InputError(
            f"{where}: arrays differ in their number of rows: "
            + ", ".join(f"{count} in {name}" for name, count in counts.items()),
            "Save them again.",
        )
    return next(iter(counts.values()))


def _column(named: Named, kind: str, parts: Sequence[str], rows: Mapping[str, int]) -> np.ndarray | None:
    """A column over all splits, "" where a split lacks it; None if all do."""
    by_split = named.get(kind, {})
    if "" in by_split:
        return by_split[""][1]
    if not any(part in by_split for part in parts):
        return None
    if all(part in by_split for part in parts):
        return np.concatenate([by_split[part][1] for part in parts])
    return np.concatenate(
        [label_names(by_split[p][1], kind) if p in by_split else np.full(rows[p], "") for p in parts]
    )


def _waveforms(
    arrays: Mapping[str, np.ndarray], rate: np.ndarray, where: str, reading: Reading, track: Track
) -> Table:
    """A table of recordings from (n, samples) or (n, samples, channels), and one rate in Hz or one per
    row."""
    rows = sum(map(len, arrays.values()))
    rates = np.broadcast_to(rate.reshape(-1), rows) if rate.size in (1, rows) else rate.reshape(-1)
    if len(rates) != rows or rates.dtype.kind not in "iuf" or not (rates == np.rint(rates)).all():
        raise InputError(f"{where}: rate must be an integer in Hz, or one per row", "Fix the array.")
    for name, array in arrays.items():
        if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] > 2):
            raise InputError(
                f"{name}: with a rate, expected waveforms as (n, samples) or (n, samples, channels), got "
                f"{array.shape}",
                "Remove the rate if they are ready-made features.",
            )
    samples = [wave for array in arrays.values() for wave in array]
    files = [
        Embedded(f"the samples in row {i}", (wave, int(hertz)))
        for i, (wave, hertz) in enumerate(zip(samples, rates, strict=True), 1)
    ]
    return audio_contents(files, reading, where, track)


def _npz_arrays(path: Path) -> dict[str, np.ndarray]:
    with open_npz(path) as file:
        try:
            arrays = {name: file[name] for name in file.files}
        except Exception as error:  # damaged files make zlib and numpy raise nearly anything
            raise unreadable(path, error) from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise InputError(f"{path}: {name} is not an array", "Save arrays with numpy.savez.")
    return arrays


def _without_unknown(label: np.ndarray, split: np.ndarray | None, where: str) -> np.ndarray:
    """The labels as text, "" where unknown: -1 means unknown if only test rows have it."""
    names = label_names(label, where)
    unlabelled = names == str(MISSING)
    if split is None or len(split) != len(names):
        return names
    tested = split_index(split, where) == SPLITS.index("test")
    return np.where(unlabelled, "", names) if tested[unlabelled].all() else names
