"""Arrays by their names: one `.npz`, or a folder of `.npy`, called as people call them.

`image`, `audio`, `label` with a `split` array, or a name per split: `x_train`, `y_train`, `x_test`, `y_test`
as Keras has it, `train_images`, `train_labels`; `images` and `labels`, `X` and `y`, `data` and `target`. Two
dimensional `audio` with a `rate` holds waveforms. Every other array with a vector, a matrix or a picture for
each row is a modality of its name: `clip`, `clap_train`. A row of floats that are all NaN is missing.
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
"""What arrays are called: pictures, recordings or features of them, and columns. `content`: recordings where
there is a rate, else pictures."""

COLUMNS = ("label", "split", "speaker", "group", "classes")
"""Arrays of a single column."""

Named = dict[str, dict[str, tuple[str, np.ndarray]]]
"""By kind and split, "" for none, the name of an array and the array."""


def without_split(name: str) -> tuple[str, str]:
    """An array's name without the words that name a split, and the first of those splits, "" for none."""
    words = re.split(r"[_\-. ]+", name)
    splits = [SYNONYMS.get(word.lower(), word.lower()) for word in words]
    rest = "_".join(word for word, split in zip(words, splits, strict=True) if split not in SPLITS)
    return rest, next((split for split in splits if split in SPLITS), "")


def kind_of(name: str) -> tuple[str, str] | None:
    """What an array of this name is, and of which split, "" for none: `x_train` is content of train."""
    rest, split = without_split(name.lower())
    if not rest and split:
        return None
    return next(((kind, split) for kind, names in KINDS.items() if (rest or name.lower()) in names), None)


def may_be_content(name: str) -> bool:
    """Whether contents may be called so in a table: not as labels or other columns are, `target` or `y`."""
    kind = kind_of(name)
    return is_name(name) and (kind is None or kind[0] not in (*COLUMNS, "rate"))


def modality_of(name: str, array: np.ndarray) -> tuple[Modality, str] | None:
    """What an array that is called as nothing of `KINDS` holds, and of which split, "" for none; None: it
    cannot be a content per row, or its name cannot be that of a modality."""
    rest, split = without_split(name)
    if not 2 <= array.ndim <= 4 or array.dtype.kind not in "biuf" or not is_name(rest):
        return None
    return rest, split


def is_array_folder(folder: Path) -> bool:
    """Whether there are `.npy` files called as contents and as labels."""
    found = {named[0] for path in folder.glob("*.npy") if (named := kind_of(path.stem))}
    return "label" in found and len(list(folder.glob("*.npy"))) > 1


