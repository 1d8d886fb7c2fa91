"""Predictions for the rows of a data set, written as CSV or as a submission to the report's competition.

Rows are processed in parts, so memory does not grow with them. If all encodings of a modality fit into
CACHE_BYTES, each content is encoded once, when a row first needs it; otherwise once in each part.
"""

import csv
import itertools
import math
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
from seesay.data.dataset import MISSING, NONE_NAME, Dataset
from seesay.data.ragged import ContentTable, Ragged
from seesay.errors import InputError, OutputError
from seesay.files import new_file
from seesay.model.classifier import Classifier
from seesay.serve.predict import Predictor, check_fits, shared
from seesay.signal.front_ends import features_of_contents
from seesay.spec import Modality

T = TypeVar("T")

Rows = np.ndarray | range
"""Indices of rows of a data set."""

CACHE_BYTES = 64 * 2**20
"""Memory for the encodings of a modality: 260,000 of 64 numbers."""

ENCODER_BATCH = 128
"""Contents in a batch of an encoder. More are no faster, and with 512 the allocator returns the feature maps
to the system each time, which costs up to 40 % more (docs/log.md)."""

FRONT_END_BATCH = 16
"""Contents in a batch of a front end. Frames and spectra of more waveforms do not fit into the CPU cache: 120
microseconds per recording with 16, 360 with 128 (docs/log.md)."""


