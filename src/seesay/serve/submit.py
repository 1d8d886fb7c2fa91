"""A submission to the competition of the report: a label for each test row that has none."""

import csv
from pathlib import Path

import numpy as np

from seesay.data.dataset import Dataset
from seesay.errors import InputError, OutputError
from seesay.files import new_file
from seesay.serve.predict import Predictor, check_fits, predict_rows


def unlabelled(dataset: Dataset) -> np.ndarray:
    """(n,): the test rows, in order. There are none, or some of them have a label: InputError."""
    rows = dataset.rows_of("test")
    known = int((dataset.label[rows] >= 0).sum())
    if not len(rows) or known:
        has = f"{known} of {len(rows)} have one" if len(rows) else "there are none"
        raise InputError(
            f"{dataset.name}: expected test rows without labels, {has}",
            "Give the competition's folder, with x_train_wr.npy, x_train_sp.npy, y_train.csv, x_test_wr.npy "
            "and x_test_sp.npy.",
        )
    return rows


def write_submission(predictor: Predictor, dataset: Dataset, out: Path | str, overwrite: bool = False) -> int:
    """A CSV with the columns `row_id,label`, all or nothing: the class name of each unlabelled test row,
    numbered from 0 in the order of the test arrays. Returns how many there are.

    Data that the model was not made for, or that lack such rows: InputError. The file exists and `overwrite`
    is false: OutputError.
    """
    if Path(out).exists() and not overwrite:
        raise OutputError(f"{out} exists already", "Choose another name, or add --overwrite.")
    rows = unlabelled(dataset)
    check_fits(predictor.spec, dataset)
    with new_file(out, newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row_id", "label"])
        labels = (line[1] for part in predict_rows(predictor, dataset, rows) for line in part)
        writer.writerows(enumerate(labels))
    return len(rows)
