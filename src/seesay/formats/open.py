"""Open data in any supported layout, detected automatically, as a `Dataset`.

Layouts: our own folder; the written and spoken digits database as on Zenodo or in a Kaggle course; one
`.npz`; MNIST's idx files; folders of recordings, pictures or both, with or without a metadata table; a
manifest. Or a name: `digits`, which is inside the package, and `wsd`, which is downloaded.
"""

from collections.abc import Sequence
from pathlib import Path

from seesay.data.dataset import Dataset
from seesay.errors import ConfigError, InputError
from seesay.files import check_new_folder
from seesay.formats.file_rows import (
    FileRows,
    folder_rows,
    manifest_rows,
    matching_rows,
    metadata_rows,
    parquet_folder_rows,
)
from seesay.formats.folders import UNDERSTOOD, read_folder, read_pictures
from seesay.formats.idx import is_idx_folder
from seesay.formats.listing import kind_of
from seesay.formats.manifest import read_manifest, read_parquet_folder
from seesay.formats.media import USUAL, Reading, Track, silent
from seesay.formats.metadata import metadata_tables, read_metadata
from seesay.formats.named_arrays import is_array_folder, read_array_folder, read_npz
from seesay.formats.parquet import is_parquet_folder
from seesay.formats.source import NAMES as NAMES
from seesay.formats.source import check_source, is_pattern
from seesay.formats.wsd import is_kaggle, is_zenodo, read_kaggle, read_zenodo

MANIFESTS = (".csv", ".jsonl", ".parquet")
"""Suffixes of manifests."""


def open_data(source: Path | str, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """The data set at a path in any layout (ours is memory-mapped, others are read into memory), or by name.

    A path takes precedence over a name. `reading`: how files become contents. Anything unusable, in whole or
    in part: InputError. A name pattern for anything but a folder of files: ConfigError.
    """
    data = _open(source, reading, track)
    if reading.name_pattern is not None and not data.files:
        raise ConfigError(f"--name-pattern is for folders of files, which {source} is not", "Remove it.")
    return data


def _open(source: Path | str, reading: Reading, track: Track) -> Dataset:
    path = Path(source)
    if path.is_file():
        return _open_file(path, reading, track)
    if path.is_dir():
        return _open_folder(path, reading, track)
    if str(source) == "digits":
        from seesay.formats.digits import digits_dataset

        return digits_dataset()
    if str(source) == "wsd":
        from seesay.formats.download import wsd

        return open_data(wsd()).replace(name="wsd")
    if is_pattern(source):
        raise InputError(f"{source} is a pattern of files, which only seesay predict takes", "Give a folder.")
    check_source(source)
    raise InputError(f"{source} is neither a file nor a folder", "Check the path.")


def open_rows(sources: Sequence[str], reading: Reading, whole: bool = False) -> Dataset | FileRows:
    """What to predict: a manifest or a folder of files as rows whose files are not read yet, any other layout
    as a data set, or the files that these names and patterns match. `whole`: a data set, whatever the layout,
    since a split is a matter of all rows. Anything unusable: InputError."""
    first, path = sources[0], Path(sources[0])
    if whole and len(sources) == 1:
        return open_data(first, reading)
    if whole:
        raise InputError("--split is for a data set, not for several files", "Remove it, or give a folder.")
    if len(sources) > 1 or is_pattern(first):
        return matching_rows(sources, reading)
    if path.is_file() and path.suffix.lower() in MANIFESTS:
        return manifest_rows(path, reading)
    if path.is_file() and path.suffix.lower() != ".npz" and kind_of(path) is not None:
        return matching_rows(sources, reading)
    if not path.is_dir() or _holds_arrays(path):
        return open_data(first, reading)
    if tables := metadata_tables(path):
        return metadata_rows(path, reading, tables)
    if is_parquet_folder(path):
        return parquet_folder_rows(path, reading)
    return folder_rows(path, reading)


def _holds_arrays(folder: Path) -> bool:
    """Whether contents lie in the folder as arrays: it is our own, or in another layout of arrays."""
    ours = (folder / "dataset.json").exists()
    layouts = (is_kaggle, is_zenodo, is_idx_folder, is_array_folder)
    return ours or any(layout(folder) for layout in layouts)


def import_data(
    source: Path | str,
    out: Path | str,
    overwrite: bool = False,
    reading: Reading = USUAL,
    track: Track = silent,
) -> Dataset:
    """Read `source` like `open_data`, save it to the folder `out`, and return that, memory-mapped, with the
    skipped rows.

    `out` exists and `overwrite` is false, or the disk is full: OutputError, and old files are unchanged.
    """
    check_new_folder(out, overwrite, delete=False)  # fail before the work, not after it
    data = open_data(source, reading, track)
    data.save(out, overwrite)
    return Dataset.open(out).replace(skipped=data.skipped)


def _open_file(path: Path, reading: Reading, track: Track) -> Dataset:
    match path.suffix.lower():
        case ".npz":
            return read_npz(path, reading, track)
        case suffix if suffix in MANIFESTS:
            return read_manifest(path, reading, track)
        case _:
            raise InputError(f"{path} is not a data set", f"Expected {UNDERSTOOD}.")


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
    if metadata_tables(folder):
        return read_metadata(folder, reading, track)
    if is_parquet_folder(folder):
        return read_parquet_folder(folder, reading, track)
    return read_folder(folder, reading, track)