def predict_rows(
    predictor: Predictor,
    dataset: Dataset,
    rows: Rows,
    size: int = 4096,
    threads: int = 1,
    reject: float | None = None,
) -> Iterator[list[list[Any]]]:
    """Yield predictions in lists of up to `size` rows, in order. Each row is a list of CSV fields: `[row_id,
    label, score, used, agree, one label per modality, known]`, then, of several modalities, `known` of each.
    `row_id` is the row's number in the source, from 0; rows skipped on import are counted. The label is
    `_none_` where `known` is below `reject`. A field is empty where there is nothing to say.

    Contents are read from the memory-mapped tables part by part. `threads`: parts processed in parallel.
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
        encoded = {m: encodings[m](p) for m, p in pointers.items()}
        logits, known = model.decide(encoded, present), model.known(encoded, present)
        return _lines(ids[part], logits, known, present, np.array(predictor.spec.classes), reject)

    yield from parallel_map(lines, range(0, len(rows), size), threads)


def _lines(
    rows: np.ndarray,
    logits: Mapping[Condition, Tensor],
    known: Mapping[Condition, Tensor],
    present: Mapping[Modality, Tensor],
    names: np.ndarray,
    reject: float | None,
) -> list[list[Any]]:
    """A CSV line for each of these rows; `names` are those of the classes."""
    score, label = logits[Condition.of(present)].softmax(1).max(1)
    values = [known[Condition.of(present)], *(known[Condition(m)] for m in present if len(present) > 1)]
    rejected = np.zeros(len(rows), bool) if reject is None else (values[0] < reject).numpy()
    masks = np.stack([mask.numpy() for mask in present.values()])
    opinions = np.stack([logits[Condition(m)].argmax(1).numpy() for m in present])
    last, first = np.where(masks, opinions, -1).max(0), np.where(masks, opinions, len(names)).min(0)
    columns = [
        rows.tolist(),
        np.where(rejected, NONE_NAME, names[label.numpy()]).tolist(),
        [f"{probability:.6f}" for probability in score.tolist()],
        _used(list(present), masks),
        np.where(first == last, "yes", "no").tolist(),
        *np.where(masks, names[opinions], "").tolist(),
        *([_six_digits(known) for known in of.tolist()] for of in values),
    ]
    return [list(line) for line in zip(*columns, strict=True)]


def _six_digits(known: float) -> str:
    return "" if math.isnan(known) else f"{known:.6f}"


def _used(modalities: list[Modality], masks: np.ndarray) -> list[str]:
    """For each row the modalities it has, such as `image+audio`; `masks` is (modalities, rows)."""
    subsets = itertools.product([False, True], repeat=len(modalities))
    names = [Condition.of(itertools.compress(modalities, subset)) for subset in subsets]
    index = 2 ** np.arange(len(modalities))[::-1] @ masks
    return np.array(names)[index].tolist()


def parallel_map(call: Callable[[int], T], parts: Iterable[int], threads: int) -> Iterator[T]:
    """The results of `call` for each part, in order, computed in `threads` single-core threads. At most
    `threads` + 1 results are computed ahead."""
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
    reject: float | None = None,
) -> None:
    """Write predictions for these rows as CSV, with a column `file` if the rows are files of a folder, and
    the label `_none_` where `known` is below `reject`. Raises OutputError if the file exists, unless
    `overwrite` is set; InputError as `Predictor.check_reject` says."""
    if Path(out).exists() and not overwrite:
        raise OutputError(f"{out} exists already", "Choose another name, or add --overwrite.")
    check_fits(predictor.spec, dataset, labelled=False)
    predictor.check_reject(reject, shared(predictor.spec, dataset))
    if not len(rows):
        raise InputError(f"{dataset.name} has no rows to predict", "See seesay data info.")
    with new_file(out, newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        files = dataset.files
        modalities = shared(predictor.spec, dataset)
        known = ["known", *(f"known_{modality}" for modality in modalities if len(modalities) > 1)]
        heading = ["label", "score", "used", "agree", *modalities, *known]
        writer.writerow(["row_id", "file", *heading] if files else ["row_id", *heading])
        for part in predict_rows(predictor, dataset, rows, threads=threads, reject=reject):
            writer.writerows([i, files[i], *line] if files else [i, *line] for i, *line in part)


class Encodings:
    """The encodings of one modality's contents, cached if they fit. Safe to call from several threads."""

    def __init__(self, model: Classifier, modality: Modality, contents: ContentTable) -> None:
        self.model, self.modality, self.contents = model, modality, contents
        heads = (layer for layer in model.heads[modality].modules() if isinstance(layer, nn.Linear))
        self.dim = next(heads).in_features
        self.caches = len(contents) * self.dim * 4 <= CACHE_BYTES
        self.cache = torch.empty(len(contents) if self.caches else 0, self.dim)
        self.cached = np.zeros(len(self.cache), bool)

    def __call__(self, pointers: Integer[np.ndarray, " n"]) -> Float[Tensor, "n d"]:
        """The encodings of the contents at these pointers; zeros where a pointer is -1."""
        present = np.flatnonzero(pointers != MISSING)
        encodings = torch.zeros(len(pointers), self.dim)
        ids, inverse = np.unique(pointers[present], return_inverse=True)
        encodings[torch.from_numpy(present)] = self._of(ids)[torch.from_numpy(inverse)]
        return encodings

    def _of(self, ids: Integer[np.ndarray, " n"]) -> Float[Tensor, "n d"]:
        new = ids[~self.cached[ids]] if self.caches else ids
        starts = range(0, len(new), ENCODER_BATCH)
        parts = [self._encode(self.contents[new[i : i + ENCODER_BATCH]]) for i in starts]
        release(self.contents.values if isinstance(self.contents, Ragged) else self.contents)
        encoded = torch.cat([self.cache[:0], *parts])
        if not self.caches:
            return encoded
        self.cache[torch.from_numpy(new)] = encoded
        self.cached[new] = True
        return self.cache[torch.from_numpy(ids)]

    @torch.inference_mode()
    def _encode(self, contents: ContentTable) -> Float[Tensor, "n d"]:
        front_end, starts = self.model.front_ends[self.modality], range(0, len(contents), FRONT_END_BATCH)
        features = torch.cat(
            [features_of_contents(front_end, contents[i : i + FRONT_END_BATCH]) for i in starts]
        )
        return self.model.encode({self.modality: features})[self.modality]


def release(array: np.ndarray) -> None:
    """Free the memory that pages of a memory-mapped array take; they are loaded again when read again. Does
    nothing to other arrays, to writable ones, or if the system does not support it."""
    base, advice = array, getattr(mmap, "MADV_DONTNEED", None)
    while isinstance(base, np.ndarray) and not base.flags.writeable:
        base = base.base
    if isinstance(base, mmap.mmap) and advice is not None:
        base.madvise(advice)


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
    with new_file(out, newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row_id", "label"])
        labels = (line[1] for part in predict_rows(predictor, dataset, rows) for line in part)
        writer.writerows(enumerate(labels))
    return len(rows)
