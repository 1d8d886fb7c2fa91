"""The layouts people have, recognised by looking, read into a `Dataset`.

Our own folder; the written and spoken digits database as Zenodo or a Kaggle course hand it out; one `.npz`;
MNIST's idx files; folders of recordings or pictures; a manifest. Or a name: `digits`, which is inside the
package, and `wsd`, which is downloaded.
"""

from pathlib import Path

from seesay.data.contents import USUAL, Reading, Track, silent
from seesay.data.dataset import Dataset
from seesay.data.idx import is_idx_folder
from seesay.data.manifest import (
    PICTURES,
    SOUNDS,
    class_folders,
    files_with,
    read_manifest,
    read_parquet_folder,
    read_pictures,
    read_recordings,
)
from seesay.data.named_arrays import is_array_folder, read_array_folder, read_npz
from seesay.data.normaliser import normalised
from seesay.data.parquet import is_parquet_folder
from seesay.data.source import NAMES as NAMES
from seesay.data.source import check_source
from seesay.data.written_spoken import is_kaggle, is_zenodo, read_kaggle, read_zenodo
from seesay.errors import InputError
from seesay.files import make_way

UNDERSTOOD = (
    "a seesay data set, x_train_wr.npy and its like (Kaggle), data_wr_train.npy and its like (Zenodo), "
    "a .npz file or .npy files such as x_train.npy and y_train.npy, MNIST's idx files, "
    "{label}_{speaker}_{take}.wav, {word}/{speaker}_*.wav, {label}/*.png, "
    "a .csv or .parquet manifest, a folder of train-*.parquet, or the names digits and wsd"
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
    check_source(source)
    raise InputError(f"{source} is neither a file nor a folder", "Check the path.")


def import_data(
    source: Path | str,
    out: Path | str,
    overwrite: bool = False,
    reading: Reading = USUAL,
    track: Track = silent,
) -> Dataset:
    """Reads `source` as `open_data` does, fits the normaliser to its training rows, writes all that to the
    folder `out`, and returns what is there, memory-mapped, with what was skipped.

    `out` exists and `overwrite` is false, or the disk is full: OutputError, and what was there still is.
    """
    make_way(out, overwrite, delete=False)  # said before the work, not after it
    data = open_data(source, reading, track)
    normalised(data, data.rows_of("train")).save(out, overwrite)
    return Dataset.open(out).replace(skipped=data.skipped)


def _open_file(path: Path, reading: Reading, track: Track) -> Dataset:
    match path.suffix.lower():
        case ".npz":
            return read_npz(path, reading, track)
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
    if is_array_folder(folder):
        return read_array_folder(folder, reading, track)
    if is_parquet_folder(folder):
        return read_parquet_folder(folder, reading, track)
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
