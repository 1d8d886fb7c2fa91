"""The layouts people have, recognised by looking, read into a `Dataset`.

Our own folder; the written and spoken digits database as Zenodo or a Kaggle course hand it out; one `.npz`;
MNIST's idx files; folders of recordings or pictures; a manifest. Or a name: `digits`, which is inside the
package, and `wsd`, which is downloaded.
"""

from difflib import get_close_matches
from pathlib import Path
from zipfile import is_zipfile

import numpy as np

from seesay.config import Modality
from seesay.data.arrays import audio_table, image_table
from seesay.data.columns import Table, dataset_from, label_names, split_index
from seesay.data.contents import USUAL, Reading, Track, silent
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
from seesay.data.normaliser import normalised
from seesay.data.written_spoken import is_kaggle, is_zenodo, read_kaggle, read_zenodo
from seesay.errors import InputError
from seesay.files import check_file, make_way

NAMES = ("digits", "wsd")
"""Data sets that have no path: inside the package, and downloaded."""

UNDERSTOOD = (
    "a seesay data set, x_train_wr.npy and its like (Kaggle), data_wr_train.npy and its like (Zenodo), "
    "a .npz file, MNIST's idx files, {label}_{speaker}_{take}.wav, {word}/{speaker}_*.wav, {label}/*.png, "
    "a .csv or .parquet manifest, or the names digits and wsd"
)


def open_data(source: Path | str, reading: Reading = USUAL, track: Track = silent) -> Dataset:
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
    reading: Reading = USUAL,
    track: Track = silent,
) -> Dataset:
    """Reads `source` as `open_data` does, fits the normaliser to its training rows, writes all that to the
    folder `out`, and returns what is there, memory-mapped.

    `out` exists and `overwrite` is false, or the disk is full: OutputError, and what was there still is.
    """
    make_way(out, overwrite, delete=False)  # said before the work, not after it
    data = open_data(source, reading, track)
    normalised(data, data.rows_of("train")).save(out, overwrite)
    return Dataset.open(out)


def _meant(path: Path) -> str:
    beside = [str(other) for other in path.parent.iterdir() if other != path] if path.parent.is_dir() else []
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
    if is_kaggle(folder):
        return read_kaggle(folder)
    if is_zenodo(folder):
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


# -------------------------------------------------------------------------------------------------------- npz


def read_npz(path: Path) -> Dataset:
    """One file with `label` and `image`, `audio` or both, an entry per row; optionally `split` (names, or 0,
    1, 2 for train, valid, test, or -1), `speaker`, and `classes`, of which labels are then indices. Where
    only rows of the test split have the label -1, it is unknown. Arrays that do not fit, or are pickled:
    InputError.
    """
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
        _known(arrays["label"], arrays.get("split"), name),
        classes=[str(c) for c in arrays["classes"].tolist()] if "classes" in arrays else (),
        split=arrays.get("split"),
        speaker=arrays.get("speaker"),
        sources=[f"the arrays of {path.name}"],
        where=name,
    )


def _npz_arrays(path: Path) -> dict[str, np.ndarray]:
    check_file(path)
    if not is_zipfile(path):
        raise InputError(f"{path} is not a .npz file or truncated", "Save arrays with numpy.savez.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # damaged members make zlib's and numpy's parsers raise nearly anything
        pickled = "Object arrays cannot be loaded" in str(error)
        why = "it holds pickled objects, which can run code and are never loaded" if pickled else str(error)
        raise InputError(f"{path} cannot be read: {why}", "Save numeric arrays with numpy.savez.") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise InputError(f"{path}: {name} is not an array", "Save arrays with numpy.savez.")
        if name in ("label", "split", "speaker", "classes") and array.ndim != 1:
            raise InputError(f"{path}: {name} must be a single column, got {array.shape}")
    return arrays


def _known(label: np.ndarray, split: np.ndarray | None, where: str) -> np.ndarray:
    """Label names, those that are -1 unknown if only rows of the test split have it."""
    names = label_names(label, where)
    minus = names == str(MISSING)
    if split is None or len(split) != len(names):
        return names
    tested = split_index(split, where) == SPLITS.index("test")
    return np.where(minus, "", names) if tested[minus].all() else names
