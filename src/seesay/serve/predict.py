"""Prediction: files, bytes or arrays in, labels with scores out, and who of the senses said what.

The same reading and the same front end as in training; a modality that is not given is missing, nothing
stands in for it.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seesay.config import AudioSpec, Modality, Spec, condition
from seesay.data.dataset import Dataset
from seesay.errors import InputError, OutputError
from seesay.files import new_file
from seesay.learn.run import Run
from seesay.model.classifier import Classifier
from seesay.signal.audio import as_content as audio_content
from seesay.signal.audio import read_audio
from seesay.signal.image import as_content as image_content
from seesay.signal.image import read_image

Score = dict[str, Any]
"""`{"label": "7", "score": 0.98}`"""


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
    """A trained model with the doors of its modalities."""

    def __init__(self, model: Classifier, spec: Spec) -> None:
        self.model, self.spec = model.eval(), spec

    @staticmethod
    def open(run: Run | Path | str) -> "Predictor":
        """The predictor of a run, or of the run in a folder."""
        run = run if isinstance(run, Run) else Run.open(run)
        return Predictor(run.model(), run.spec)

    def predict(self, image: Any = None, audio: Any = None) -> Prediction:
        """What the picture shows or the recording says, or both together.

        `image`: path, bytes, array or PIL picture; `audio`: path, bytes or `(samples, rate)`. What cannot be
        read, a modality that the model does not know, or none at all: InputError.
        """
        given = {name: source for name, source in (("image", image), ("audio", audio)) if source is not None}
        contents = {name: torch.from_numpy(self.read(name, source))[None] for name, source in given.items()}
        if not contents:
            raise InputError(
                "expected a picture, a recording or both, got neither", "Give --image or --audio."
            )
        with torch.no_grad():
            logits = self.model(contents)
        ranked = {name: self._ranked(said[0].softmax(0).numpy()) for name, said in logits.items()}
        opinions = {name: ranked[name] for name in self.spec.modalities if name in ranked}
        agree = len({scores[0]["label"] for scores in opinions.values()}) == 1
        return Prediction(ranked[condition(tuple(opinions))], list(opinions), opinions, agree)

    def read(self, modality: Modality, source: Any) -> np.ndarray:
        """One content of this modality, as the model's data set would hold it."""
        spec = self.spec[modality]
        if spec is None:
            known = " and ".join(self.spec.modalities)
            raise InputError(
                f"this model was trained on {known} only, got {modality}", f"Leave --{modality} out."
            )
        if isinstance(spec, AudioSpec):
            clip = read_audio(source, spec)
            return clip if spec.features == "unknown" else audio_content(clip)
        content = image_content(read_image(source, spec))
        if spec.reader == "ink" and not content.any():
            name = str(source) if isinstance(source, str | Path) else "the picture"
            raise InputError(f"{name} is blank: no ink is found in it", "Give another one, or leave it out.")
        return content

    def _ranked(self, probabilities: np.ndarray) -> list[Score]:
        order = np.argsort(-probabilities, kind="stable")
        return [{"label": self.spec.classes[i], "score": round(float(probabilities[i]), 6)} for i in order]


def check_fits(spec: Spec, dataset: Dataset, labelled: bool = True) -> None:
    """InputError where the model was made for other contents or classes than these, or knows none of their
    modalities."""
    theirs = dataset.spec
    if not shared(spec, dataset):
        given, known = " and ".join(theirs.modalities), " and ".join(spec.modalities)
        raise InputError(f"{dataset.name} has {given}, the model was trained on {known} only")
    for modality in shared(spec, dataset):
        ours, other = _bare(spec[modality]), _bare(theirs[modality])
        if ours != other:
            different = ", ".join(
                f"{n} {ours.get(n)} and {other.get(n)}" for n in ours if ours[n] != other.get(n)
            )
            raise InputError(
                f"{dataset.name} and the model differ in {modality}: {different}",
                "Make the data set again with the model's settings.",
            )
    if labelled and theirs.classes != spec.classes:
        raise InputError(
            f"{dataset.name} has the classes {_list(theirs.classes)}, the model {_list(spec.classes)}"
        )


def shared(spec: Spec, dataset: Dataset) -> list[Modality]:
    """The modalities that both know; what the data set has beyond them, the model leaves unused."""
    return [modality for modality in dataset.modalities if modality in spec.modalities]


def _bare(spec: Any) -> dict[str, Any]:
    """A spec without what is fitted or how files are read: what contents and features must share."""
    return {k: v for k, v in asdict(spec).items() if k not in ("mean", "scale", "reader")}


def _list(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def predict_rows(
    predictor: Predictor, dataset: Dataset, rows: np.ndarray, size: int = 1024
) -> Iterator[list[list[Any]]]:
    """For these rows, in order and in parts of `size`, `[row_id, label, score, used, agree, opinion of each
    modality]`.

    Contents are read from the memory-mapped tables part by part: memory does not grow with the rows.
    """
    names = np.array(predictor.spec.classes)
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        pointers = {m: np.asarray(dataset.pointers(m)[part]) for m in shared(predictor.spec, dataset)}
        inputs = {m: torch.from_numpy(dataset.contents[m][np.maximum(p, 0)]) for m, p in pointers.items()}
        present = {m: torch.from_numpy(p >= 0) for m, p in pointers.items()}
        with torch.no_grad():
            logits = predictor.model(inputs, present)
        together = logits[condition(tuple(inputs))].softmax(1)
        score, label = (t.tolist() for t in together.max(1))
        said = {m: np.where(present[m], names[logits[m].argmax(1).numpy()], "") for m in inputs}
        yield [
            _line(i, str(names[label[n]]), score[n], {m: said[m][n] for m in said})
            for n, i in enumerate(part.tolist())
        ]


def _line(row: int, label: str, score: float, said: dict[Modality, str]) -> list[Any]:
    there = {m: name for m, name in said.items() if name}
    agree = "yes" if len(set(there.values())) == 1 else "no"
    return [int(row), label, f"{score:.6f}", condition(tuple(there)), agree, *said.values()]


def write_predictions(
    predictor: Predictor,
    dataset: Dataset,
    rows: np.ndarray,
    out: Path | str,
    overwrite: bool = False,
) -> None:
    """A CSV with a line for each of these rows. It exists and `overwrite` is false: OutputError."""
    if Path(out).exists() and not overwrite:
        raise OutputError(f"{out} exists already", "Choose another name, or add --overwrite.")
    check_fits(predictor.spec, dataset, labelled=False)
    if not len(rows):
        raise InputError(f"{dataset.name} has none of the rows asked for", "Look at seesay data info.")
    with new_file(out, newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row_id", "label", "score", "used", "agree", *shared(predictor.spec, dataset)])
        for part in predict_rows(predictor, dataset, rows):
            writer.writerows(part)
