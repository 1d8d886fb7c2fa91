"""Files that people have: a manifest that lists them, folders of recordings, folders of pictures.

A manifest is a CSV or Parquet file with the columns `image`, `audio`, `label` and optionally `split`,
`speaker`, `group`; paths are relative to it and an empty cell is missing. Rows that are only predicted need
no `label`. Recordings are named `{label}_{speaker}_{take}.wav`, as in the Free Spoken Digit Dataset, or lie
in folders as `{word}/{speaker}_*.wav`, as in Speech Commands. Pictures lie in folders as `{label}/*.png`, or
are the four files of MNIST.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seesay.config import Modality
from seesay.data.arrays import image_table
from seesay.data.cells import Cell, File, files_of, is_there
from seesay.data.columns import Table, dataset_from, listed
from seesay.data.contents import USUAL, Reading, Track, audio_contents, image_contents, silent
from seesay.data.dataset import MISSING, SPLITS, Dataset
from seesay.data.idx import is_idx_folder, read_idx_folder
from seesay.data.parquet import read_shards
from seesay.data.sheets import read_sheet
from seesay.data.skipped import Skipped
from seesay.errors import InputError

WORDS = {
    word: str(digit)
    for digit, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    )
}
"""The digit that a word of Speech Commands names."""

SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")

TAKE = re.compile(r"(?P<label>.+)_(?P<speaker>[^_]+)_(?P<take>[^_]+)")
"""Name of a recording that says what is said: `7_jackson_32`."""

WORD_TAKE = re.compile(r"(?P<speaker>[^_]+)_.+")
"""Name of a recording in the folder of its word: `0ab3b47d_nohash_0`."""


@dataclass(frozen=True)
class Recording:
    """A file, what is said in it, and by whom."""

    path: Path
    label: str
    speaker: str


def read_manifest(path: Path, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """The data set that a manifest lists. An odd manifest, or files that cannot be read: InputError that
    names them."""
    sheet = read_sheet(path, ("label",) if reading.labelled else (), reading.columns)
    return read_rows(
        sheet.columns,
        path,
        reading,
        track,
        sources=[f"the manifest {path.name}"],
        notes=sheet.notes,
        names=sheet.names,
        classes=sheet.classes,
    )


def read_parquet_folder(folder: Path, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """The data set in the Parquet files of a folder, as Hugging Face stores them: what `read_shards` and
    `read_manifest` refuse, InputError."""
    sheet = read_shards(folder, ("label",) if reading.labelled else (), reading.columns)
    return read_rows(
        sheet.columns,
        folder / "*.parquet",
        reading,
        track,
        name=folder.resolve().name,
        sources=[f"the Parquet files of {folder.resolve().name}"],
        notes=sheet.notes,
        names=sheet.names,
        classes=sheet.classes,
    )


def read_rows(
    columns: Mapping[str, Sequence[Cell]],
    path: Path,
    reading: Reading = USUAL,
    track: Track = silent,
    *,
    name: str = "",
    sources: Sequence[str] = (),
    notes: Sequence[str] = (),
    left_out: Mapping[str, int] | None = None,
    names: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> Dataset:
    """The data set of a manifest's columns, as they stand in the file `path`, to which paths are relative.
    `name`: if it is not the file's; `names`: of all columns there; `classes`: what labels are indices of.

    No picture and no recording, in a row or at all, files that are not there or cannot be read: InputError,
    or, where rows may be skipped, such rows are.
    """
    readers = {"image": image_contents, "audio": audio_contents}
    files: dict[Modality, list[File | None]] = {
        m: files_of(columns[m], path.parent) for m in readers if any(columns.get(m, ()))
    }
    if not files:
        raise InputError(
            f"{path} names no picture and no recording, only has {listed(names or columns)}",
            "It needs a column image, audio or both; yours are named by --columns, as in image=photo.",
        )
    empty = [i for i, row in enumerate(zip(*files.values(), strict=True), 1) if not any(row)]
    if reading.on_bad == "stop":
        _check_named(empty, str(path))
        check_files(columns, files, str(path))  # of both modalities at once
    texts = {n: [str(cell) for cell in column] for n, column in columns.items() if n not in readers}
    return dataset_from(
        name or path.stem,
        {m: readers[m](files[m], reading, str(path), track) for m in files},
        texts.get("label") or [""] * len(next(iter(files.values()))),
        classes=classes,
        split=texts.get("split"),
        speaker=texts.get("speaker"),
        group=texts.get("group"),
        sources=sources,
        notes=notes,
        left_out=left_out,
        skipped=[Skipped(row, "", "it names neither picture nor recording") for row in empty],
        where=str(path),
        labelled=reading.labelled,
    )


def _check_named(empty: Sequence[int], where: str) -> None:
    if empty:
        raise InputError(
            f"{where}: {len(empty)} rows have neither picture nor recording: "
            + listed(f"row {row}" for row in empty),
            "Fill or delete them.",
        )


def check_files(
    columns: Mapping[str, Sequence[Cell]], files: Mapping[Modality, Sequence[File | None]], where: str
) -> None:
    """InputError that lists the paths in these columns that are not there, as they are written."""
    first: dict[Path, tuple[int, str]] = {}
    for modality, column in files.items():
        for i, (file, cell) in enumerate(zip(column, columns[modality], strict=True), 1):
            if isinstance(file, Path):
                first[file] = min(first.get(file, (i, str(cell))), (i, str(cell)))
    absent = sorted(at for path, at in first.items() if not is_there(path))
    if absent:
        tried = " Backslashes were tried as slashes too." if any("\\" in cell for _, cell in absent) else ""
        raise InputError(
            f"{where}: {len(absent)} of {len(first)} files are not there: "
            + listed(f"{cell} (row {i})" for i, cell in absent),
            f"Paths are relative to the manifest.{tried}",
        )


# ------------------------------------------------------------------------------------------------- recordings


def recordings(folders: Sequence[Path | str]) -> list[Recording]:
    """Every recording in `folders`, each in either way of naming, sorted by path within a folder.

    Nothing found, or names of another kind: InputError that lists those.
    """
    found: list[Recording] = []
    for folder in map(Path, folders):
        here = list(_recordings(folder))
        if not here:
            raise InputError(
                f"{folder} holds no recordings, expected {{label}}_{{speaker}}_{{take}}.wav or "
                "{word}/{speaker}_*.wav",
                "Check the folder.",
            )
        found += here
    return found


def _recordings(folder: Path) -> Iterator[Recording]:
    odd = []
    for path in files_with(folder, SOUNDS):
        if named := TAKE.fullmatch(path.stem):
            yield Recording(path, named["label"], named["speaker"])
        else:
            odd.append(path.name)
    for word in class_folders(folder, SOUNDS):
        for path in files_with(word, SOUNDS):
            if named := WORD_TAKE.fullmatch(path.stem):
                yield Recording(path, word.name, named["speaker"])
            else:
                odd.append(f"{word.name}/{path.name}")
    if odd:
        raise InputError(
            f"{folder}: {len(odd)} recordings are not named {{label}}_{{speaker}}_{{take}}.wav or "
            f"{{word}}/{{speaker}}_*.wav: {listed(odd)}",
            "Rename them, or list them in a manifest.",
        )


def read_recordings(folder: Path, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """The recordings of a folder as a data set, grouped by speaker. What `recordings` refuses, or files that
    cannot be read: InputError."""
    found = recordings([folder])
    table = audio_contents([recording.path for recording in found], reading, str(folder), track)
    return dataset_from(
        folder.resolve().name,
        {"audio": table},
        [recording.label for recording in found],
        speaker=[recording.speaker for recording in found],
        sources=[f"the folder of recordings {folder.resolve().name}"],
        where=str(folder),
        labelled=reading.labelled,
    )


# --------------------------------------------------------------------------------------------------- pictures


def read_pictures(folder: Path, reading: Reading = USUAL, track: Track = silent) -> Dataset:
    """MNIST's files (with their split) or a folder per class as a data set of pictures.

    Nothing found, or files that cannot be read: InputError.
    """
    idx = is_idx_folder(folder)
    table, labels, split = _idx(folder) if idx else _classes(folder, reading, track)
    what = "MNIST's idx files in" if idx else "the folders of pictures in"
    name = folder.resolve().name
    return dataset_from(
        name,
        {"image": table},
        labels,
        split=split,
        sources=[f"{what} {name}"],
        where=str(folder),
        labelled=reading.labelled,
    )


def _idx(folder: Path) -> tuple[Table, list[str], np.ndarray]:
    found = read_idx_folder(folder)
    table = image_table({split: images for split, (images, _) in found.items()}, reader="ink")
    labels = np.concatenate([labels for _, labels in found.values()])
    split = np.repeat([SPLITS.index(name) for name in found], [len(labels) for _, labels in found.values()])
    return table, [str(label) for label in labels.tolist()], split.astype(np.int8)


def _classes(folder: Path, reading: Reading, track: Track) -> tuple[Table, list[str], np.ndarray]:
    folders = class_folders(folder, PICTURES)
    found = [(path, inner.name) for inner in folders for path in files_with(inner, PICTURES)]
    if not found:
        raise InputError(
            f"{folder} holds no pictures, expected {{label}}/*.png or MNIST's idx files", "Check the folder."
        )
    table = image_contents([path for path, _ in found], reading, str(folder), track)
    return table, [label for _, label in found], np.full(len(found), MISSING, np.int8)


# ------------------------------------------------------------------------------------------------------ files


def files_with(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Files directly in `folder` with such a suffix, sorted; hidden ones are passed over."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", "Check the path.")
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )


def class_folders(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Folders in `folder` that hold such files, sorted; `_background_noise_` and hidden ones are passed
    over."""
    inner = (
        path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith((".", "_"))
    )
    return [path for path in inner if files_with(path, suffixes)]
