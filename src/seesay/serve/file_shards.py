"""Predictions for rows of files, shard by shard, and what to do about files that cannot be read.

Only a shard's encodings are in memory, and the contents of the batches at hand.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seesay.data.dataset import MISSING
from seesay.data.skipped import Skipped
from seesay.errors import InputError, listed
from seesay.formats.cells import is_there
from seesay.formats.file_rows import FileRows
from seesay.formats.manifest import lacks
from seesay.serve.columns import Block, file_column, predicted
from seesay.serve.contents import Fault, Reader, encode_files
from seesay.serve.encodings import size_of
from seesay.serve.file_batches import Batch, Rows, batches_of, path_of_file
from seesay.serve.parallel import parallel_map
from seesay.serve.predict import Predictor
from seesay.serve.shards import Shard, Shards
from seesay.spec import Modality

Encoded = tuple[Batch, Tensor, dict[int, Fault]]
"""A batch, its encodings, and the faults of its files by place."""


def file_shards(
    predictor: Predictor,
    source: FileRows,
    shards: Shards,
    size: int,
    threads: int = 1,
    reject: float | None = None,
    strict: bool = False,
    advance: Callable[[int], object] = lambda _: None,
) -> Iterator[Shard]:
    """Yield predictions for shards of `size` rows, in order; each is to be written before the next is asked
    for. Rows that cannot be read are left out; with `strict` they are an InputError.

    `advance` is called with the number of rows done.
    """
    if strict:
        check_named(source)
    modalities, read = modalities_of(predictor, source), Reader()

    def work(task: Batch | Rows) -> Encoded | Rows:
        if isinstance(task, Rows):
            return task
        encodings, faults = encode_files(predictor, task.modality, task.files, read)
        if strict and faults:
            rows = [f"row {task.first_rows[i] + 1}: {reason}" for i, (_, reason) in faults.items()]
            raise InputError(
                f"{source.where}: {len(rows)} of {len(task.files)} files cannot be read: {listed(rows)}",
                "Fix or remove those rows, or leave them out with --on-bad skip.",
            )
        task.files = []  # they may hold contents
        return task, encodings, faults

    batches, seen = list[Encoded](), 0
    for done in parallel_map(work, batches_of(source, modalities, size, shards.stamp), threads):
        last = done.first + done.count if isinstance(done, Rows) else done[0].first_rows[-1] + 1
        advance(max(0, last - seen))
        seen = max(seen, last)
        if not isinstance(done, Rows):
            batches.append(done)
        elif done.finished:
            yield Shard(done.shard, done.count, None)
        else:
            yield _shard(predictor, source, shards, done, batches, reject)
            batches = []


def modalities_of(predictor: Predictor, source: FileRows) -> list[Modality]:
    """The modalities that the model and the rows have in common, in the model's order. None: InputError."""
    common = [m for m in predictor.spec.modalities if m in source.modalities]
    if not common:
        given, trained_on = " and ".join(source.modalities), " and ".join(predictor.spec.modalities)
        raise InputError(f"{source.where} has {given}, the model was trained on {trained_on} only")
    return common


def _shard(
    predictor: Predictor,
    source: FileRows,
    shards: Shards,
    rows: Rows,
    batches: Sequence[Encoded],
    reject: float | None,
) -> Shard:
    """The predictions for rows whose new files these batches hold."""
    bad = {row: Skipped(row + 1, "", f"it names {lacks(source.modalities)}") for row in rows.empty}
    new, faults = dict[Modality, np.ndarray](), dict[Modality, dict[int, Fault]]()
    encodings = dict[Modality, np.ndarray]()
    for modality in rows.places:
        empty = torch.empty(0, size_of(predictor.model, modality))
        new[modality], faults[modality] = _joined(empty, [b for b in batches if b[0].modality == modality])
        encodings[modality], of_rows = _of_rows(shards, rows, modality, new[modality], faults[modality])
        for row, fault in of_rows.items():
            bad.setdefault(row, Skipped(row + 1, *fault))
    skipped = [bad[row] for row in sorted(bad)]
    kept = np.setdiff1d(np.arange(rows.count), np.array(list(bad), np.int64) - rows.first)
    block: Block = [[] for _ in shards.columns]
    if len(kept):
        present = {m: torch.from_numpy(np.array(each)[kept] != MISSING) for m, each in rows.places.items()}
        tensors = {m: torch.from_numpy(each[kept]) for m, each in encodings.items()}
        probabilities = any(column.of is not None for column in shards.columns)
        classes, numbers = predictor.spec.classes, (rows.first + kept).tolist()
        values = predicted(predictor.model, classes, tensors, present, reject, probabilities)
        block = [numbers, *file_column(source.files, numbers), *values]
    return Shard(rows.shard, rows.count, block, skipped, rows.stamp, new, faults)


def _joined(empty: Tensor, batches: Sequence[Encoded]) -> tuple[np.ndarray, dict[int, Fault]]:
    """Encodings and faults of batches of a modality."""
    faults, count = dict[int, Fault](), 0
    for _, encodings, theirs in batches:
        faults |= {count + place: fault for place, fault in theirs.items()}
        count += len(encodings)
    return torch.cat([empty, *(encodings for _, encodings, _ in batches)]).numpy(), faults


def _of_rows(
    shards: Shards, rows: Rows, modality: Modality, new: np.ndarray, faults: Mapping[int, Fault]
) -> tuple[np.ndarray, dict[int, Fault]]:
    """The encodings of the rows, (rows, d), zeros where the modality is missing, and the faults by row. Those
    of files that an earlier shard had are read from its folder."""
    places, starts = np.array(rows.places[modality]), np.array(rows.starts[modality])
    shard_of = np.where(places == MISSING, MISSING, np.searchsorted(starts, places, side="right") - 1)
    encodings, of_rows = np.zeros((rows.count, new.shape[1]), np.float32), dict[int, Fault]()
    for shard in np.setdiff1d(shard_of, [MISSING]).tolist():
        here = np.flatnonzero(shard_of == shard)
        within = places[here] - starts[shard]
        theirs = new if shard == rows.shard else shards.encodings(shard, modality)
        bad = faults if shard == rows.shard else shards.faults(shard, modality)
        encodings[here] = theirs[within]
        of_rows |= {
            rows.first + row: bad[place]
            for row, place in zip(here.tolist(), within.tolist(), strict=True)
            if place in bad
        }
    return encodings, of_rows


# ------------------------------------------------------------------------------------------------- bad rows


def check_named(source: FileRows) -> None:
    """InputError that lists rows without any file, and files that do not exist."""
    empty, missing, count = list[str](), list[str](), 0
    for number, files in enumerate(source.rows(), 1):
        if not any(files):
            empty.append(f"row {number}")
        count += sum(file is not None for file in files)
        paths = [path for path in map(path_of_file, files) if path is not None]
        missing += [f"{_as_written(path, source)} (row {number})" for path in paths if not is_there(path)]
    if empty:
        raise InputError(
            f"{source.where}: {len(empty)} rows have {lacks(source.modalities)}: {listed(empty)}",
            "Fill or delete them.",
        )
    if missing:
        raise InputError(
            f"{source.where}: {len(missing)} of {count} files do not exist: {listed(missing)}",
            "Paths are relative to the manifest.",
        )


def _as_written(path: Path, source: FileRows) -> Path:
    folder = source.sources[0].parent if source.sources else Path()
    return path.relative_to(folder) if path.is_relative_to(folder) else path
