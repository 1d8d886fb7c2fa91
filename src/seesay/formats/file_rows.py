"""Rows whose files are known and not read yet: those of a manifest, of a folder, or that a pattern matches.

Prediction reads them piece by piece, so memory does not grow with the contents.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seesay.errors import InputError, listed
from seesay.formats.cells import File, file_of
from seesay.formats.folders import called, files_in
from seesay.formats.listing import Listing, look, matching
from seesay.formats.manifest import columns_wanted
from seesay.formats.media import Reading
from seesay.formats.metadata import metadata_columns
from seesay.formats.parquet import checked_shards
from seesay.formats.table_rows import TableRows, parquet_rows, table_rows
from seesay.spec import Modality, in_order


@dataclass(frozen=True)
class FileRows:
    """Rows and the files that they name."""

    where: str
    """The source, for messages."""
    count: int
    modalities: tuple[Modality, ...]
    """Those that some row has a file of, in order."""
    rows: Callable[[], Iterator[tuple[File | None, ...]]]
    """Yields the files of each row, by modality; None: missing. Each call begins with the first row."""
    files: Sequence[str] = ()
    """Name of each row, where rows are files and no table names them; else empty."""
    sources: tuple[Path, ...] = ()
    """The tables that name the files."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of files that are no rows, by reason."""


def manifest_rows(path: Path, reading: Reading) -> FileRows:
    """The rows of a manifest. InputError if it is invalid, or names no contents."""
    return _of_table(table_rows(path, columns_wanted(reading)), str(path), path.parent, [path])


def parquet_folder_rows(folder: Path, reading: Reading) -> FileRows:
    """The rows of a folder of Parquet files. InputError as in `read_parquet_folder`."""
    paths = [path for path, _ in checked_shards(folder)]
    return _of_table(parquet_rows(paths, columns_wanted(reading)), str(folder / "*.parquet"), folder, paths)


def metadata_rows(folder: Path, reading: Reading, tables: Sequence[Path]) -> FileRows:
    """The rows that a folder's metadata tables list. InputError as in `read_metadata`."""
    columns, _ = metadata_columns(folder, reading)
    return _of_table(TableRows.of(columns), str(folder / tables[0].name), folder, tables)


def _of_table(table: TableRows, where: str, folder: Path, sources: Sequence[Path]) -> FileRows:
    filled = table.filled()
    modalities = in_order(name for name in table.columns if name in filled)
    if not modalities:
        raise InputError(
            f"{where} names no picture and no recording, it has only {listed(table.columns or table.names)}",
            "It needs a column image, audio or both, or columns of arrays; name yours with --columns, as in "
            "image=photo.",
        )
    places = [table.columns.index(modality) for modality in modalities]

    def rows() -> Iterator[tuple[File | None, ...]]:
        listings: dict[Path, dict[str, str]] = {}
        for row in table.rows():
            yield tuple(file_of(row[i], folder, listings) for i in places)

    return FileRows(where, table.count, tuple(modalities), rows, sources=tuple(sources))


def folder_rows(folder: Path, reading: Reading) -> FileRows:
    """The files below a folder, one per row, or the pairs of pictures and recordings. InputError as in
    `read_folder`."""
    return _of_listing(look(folder), str(folder), reading)


def matching_rows(patterns: Sequence[str], reading: Reading) -> FileRows:
    """The files that match patterns or have these names, paired as those of a folder are. InputError as in
    `matching` and `read_folder`."""
    return _of_listing(matching(patterns), " ".join(patterns[:1]), reading, loose=False)


def _of_listing(listing: Listing, where: str, reading: Reading, loose: bool = True) -> FileRows:
    files = files_in(listing, reading, loose)
    columns = {called(kind, reading): paths for kind, paths in files.paths.items()}
    modalities = in_order(columns)
    names = [
        next(filter(None, row)) for row in zip(*(paths.names for paths in files.paths.values()), strict=True)
    ]

    def rows() -> Iterator[tuple[File | None, ...]]:
        return zip(*(columns[modality] for modality in modalities), strict=True)

    return FileRows(where, len(names), tuple(modalities), rows, names, left_out=files.left_out)