def read_npz(path: Path, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """One file with labels and pictures, recordings or both, an entry per row; optionally `split` (names, or
    0, 1, 2 for train, valid, test, or -1), `speaker`, `group`, and `classes`, of which labels are then
    indices. Where only rows of the test split have the label -1, it is unknown. Arrays that do not fit, or
    are pickled: InputError.
    """
    return _dataset(_npz_arrays(path), path.stem, f"the arrays of {path.name}", str(path), reading, track)


def read_array_folder(folder: Path, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """A folder of `.npy` files that are called as the arrays of a `.npz`; what `read_npz` refuses,
    InputError."""
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
            one, other = (next(iter(named[each].values()))[0] for each in ("content", kind))
            raise InputError(f"{where} has {one} and {other}: which one is used?", "Rename or drop one.")
        named[kind] = named.pop("content")
    usual = {modality: kind for kind, modality in DEFAULT_NAMES.items() if kind in named}
    named |= {modality: named.pop(kind) for modality, kind in usual.items()}
    contents: list[Modality] = [*usual, *_others(named, arrays, where)]
    if not contents or ("label" not in named and reading.labelled):
        raise InputError(
            f"{where} holds {listed(arrays)}, expected label and image, audio or both, or vectors of other "
            "names (or x_train, y_train, x_test, y_test)",
            "Rename the arrays.",
        )
    parts = _parts(named, contents, where)
    rows = {split: _rows(named, contents, split, where) for split in parts}
    tables: dict[Modality, Table] = {}
    for modality in contents:
        own = {f"{where}, {n}": a for n, a in (named[modality][s] for s in parts)}
        if usual.get(modality) == "waveform" and rate is not None:
            tables[modality] = _waveforms(own, rate[1], where, reading, track)
        else:
            tables[modality] = without_absent(own, partial(array_table, modality=modality))
    split = _column(named, "split", parts, rows)
    if list(parts) != [""]:
        split = np.repeat([SPLITS.index(part) for part in parts], list(rows.values())).astype(np.int8)
    label = _column(named, "label", parts, rows)
    classes = named.get("classes", {}).get("")
    used = {name for kind in named.values() for name, _ in kind.values()}
    unused = [each for each in arrays if each not in used and (kind_of(each) or ("", ""))[0] != "rate"]
    return dataset_from(
        name,
        tables,
        np.full(sum(rows.values()), "") if label is None else _known(label, split, where),
        classes=[str(c) for c in classes[1].tolist()] if classes else (),
        split=split,
        speaker=_column(named, "speaker", parts, rows),
        group=_column(named, "group", parts, rows),
        sources=[source],
        notes=[f"Arrays that are not used: {listed(unused)}."] if unused else [],
        where=where,
        labelled=reading.labelled,
    )


def _others(named: Named, arrays: Mapping[str, np.ndarray], where: str) -> list[Modality]:
    """The modalities that are called by no name that we know, which are put into `named` if they have as many
    rows as the labels. Two arrays of one name: InputError."""
    rows = {split: len(array) for split, (_, array) in named.get("label", {}).items()}
    found: list[Modality] = []
    for name, array in arrays.items():
        if kind_of(name) is not None or (other := modality_of(name, array)) is None:
            continue
        modality, split = other
        if len(array) != rows.get(split, rows.get("") if not split else None):
            continue
        if split in named.setdefault(modality, {}):
            one = named[modality][split][0]
            raise InputError(f"{where} has {one} and {name}: which one is used?", "Drop one.")
        named[modality][split] = (name, array)
        found += [modality] * (modality not in found)
    return found


def _named(arrays: Mapping[str, np.ndarray], where: str) -> Named:
    """The arrays by what they are. Two of one kind, or columns that are none: InputError."""
    named: Named = {}
    for name, array in arrays.items():
        if (kind := kind_of(name)) is None:
            continue
        what, split = kind
        if what in COLUMNS and not (array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)):
            raise InputError(f"{where}: {name} must be a single column, got {array.shape}")
        here = named.setdefault(what, {})
        if split in here:
            raise InputError(f"{where} has {here[split][0]} and {name}: which one is used?", "Drop one.")
        here[split] = (name, array.reshape(-1) if what in COLUMNS else array)
    return named


def _parts(named: Named, contents: Sequence[Modality], where: str) -> tuple[str, ...]:
    """The splits that contents are named by, in their order; ("",) where they are not."""
    found = {split for modality in contents for split in named[modality]}
    labels = set(named.get("label", {}))
    if (
        any(set(named[m]) != found for m in contents)
        or (len(found) > 1 and "" in found)
        or labels - found - {""}
    ):
        names = [name for kind in (*contents, "label") for name, _ in named.get(kind, {}).values()]
        raise InputError(f"{where} has {listed(names)}, which do not fit each other", "Name them alike.")
    if labels and "" not in labels and (lacking := sorted(found - labels - {"test"})):
        raise InputError(
            f"{where} has {named[contents[0]][lacking[0]][0]} and no labels for it, only "
            + listed(name for name, _ in named["label"].values()),
            "Add them: only test rows may have none.",
        )
    return tuple(split for split in ("", *SPLITS) if split in found)


def _rows(named: Named, contents: Sequence[Modality], split: str, where: str) -> int:
    """How many rows the arrays of a split have, all of them as many."""
    found = [named[m][split] for m in contents]
    if split in named.get("label", {}):
        found.append(named["label"][split])
    counts = {name: len(array) if array.ndim else 0 for name, array in found}
    if len(set(counts.values())) > 1:
        raise InputError(
            f"{where}: expected as many rows in each, got "
            + ", ".join(f"{count} in {name}" for name, count in counts.items()),
            "Save them again.",
        )
    return next(iter(counts.values()))


def _column(named: Named, kind: str, parts: Sequence[str], rows: Mapping[str, int]) -> np.ndarray | None:
    """A column over all parts, "" where a part has none; None where no part has any."""
    found = named.get(kind, {})
    if "" in found:
        return found[""][1]
    if not any(part in found for part in parts):
        return None
    if all(part in found for part in parts):
        return np.concatenate([found[part][1] for part in parts])
    return np.concatenate(
        [label_names(found[p][1], kind) if p in found else np.full(rows[p], "") for p in parts]
    )


def _waveforms(
    arrays: Mapping[str, np.ndarray], rate: np.ndarray, where: str, reading: Reading, track: Track
) -> Table:
    """Recordings from (n, samples) or (n, samples, channels) and their rate, or one of each row, in Hz."""
    rows = sum(map(len, arrays.values()))
    rates = np.broadcast_to(rate.reshape(-1), rows) if rate.size in (1, rows) else rate.reshape(-1)
    if len(rates) != rows or rates.dtype.kind not in "iuf" or not (rates == np.rint(rates)).all():
        raise InputError(f"{where}: rate must be whole numbers of Hz, one or one per row", "Save it so.")
    for name, array in arrays.items():
        if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] > 2):
            raise InputError(
                f"{name}: with a rate, expected waveforms as (n, samples) or (n, samples, channels), got "
                f"{array.shape}",
                "Drop the rate if they are ready-made features.",
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
        except Exception as error:  # damaged members make zlib's and numpy's parsers raise nearly anything
            raise unreadable(path, error) from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise InputError(f"{path}: {name} is not an array", "Save arrays with numpy.savez.")
    return arrays


def _known(label: np.ndarray, split: np.ndarray | None, where: str) -> np.ndarray:
    """Label names, those that are -1 unknown if only rows of the test split have it."""
    names = label_names(label, where)
    minus = names == str(MISSING)
    if split is None or len(split) != len(names):
        return names
    tested = split_index(split, where) == SPLITS.index("test")
    return np.where(minus, "", names) if tested[minus].all() else names
