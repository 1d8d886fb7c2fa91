"""Prediction: files, bytes or arrays in, labels with scores out, and who of the senses said what.

The same reading and the same front end as in training; a modality that is not given is missing, nothing
stands in for it.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seesay.condition import Condition
from seesay.data.dataset import Dataset
from seesay.errors import InputError
from seesay.formats.media import Reading
from seesay.learn.run import Run
from seesay.model.classifier import Classifier
from seesay.model.folding import folded
from seesay.spec import ContentSpec, Modality, Spec, part_of

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
