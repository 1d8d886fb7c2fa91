"""Predictions for many rows, written as a table; or as a submission to the report's competition.

Rows are predicted in shards of SHARD_ROWS. Each finished shard is kept until the table is complete
(serve/shards.py), so memory does not grow with the rows, and a killed command continues.
"""

import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from seesay.data.dataset import Dataset
from seesay.data.skipped import Skipped
from seesay.errors import InputError, OutputError
from seesay.files import new_file
from seesay.formats.file_rows import FileRows
from seesay.serve.columns import Column, columns_of, file_column, predicted
from seesay.serve.encodings import Encodings, release
from seesay.serve.file_shards import file_shards, modalities_of
from seesay.serve.parallel import parallel_map
from seesay.serve.predict import Predictor, check_fits
from seesay.serve.shards import Shard, Shards, shards_of
from seesay.spec import Modality

Rows = np.ndarray | range
"""Indices of rows of a data set."""

SHARD_ROWS = 4_096
"""Rows of a shard: seconds of work."""

Advance = Callable[[int], object]
"""Called with the number of rows done."""


class Written(NamedTuple):
    """What a table of predictions holds."""

    rows: int
    left_out: str
    """A sentence on the rows that could not be read; "" if all could."""


def write_predictions(
    predictor: Predictor,
    dataset: Dataset,
    rows: Rows,
    out: Path | str,
    overwrite: bool = False,
    threads: int = 1,
    reject: float | None = None,
    probabilities: bool = False,
    source: Mapping[str, Any] | None = None,
    advance: Advance = lambda _: None,
) -> Written:
    """Write predictions for these rows to a `.csv`, `.jsonl` or `.parquet` file: with a column `file` if the
    rows are files of a folder, the label `_none_` where `known` is below `reject`, and with `probabilities`
    that of each class.

    `source`: what identifies the data, since a killed command continues only with the same. Raises
    OutputError as in `shards_of` and `table_format`; InputError as `Predictor.check_reject` says.
    """
    check_fits(predictor.spec, dataset, labelled=False)
    modalities = _common(predictor, dataset)
    predictor.check_reject(reject, modalities)
    if not len(rows):
        raise InputError(f"{dataset.name} has no rows to predict", "See seesay data info.")
    classes = predictor.spec.classes if probabilities else ()
    columns = columns_of(modalities, bool(dataset.files), classes)
    chosen = hashlib.sha256(str(rows).encode() if isinstance(rows, range) else rows.tobytes())
    given = {"source": dict(source or {"name": dataset.name}), "rows": chosen.hexdigest()[:16]}
    with shards_of(out, columns, _settings(predictor, columns, reject) | given, overwrite) as shards:
        made = predict_rows(
            predictor,
            dataset,
            rows,
            SHARD_ROWS,
            threads=threads,
            reject=reject,
            probabilities=probabilities,
            finished=lambda number: shards.stamp(number) is not None,
        )
        return _written(shards, made, advance, dataset.skipped)


def write_file_predictions(
    predictor: Predictor,
    source: FileRows,
    out: Path | str,
    overwrite: bool = False,
    threads: int = 1,
    reject: float | None = None,
    probabilities: bool = False,
    strict: bool = False,
    advance: Advance = lambda _: None,
) -> Written:
    """Write predictions for rows of files, as `write_predictions` does. Rows that cannot be read are left out
    and listed in OUT.bad.csv; with `strict` the first is an InputError."""
    modalities = modalities_of(predictor, source)
    predictor.check_reject(reject, modalities)
    classes = predictor.spec.classes if probabilities else ()
    columns = columns_of(modalities, bool(source.files), classes)
    names = hashlib.sha256("\n".join(source.files).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    given = {
        "source": {"name": source.where, "rows": source.count, "names": names},
        "changed": changed(source.sources),
    }
    with shards_of(out, columns, _settings(predictor, columns, reject) | given, overwrite) as shards:
        made = file_shards(
            predictor,
            source,
            shards,
            SHARD_ROWS,
            threads=threads,
            reject=reject,
            strict=strict,
            advance=advance,
        )
        return _written(shards, made, lambda _: None, (), strict)


def _written(
    shards: Shards, made: Iterable[Shard], advance: Advance, skipped: Sequence[Skipped], strict: bool = False
) -> Written:
    """Save the shards as they are made, and join them. `skipped`: rows left out that belong to no shard."""
    count = 0
    for shard in made:
        count += 1
        if shard.block is not None:
            shards.write(shard if shard.number else replace(shard, bad=[*skipped, *shard.bad]))
        elif strict and (bad := shards.bad(shard.number)):
            raise InputError(f"row {bad[0].row} cannot be read: {bad[0].reason}", "Fix or remove it.")
        advance(shard.rows)
    return Written(*shards.join(count))


def _settings(predictor: Predictor, columns: Sequence[Column], reject: float | None) -> dict[str, Any]:
    """What predictions depend on, besides the rows."""
    model = hashlib.sha256("\n".join(predictor.spec.classes).encode())
    for name, tensor in sorted(predictor.model.state_dict().items()):
        model.update(name.encode())
        model.update((tensor.double() if tensor.is_floating_point() else tensor).numpy().tobytes())
    return {
        "model": model.hexdigest()[:16],
        "columns": [column.name for column in columns],
        "reject": reject,
        "shard_rows": SHARD_ROWS,
        "seesay": version("seesay"),
        "torch": torch.__version__,
    }


def changed(files: Sequence[Path]) -> str:
    """A hash of the sizes and times of files; "" for none."""
    facts = [f"{path} {(stat := path.stat()).st_size} {stat.st_mtime_ns}" for path in files]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16] if facts else ""


