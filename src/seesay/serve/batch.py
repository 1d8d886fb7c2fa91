"""Predictions for the rows of a data set, in parts, as a CSV or as a submission to the report's competition.

Memory does not grow with the rows. Where all encodings of a modality fit into KEPT, each content is encoded
when a row first asks for it, and never again. Where they do not, every part of the rows encodes what it
points at.
"""

import csv
import itertools
import mmap
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn

from seesay.condition import Condition
from seesay.data.dataset import MISSING, Dataset
from seesay.data.ragged import ContentTable, Ragged
from seesay.errors import InputError, OutputError
from seesay.files import new_file
from seesay.model.classifier import Classifier
from seesay.serve.predict import Predictor, check_fits, shared
from seesay.signal.front_ends import front_of
from seesay.spec import Modality

T = TypeVar("T")

Rows = np.ndarray | range
"""Which rows of a data set."""

KEPT = 64 * 2**20
"""Bytes of encodings that are kept, by modality: 260,000 of 64 numbers."""

AT_ONCE = 128
"""Contents that an encoder is given. More are no quicker, and with 512 the allocator gives their maps back to
the system each time, which costs up to 40 % more (docs/log.md)."""

AT_THE_DOOR = 16
"""Contents that a front end is given. Frames and spectra of more waveforms leave the cache: 120 microseconds
a recording with 16 at once, 360 with 128 (docs/log.md)."""


def predict_rows(
    predictor: Predictor, dataset: Dataset, rows: Rows, size: int = 4096, threads: int = 1
) -> Iterator[list[list[Any]]]:
    """For these rows, in order and in parts of `size`, `[row_id, label, score, used, agree, opinion of each
    modality]`. `row_id` counts the rows of the source from 0, those too that were skipped when it was read.

    Contents are read from the memory-mapped tables part by part and encoded once where rows share them:
    memory does not grow with the rows. `threads`: parts that are worked at side by side.
    """
    model = predictor.model
    encodings = {m: Encodings(model, m, dataset.contents[m]) for m in shared(predictor.spec, dataset)}
    ids = dataset.source_rows() if dataset.skipped else np.arange(len(dataset))
    for array in (dataset.label, dataset.split):
        release(array)

    @torch.inference_mode()
    def lines(start: int) -> list[list[Any]]:
        part = np.asarray(rows[start : start + size])
        pointers = {m: np.asarray(dataset.pointers(m)[part]) for m in encodings}
        release(dataset.rows)
        present = {m: torch.from_numpy(p >= 0) for m, p in pointers.items()}
        logits = model.decide({m: encodings[m](p) for m, p in pointers.items()}, present)
        return _lines(ids[part], logits, present, np.array(predictor.spec.classes))

    yield from side_by_side(lines, range(0, len(rows), size), threads)


def _lines(
    rows: np.ndarray,
    logits: Mapping[Condition, Tensor],
    present: Mapping[Modality, Tensor],
    names: np.ndarray,
) -> list[list[Any]]:
    """A line of the CSV for each of these rows, made column by column."""
    score, label = logits[Condition.of(present)].softmax(1).max(1)
    there = np.stack([mask.numpy() for mask in present.values()])
    said = np.stack([logits[Condition(m)].argmax(1).numpy() for m in present])
    last, first = np.where(there, said, -1).max(0), np.where(there, said, len(names)).min(0)
    columns = [
        rows.tolist(),
        names[label.numpy()].tolist(),
        [f"{each:.6f}" for each in score.tolist()],
        _used(list(present), there),
        np.where(first == last, "yes", "no").tolist(),
        *np.where(there, names[said], "").tolist(),
    ]
    return [list(line) for line in zip(*columns, strict=True)]


def _used(modalities: list[Modality], there: np.ndarray) -> list[str]:
    """By row, the names of the modalities that are there, `(modalities, rows)`."""
    masks = list(itertools.product([False, True], repeat=len(modalities)))
    words = [Condition.of(itertools.compress(modalities, mask)) for mask in masks]
    places = 2 ** np.arange(len(modalities))[::-1] @ there
    return np.array(words)[places].tolist()


