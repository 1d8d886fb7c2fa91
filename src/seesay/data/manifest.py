"""A manifest lists files: a CSV or Parquet file with the columns `image`, `audio`, `label` and optionally
`split`, `speaker`, `group`.

Paths are relative to it and an empty cell is missing. Rows that are only predicted need no `label`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from seesay.data.cells import Cell, File, files_of, is_there
from seesay.data.columns import dataset_from, listed
from seesay.data.contents import USUAL, Reading, Track, audio_contents, image_contents, silent
from seesay.data.dataset import Dataset
from seesay.data.parquet import read_shards
from seesay.data.sheets import read_sheet
from seesay.data.skipped import Skipped
from seesay.errors import InputError
from seesay.spec import Modality


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