# ----------------------------------------------------------------------------------------- rows of a data set


def predict_rows(
    predictor: Predictor,
    dataset: Dataset,
    rows: Rows,
    size: int = SHARD_ROWS,
    threads: int = 1,
    reject: float | None = None,
    probabilities: bool = False,
    finished: Callable[[int], bool] = lambda _: False,
) -> Iterator[Shard]:
    """Yield predictions for rows of a data set in shards of `size`, in order. The columns are those of
    `columns_of`; `row_id` is the row's number in the source, from 0, and counts rows skipped on import.

    Contents are read from the memory-mapped tables shard by shard. `threads`: shards processed in parallel.
    `finished`: whether a shard was finished before; it is yielded without values.
    """
    model, modalities = predictor.model, _common(predictor, dataset)
    starts = range(0, len(rows), size)

    def pointers(modality: Modality, start: int) -> np.ndarray:
        return np.asarray(dataset.pointers(modality)[np.asarray(rows[start : start + size])])

    encodings = {
        m: Encodings(model, m, dataset.contents[m], (pointers(m, start) for start in starts))
        for m in modalities
    }
    ids = dataset.source_rows() if dataset.skipped else None
    for array in (dataset.label, dataset.split, dataset.rows):
        release(array)

    def shard(number: int) -> Shard:
        start = starts[number]
        part = np.asarray(rows[start : start + size])
        if finished(number):
            return Shard(number, len(part), None)
        theirs = {m: pointers(m, start) for m in modalities}
        release(dataset.rows)
        present = {m: torch.from_numpy(each >= 0) for m, each in theirs.items()}
        encoded = {m: encodings[m](each) for m, each in theirs.items()}
        numbers = (part if ids is None else ids[part]).tolist()
        values = predicted(model, predictor.spec.classes, encoded, present, reject, probabilities)
        return Shard(number, len(part), [numbers, *file_column(dataset.files, numbers), *values])

    yield from parallel_map(shard, range(len(starts)), threads)


def _common(predictor: Predictor, dataset: Dataset) -> list[Modality]:
    """The modalities that the model and the data set have in common, in the model's order."""
    return [modality for modality in predictor.spec.modalities if modality in dataset.modalities]


# ------------------------------------------------------------------------------------------------ submission


def unlabelled(dataset: Dataset) -> np.ndarray:
    """Indices of the test rows (n,), in order. Raises InputError if there are none or if any has a label."""
    rows = dataset.rows_of("test")
    labelled = int((dataset.label[rows] >= 0).sum())
    if not len(rows) or labelled:
        problem = f"{labelled} of {len(rows)} have one" if len(rows) else "there are none"
        raise InputError(
            f"{dataset.name}: expected test rows without labels, {problem}",
            "Give the competition's folder, with x_train_wr.npy, x_train_sp.npy, y_train.csv, x_test_wr.npy "
            "and x_test_sp.npy.",
        )
    return rows


def write_submission(predictor: Predictor, dataset: Dataset, out: Path | str, overwrite: bool = False) -> int:
    """Write a CSV with the columns `row_id,label`, the predicted class of each unlabelled test row, numbered
    from 0 in the order of the test arrays. Return their number.

    Data that does not fit the model, or has no such rows: InputError. The file exists and `overwrite` is
    false: OutputError.
    """
    if Path(out).exists() and not overwrite:
        raise OutputError(f"{out} exists already", "Choose another name, or add --overwrite.")
    rows = unlabelled(dataset)
    check_fits(predictor.spec, dataset)
    label = [column.name for column in columns_of(_common(predictor, dataset), files=False)].index("label")
    with new_file(out, newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row_id", "label"])
        shards = predict_rows(predictor, dataset.replace(files=()), rows)
        writer.writerows(enumerate(name for shard in shards for name in (shard.block or [])[label]))
    return len(rows)