def side_by_side(call: Callable[[int], T], parts: Iterable[int], threads: int) -> Iterator[T]:
    """What `call` makes of each part, in order, by so many threads of one processor each. Few results are
    made before they are asked for."""
    if threads == 1:
        yield from map(call, parts)
        return
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: deque[Future[T]] = deque()
        for part in parts:
            waiting.append(pool.submit(call, part))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def write_predictions(
    predictor: Predictor,
    dataset: Dataset,
    rows: Rows,
    out: Path | str,
    overwrite: bool = False,
    threads: int = 1,
) -> None:
    """A CSV with a line for each of these rows, which names its file where rows were files of a folder. It
    exists and `overwrite` is false: OutputError."""
    if Path(out).exists() and not overwrite:
        raise OutputError(f"{out} exists already", "Choose another name, or add --overwrite.")
    check_fits(predictor.spec, dataset, labelled=False)
    if not len(rows):
        raise InputError(f"{dataset.name} has none of the rows asked for", "Look at seesay data info.")
    with new_file(out, newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        files = dataset.files
        heading = ["label", "score", "used", "agree", *shared(predictor.spec, dataset)]
        writer.writerow(["row_id", "file", *heading] if files else ["row_id", *heading])
        for part in predict_rows(predictor, dataset, rows, threads=threads):
            writer.writerows([i, files[i], *line] if files else [i, *line] for i, *line in part)


class Encodings:
    """The encodings of a table of contents of one modality. Several threads may ask at once."""

    def __init__(self, model: Classifier, modality: Modality, contents: ContentTable) -> None:
        self.model, self.modality, self.contents = model, modality, contents
        heads = (layer for layer in model.heads[modality].modules() if isinstance(layer, nn.Linear))
        self.dim = next(heads).in_features
        self.keeps = len(contents) * self.dim * 4 <= KEPT
        self.kept = torch.empty(len(contents) if self.keeps else 0, self.dim)
        self.known = np.zeros(len(self.kept), bool)

    def __call__(self, pointers: Integer[np.ndarray, " n"]) -> Float[Tensor, "n d"]:
        """Of the contents that these point at; zeros where a pointer is -1."""
        there = np.flatnonzero(pointers != MISSING)
        found = torch.zeros(len(pointers), self.dim)
        ids, which = np.unique(pointers[there], return_inverse=True)
        found[torch.from_numpy(there)] = self._of(ids)[torch.from_numpy(which)]
        return found

    def _of(self, ids: Integer[np.ndarray, " n"]) -> Float[Tensor, "n d"]:
        new = ids[~self.known[ids]] if self.keeps else ids
        parts = [self._encode(self.contents[new[i : i + AT_ONCE]]) for i in range(0, len(new), AT_ONCE)]
        release(self.contents.values if isinstance(self.contents, Ragged) else self.contents)
        encoded = torch.cat([self.kept[:0], *parts])
        if not self.keeps:
            return encoded
        self.kept[torch.from_numpy(new)] = encoded
        self.known[new] = True
        return self.kept[torch.from_numpy(ids)]

    @torch.inference_mode()
    def _encode(self, contents: ContentTable) -> Float[Tensor, "n d"]:
        front_end, starts = self.model.front_ends[self.modality], range(0, len(contents), AT_THE_DOOR)
        features = torch.cat([front_of(front_end, contents[i : i + AT_THE_DOOR]) for i in starts])
        return self.model.encode({self.modality: features})[self.modality]


def release(array: np.ndarray) -> None:
    """Gives the memory back that a memory-mapped array has been read into; what is read again is loaded
    again. Nothing happens to other arrays, to those that can be written to, or where the system cannot do
    it."""
    base, advice = array, getattr(mmap, "MADV_DONTNEED", None)
    while isinstance(base, np.ndarray) and not base.flags.writeable:
        base = base.base
    if isinstance(base, mmap.mmap) and advice is not None:
        base.madvise(advice)


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
