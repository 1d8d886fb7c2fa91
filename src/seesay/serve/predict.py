"""Prediction: files, bytes or arrays in, labels with scores out, and who of the senses said what.

The same reading and the same front end as in training; a modality that is not given is missing, nothing
stands in for it.
"""

import csv
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from seesay.condition import Condition
from seesay.data.dataset import Dataset
from seesay.errors import InputError, OutputError
from seesay.files import new_file
from seesay.formats.media import Reading
from seesay.learn.run import Run
from seesay.model.classifier import Classifier
from seesay.model.folding import folded
from seesay.serve.encodings import Encodings, release
from seesay.spec import ContentSpec, Modality, Spec, part_of

T = TypeVar("T")

Score = dict[str, Any]
"""`{"label": "7", "score": 0.98}`"""

Rows = np.ndarray | range
"""Which rows of a data set."""


@dataclass(frozen=True)
class Prediction:
    """What was seen and said, in short."""

    scores: list[Score]
    """Every class with its probability, most likely first."""
    used: list[Modality]
    """The modalities that were there."""
    opinions: dict[Modality, list[Score]]
    """What each of them says alone, most likely first."""
    agree: bool
    """Whether all of them say the same."""

    @property
    def label(self) -> str:
        """The most likely class."""
        return self.scores[0]["label"]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Predictor:
    """A trained model with the doors of its modalities. `model` is folded: quicker, and not to be trained."""

    def __init__(self, model: Classifier, spec: Spec) -> None:
        self.model, self.spec = folded(model), spec

    @staticmethod
    def open(run: Run | Path | str | None = None) -> "Predictor":
        """The predictor of a run, of the run in a folder, or of the one that comes with seesay."""
        run = run if isinstance(run, Run) else Run.open(run)
        return Predictor(run.model(), run.spec)

    def predict(self, *sources: Any, **inputs: Any) -> Prediction:
        """What the picture shows or the recording says, or both together.

        `inputs`: by modality, as in `image=..., audio=...`, or in the order of the model's modalities; None
        is missing. A picture is a path, bytes, an array or a PIL picture; a recording a path, bytes or
        `(samples, rate)`; ready-made matrices and vectors are arrays. What cannot be read, a modality that
        the model does not know, or none at all: InputError.
        """
        given = {name: source for name, source in self._named(sources, inputs).items() if source is not None}
        contents = {name: torch.from_numpy(self.read(name, source))[None] for name, source in given.items()}
        if not contents:
            known = " or ".join(f"--{modality}" for modality in self.spec.modalities)
            raise InputError("expected a picture, a recording or both, got neither", f"Give {known}.")
        with torch.inference_mode():
            logits = self.model(contents)
        ranked = {name: self._ranked(said[0].softmax(0).numpy()) for name, said in logits.items()}
        opinions = {name: ranked[Condition(name)] for name in self.spec.modalities if name in ranked}
        agree = len({scores[0]["label"] for scores in opinions.values()}) == 1
        return Prediction(ranked[Condition.of(opinions)], list(opinions), opinions, agree)

    def _named(self, sources: tuple[Any, ...], inputs: dict[str, Any]) -> dict[str, Any]:
        """The sources by modality. Too many, or one given twice: InputError."""
        if len(sources) > len(self.spec.modalities):
            known = " and ".join(self.spec.modalities)
            raise InputError(f"expected at most {known}, got {len(sources)} sources")
        named = dict(zip(self.spec.modalities, sources, strict=False))
        if twice := sorted(set(named) & set(inputs)):
            raise InputError(f"{' and '.join(twice)} is given twice", "Name every source, or none.")
        return named | inputs

    def read(self, modality: Modality, source: Any) -> np.ndarray:
        """One content of this modality, as the model's data set would hold it."""
        if modality not in self.spec.modalities:
            known = " and ".join(self.spec.modalities)
            raise InputError(
                f"this model was trained on {known} only, got {modality}", f"Leave --{modality} out."
            )
        spec = self.spec[modality]
        return part_of(spec, "read")(source, spec)

    def _ranked(self, probabilities: np.ndarray) -> list[Score]:
        order = np.argsort(-probabilities, kind="stable")
        return [{"label": self.spec.classes[i], "score": round(float(probabilities[i]), 6)} for i in order]


def load(run: Path | str | None = None) -> Predictor:
    """A trained model, ready to predict: `seesay.load().predict("seven.png", "seven.wav").label`.

    `run`: folder of a run; none: the model of digits that comes with seesay. It is no run: InputError.
    """
    return Predictor.open(run)


def check_fits(spec: Spec, dataset: Dataset, labelled: bool = True) -> None:
    """InputError where the model was made for other contents or classes than these, or knows none of their
    modalities."""
    theirs = dataset.spec
    if not shared(spec, dataset):
        given, known = " and ".join(theirs.modalities), " and ".join(spec.modalities)
        raise InputError(f"{dataset.name} has {given}, the model was trained on {known} only")
    for modality in shared(spec, dataset):
        if different := _differences(spec[modality], theirs[modality]):
            raise InputError(
                f"{dataset.name} and the model differ in {modality}: {', '.join(different)}",
                "Import its files anew as the model has them: seesay data import --help.",
            )
    if labelled and theirs.classes != spec.classes:
        raise InputError(
            f"{dataset.name} has the classes {_list(theirs.classes)}, the model {_list(spec.classes)}"
        )


def shared(spec: Spec, dataset: Dataset) -> list[Modality]:
    """The modalities that both know; what the data set has beyond them, the model leaves unused."""
    return [modality for modality in dataset.modalities if modality in spec.modalities]


def _differences(ours: ContentSpec, theirs: ContentSpec) -> list[str]:
    """In what contents must agree with those that a model was trained on, and do not; features it makes of
    them itself."""
    fields = ("kind", *ours.fixed) if ours.kind == theirs.kind else ("kind",)
    said = ((name, getattr(ours, name), getattr(theirs, name)) for name in fields)
    return [f"{name} {one} and {other}" for name, one, other in said if one != other]


def reading_of(spec: Spec) -> Reading:
    """How files become contents as the model knows them, to be predicted."""
    return Reading(spec=spec, labelled=False)


def _list(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


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
