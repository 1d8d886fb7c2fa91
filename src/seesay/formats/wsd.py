"""Read the written and spoken digits database (Khacef, Rodriguez, Miramond, doi.org/10.5281/zenodo.4452953).

Zenodo has six arrays; a Kaggle course has the same rows in another order, with labels as CSV and none for
test.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from seesay.data.dataset import SPLITS, Dataset
from seesay.errors import InputError
from seesay.files import read_array
from seesay.formats.arrays import audio_table, image_table
from seesay.formats.labels import label_names
from seesay.formats.rows import dataset_from
from seesay.formats.tables import Wanted, read_sheet
from seesay.spec import Modality

CODES: Mapping[Modality, str] = {"image": "wr", "audio": "sp"}
"""The database's codes for modalities in file names: written, spoken."""

KAGGLE = "x_{split}_{code}.npy"

KAGGLE_LABELS = "y_train.csv"

KAGGLE_COLUMNS = ("row_id", "label")

ZENODO = "data_{code}_{split}.npy"

ZENODO_LABELS = "labels_{split}.npy"

DRAWN = (
    "picture and recording of a row were drawn at random within its class, recordings repeatedly "
    "(Khacef, Rodriguez, Miramond: Written and spoken digits database, doi.org/10.5281/zenodo.4452953)"
)

Arrays = Mapping[str, Mapping[Modality, tuple[Path, np.ndarray]]]
"""File and memory-mapped array by split and modality."""


def is_kaggle(folder: Path) -> bool:
    """Whether any of its arrays exists."""
    return any(path.is_file() for path in _paths(folder, KAGGLE, ("train", "test")))


def is_zenodo(folder: Path) -> bool:
    """Whether any of its arrays exists."""
    return any(path.is_file() for path in _paths(folder, ZENODO, ("train", "test")))


def read_kaggle(folder: Path) -> Dataset:
    """The data set in the course's files: train rows with labels in a CSV and, if present, test rows without.

    Missing, damaged or inconsistent files: InputError.
    """
    arrays = _arrays(folder, KAGGLE)
    return _dataset(folder, "Kaggle", arrays, {"train": _kaggle_labels(folder / KAGGLE_LABELS)})


def read_zenodo(folder: Path) -> Dataset:
    """The data set in the six files of the record; those of test may be absent.

    Missing, damaged or inconsistent files: InputError.
    """
    arrays = _arrays(folder, ZENODO)
    paths = {split: folder / ZENODO_LABELS.format(split=split) for split in arrays}
    labels = {split: label_names(read_array(path), str(path)) for split, path in paths.items()}
    return _dataset(folder, "Zenodo", arrays, labels)


def _paths(folder: Path, pattern: str, splits: tuple[str, ...]) -> list[Path]:
    return [folder / pattern.format(split=split, code=code) for split in splits for code in CODES.values()]


def _arrays(folder: Path, pattern: str) -> Arrays:
    """The arrays of `train` and, if any of its files exists, of `test`."""
    splits = ["train"]
    if any(path.is_file() for path in _paths(folder, pattern, ("test",))):
        splits.append("test")
    paths = {s: {m: folder / pattern.format(split=s, code=c) for m, c in CODES.items()} for s in splits}
    return {s: {m: (path, read_array(path)) for m, path in files.items()} for s, files in paths.items()}


def _dataset(folder: Path, layout: str, arrays: Arrays, labels: Mapping[str, np.ndarray]) -> Dataset:
    """The data set of all splits in order; splits without `labels` are unlabelled."""
    rows = {split: _same_rows(folder, split, arrays, labels) for split in arrays}
    parts = {m: {str(path): array for path, array in (arrays[s][m] for s in arrays)} for m in CODES}
    tables = {"image": image_table(parts["image"], reader="ink"), "audio": audio_table(parts["audio"])}
    name = folder.resolve().name
    return dataset_from(
        name,
        tables,
        np.concatenate([labels.get(split, np.full(count, "")) for split, count in rows.items()]),
        split=np.repeat([SPLITS.index(split) for split in rows], list(rows.values())),
        pairing="drawn within class",
        sources=[f"the folder {name} in the layout of {layout}", DRAWN],
        where=str(folder),
    )


def _same_rows(folder: Path, split: str, arrays: Arrays, labels: Mapping[str, np.ndarray]) -> int:
    """The number of rows of a split. Files that differ in it: InputError."""
    rows = {path.name: len(array) if array.ndim else 0 for path, array in arrays[split].values()}
    if split in labels:
        rows |= {"labels": len(labels[split])}
    if len(set(rows.values())) > 1:
        raise InputError(
            f"{folder}: the files of {split} differ in their number of rows: "
            + ", ".join(f"{count} in {name}" for name, count in rows.items()),
            "Copy or download them again.",
        )
    return next(iter(rows.values()))


def _kaggle_labels(path: Path) -> np.ndarray:
    """The labels sorted by `row_id`, consecutive integers."""
    sheet = read_sheet(path, Wanted(KAGGLE_COLUMNS, used=KAGGLE_COLUMNS))
    try:
        numbers = np.array(sheet.texts("row_id"), np.float64)
    except ValueError:
        numbers = np.array([np.nan])
    if not (numbers == np.rint(numbers)).all():
        raise InputError(f"{path}: row_id must be integers", "Fix the file.")
    order = np.argsort(numbers)
    if (np.diff(numbers[order]) != 1).any():
        raise InputError(f"{path}: row_id must hold each number once, without gaps", "Fix the file.")
    return label_names(sheet.texts("label") or (), str(path))[order]
