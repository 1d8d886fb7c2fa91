"""The layouts people have, recognised by looking, read into a `Dataset`.

Our own folder; the written and spoken digits database as Zenodo or a Kaggle course hand it out; one `.npz`;
MNIST's idx files; folders of recordings or pictures; a manifest. Or a name: `digits`, which is inside the
package, and `wsd`, which is downloaded.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from seesay.config import Modality
from seesay.data.arrays import Parts, audio_table, image_table
from seesay.data.columns import Table, dataset_from, label_names
from seesay.data.contents import Reading, Track, silent
from seesay.data.dataset import MISSING, SPLITS, Dataset
from seesay.data.idx import is_idx_folder
from seesay.data.manifest import (
    PICTURES,
    SOUNDS,
    class_folders,
    files_with,
    read_manifest,
    read_pictures,
    read_recordings,
)
from seesay.data.sheets import read_columns
from seesay.errors import InputError
from seesay.files import check_file, make_way, read_array

NAMES = ("digits", "wsd")
"""Data sets that have no path: inside the package, and downloaded."""

CODES: Mapping[Modality, str] = {"image": "wr", "audio": "sp"}
"""Written, spoken: how the database names its files."""

KAGGLE = "x_{split}_{code}.npy"
ZENODO = "data_{code}_{split}.npy"

ZENODO_LABELS = "labels_{split}.npy"

KAGGLE_LABELS = "y_train.csv"

UNDERSTOOD = (
    "a seesay data set, x_train_wr.npy and its like (Kaggle), data_wr_train.npy and its like (Zenodo), a .npz file, "
    "MNIST's idx files, {label}_{speaker}_{take}.wav, {word}/{speaker}_*.wav, {label}/*.png, a .csv or .parquet manifest, "
    "or the names digits and wsd"
)

DRAWN = (
    "picture and recording of a row were drawn at random within its class, recordings repeatedly "
    "(Khacef, Rodriguez, Miramond: Written and spoken digits database, doi.org/10.5281/zenodo.4452953)"
)


def open_data(source: Path | str, reading: Reading = Reading(), track: Track = silent) -> Dataset:
    """The data set at a path in any layout (ours is memory-mapped, all others are read into memory), or of a
    name.

    A path goes before a name. `reading` says how files become contents, where there are files. Anything that
    cannot be used, as a whole or in part: InputError.
    """
    path = Path(source)
    if path.is_file():
        return _open_file(path, reading, track)
    if path.is_dir():
        return _open_folder(path, reading, track)
    if str(source) == "digits":
        from seesay.data.digits import digits_dataset

        return digits_dataset()
    if str(source) == "wsd":
        from seesay.data.download import wsd

        return open_data(wsd()).replace(name="wsd")
    raise InputError(f"{source} is not there", _meant(path))


def import_data(
    source: Path | str,
    out: Path | str,
    overwrite: bool = False,
    reading: Reading = Reading(),
    track: Track = silent,
) -> Dataset:
    """Reads `source` as `open_data` does, writes it to the folder `out`, and returns what is there,
    memory-mapped.

    `out` exists and `overwrite` is false, or the disk is full: OutputError, and what was there is still
    there.
    """
    make_way(out, overwrite, delete=False)  # said before the work, not after it
    open_data(source, reading, track).save(out, overwrite)
    return Dataset.open(out)


def _meant(path: Path) -> str:
    beside = [str(other) for other in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(str(path), [*NAMES, *beside], n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else f"Expected {UNDERSTOOD}."


def _open_file(path: Path, reading: Reading, track: Track) -> Dataset:
    match path.suffix.lower():
        case ".npz":
            return read_npz(path)
        case ".csv" | ".parquet":
            return read_manifest(path, reading, track)
        case _:
            raise InputError(f"{path} is no data set", f"Expected {UNDERSTOOD}.")


def _open_folder(folder: Path, reading: Reading, track: Track) -> Dataset:
    if (folder / "dataset.json").exists():
        return Dataset.open(folder)
    if any(_names(folder, KAGGLE)):
        return read_kaggle(folder)
    if any(_names(folder, ZENODO)):
        return read_zenodo(folder)
    if is_idx_folder(folder):
        return read_pictures(folder)
    sounds = bool(files_with(folder, SOUNDS) or class_folders(folder, SOUNDS))
    drawn = bool(class_folders(folder, PICTURES))
    if sounds and drawn:
        raise InputError(
            f"{folder} holds folders of recordings and of pictures, and nothing says which belong together",
            "List the pairs in a manifest, or pair by class with seesay data build.",
        )
    if sounds:
        return read_recordings(folder, reading, track)
    if drawn:
        return read_pictures(folder, reading, track)
    raise InputError(f"{folder} holds no data set", f"Expected {UNDERSTOOD}.")


# ------------------------------------------------------------------------- written and spoken digits database


def read_kaggle(folder: Path) -> Dataset:
    """The course competition's files: training rows with labels in a CSV, test rows, if they are there,
    without."""
    parts = _parts(folder, KAGGLE)
    columns = read_columns(folder / KAGGLE_LABELS, ("row_id", "label"))
    return _digits(folder, "Kaggle", parts, {"train": _in_order(folder / KAGGLE_LABELS, columns)})


def read_zenodo(folder: Path) -> Dataset:
    """The six files of Zenodo record 4452953; those of the test split may be absent."""
    parts = _parts(folder, ZENODO)
    paths = {split: folder / ZENODO_LABELS.format(split=split) for split in parts}
    labels = {split: label_names(read_array(path), str(path)) for split, path in paths.items()}
    return _digits(folder, "Zenodo", parts, labels)


def _digits(
    folder: Path,
    layout: str,
    parts: Mapping[str, Mapping[Modality, np.ndarray]],
    labels: Mapping[str, np.ndarray],
) -> Dataset:
    """`parts[split][modality]` one below the other; a split without `labels` gets none."""
    rows = {split: _same_rows(folder, split, arrays) for split, arrays in parts.items()}
    names = [labels.get(split, np.full(count, "")) for split, count in rows.items()]
    for split, found in zip(rows, names, strict=True):
        if len(found) != rows[split]:
            raise InputError(
                f"{folder}: {rows[split]} rows of {split} need as many labels, got {len(found)}",
                "Copy or download the files again.",
            )

    def below(modality: Modality) -> Parts:
        return {f"{folder / CODES[modality]}_{split}": arrays[modality] for split, arrays in parts.items()}

    return dataset_from(
        folder.resolve().name,
        {"image": image_table(below("image"), reader="ink"), "audio": audio_table(below("audio"))},
        np.concatenate(names),
        split=np.repeat([SPLITS.index(split) for split in rows], list(rows.values())),
        pairing="drawn within class",
        sources=[f"the folder {folder.resolve().name} in the layout of {layout}", DRAWN],
    )


def _names(folder: Path, pattern: str) -> list[Path]:
    """Those files of the layout that are there."""
    paths = [folder / pattern.format(split=s, code=c) for s in ("train", "test") for c in CODES.values()]
    return [path for path in paths if path.is_file()]


def _parts(folder: Path, pattern: str) -> dict[str, dict[Modality, np.ndarray]]:
    """Per split and modality the mapped array; no `test` where neither of its files is there."""
    found = _names(folder, pattern)
    splits = ["train"] + ["test"] * any("test" in path.name for path in found)
    return {
        s: {m: read_array(folder / pattern.format(split=s, code=c)) for m, c in CODES.items()} for s in splits
    }


def _same_rows(folder: Path, split: str, arrays: Mapping[Modality, np.ndarray]) -> int:
    rows = {m: len(array) if array.ndim else 0 for m, array in arrays.items()}
    if len(set(rows.values())) > 1:
        raise InputError(
            f"{folder}: {split} has {rows['image']} pictures and {rows['audio']} recordings, expected as many",
            "Copy or download the files again.",
        )
    return rows["image"]


def _in_order(path: Path, columns: Mapping[str, list[str]]) -> np.ndarray:
    """The labels by ascending `row_id`, which counts without gaps from any number."""
    ids = label_names(columns["row_id"], f"{path}, row_id")
    try:
        order = ids.astype(np.int64)
    except ValueError:
        raise InputError(f"{path}: row_id must be whole numbers", "Mend the file.") from None
    places = np.argsort(order)
    if (np.diff(order[places]) != 1).any():
        raise InputError(f"{path}: row_id must hold each number once, without gaps", "Mend the file.")
    return label_names(columns["label"], str(path))[places]


# -------------------------------------------------------------------------------------------------------- npz


def read_npz(path: Path) -> Dataset:
    """One file with `label` and `image`, `audio` or both, an entry per row; optionally `split` (names, or 0,
    1, 2 for train, valid, test), `speaker`, and `classes`, of which labels are then indices. -1 is an unknown
    label or split."""
    arrays = _npz_arrays(path)
    name = str(path)
    readers = {"image": image_table, "audio": audio_table}
    tables: dict[Modality, Table] = {
        m: readers[m]({f"{name}, {m}": arrays[m]}) for m in readers if m in arrays
    }
    if not tables or "label" not in arrays:
        raise InputError(
            f"{path} holds {', '.join(arrays)}, expected label and image, audio or both", "Rename the arrays."
        )
    rows = {m: len(table.pointers) for m, table in tables.items()}
    if len(set(rows.values())) > 1:
        raise InputError(
            f"{path} has {rows['image']} pictures and {rows['audio']} recordings, expected as many"
        )
    return dataset_from(
        path.stem,
        tables,
        _known(arrays["label"], name),
        classes=[str(c) for c in arrays["classes"].tolist()] if "classes" in arrays else (),
        split=arrays.get("split"),
        speaker=arrays.get("speaker"),
        sources=[f"the arrays of {path.name}"],
    )


def _npz_arrays(path: Path) -> dict[str, Any]:
    check_file(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, BadZipFile, AttributeError, TypeError) as error:
        why = (
            "it holds pickled objects, which are never loaded"
            if "pickle" in str(error).lower()
            else str(error)
        )
        raise InputError(f"{path} cannot be read: {why}", "Save numeric arrays with numpy.savez.") from None
    for name in ("label", "split", "speaker", "classes"):
        if name in arrays and arrays[name].ndim != 1:
            raise InputError(f"{path}: {name} must have one entry per row, got {arrays[name].shape}")
    return arrays


def _known(label: np.ndarray, where: str) -> np.ndarray:
    """Label names, with those that are -1 unknown."""
    names = label_names(label, where)
    return np.where(names == str(MISSING), "", names) if label.dtype.kind in "if" else names
