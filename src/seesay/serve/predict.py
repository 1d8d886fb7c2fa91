"""Prediction: files, bytes or arrays in, labels with scores out, and what each modality predicts on its own.

Inputs are read and preprocessed as in training. A modality that is not given is masked, not replaced by a
guess.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
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
from seesay.serve.segments import Segment, long_modality, scored, segments_of
from seesay.spec import ContentSpec, Modality, Spec, WaveformSpec, file_option, part_of

Score = dict[str, Any]
"""`{"label": "7", "score": 0.98}`"""


@dataclass(frozen=True)
class Prediction:
    """The prediction for one row."""

    scores: list[Score]
    """Every class with its probability, most likely first."""
    used: list[Modality]
    """The modalities that were given."""
    opinions: dict[Modality, list[Score]]
    """What each of them predicts on its own, most likely first."""
    agree: bool
    """Whether all of them predict the same class."""
    segments: list[Segment] = field(default_factory=list)
    """What was recognised where, if the recording is longer than one and a half clips."""

    @property
    def label(self) -> str:
        """The most likely class."""
        return self.scores[0]["label"]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Predictor:
    """A trained model that reads its own inputs. Its `model` is folded for speed, so do not train it."""

    def __init__(self, model: Classifier, spec: Spec) -> None:
        self.model, self.spec = folded(model), spec

    @staticmethod
    def open(run: Run | Path | str | None = None) -> "Predictor":
        """The predictor of a run, of the run in a folder, or of the model that comes with seesay."""
        run = run if isinstance(run, Run) else Run.open(run)
        return Predictor(run.model(), run.spec)

    def predict(self, *sources: Any, **inputs: Any) -> Prediction:
        """The prediction for one picture, one recording, or both.

        Give inputs by modality, as in `image=..., audio=...`, or in the order of the model's modalities; None
        is missing. A picture is a path, bytes, an array or a PIL picture; a recording is a path, bytes or
        `(samples, rate)`; ready-made matrices and vectors are arrays. A recording longer than one and a half
        clips is heard whole (serve/segments.py), and the prediction has its segments. An input that cannot be
        read, a modality that the model lacks, or no input: InputError.
        """
        given = {name: source for name, source in self._named(sources, inputs).items() if source is not None}
        contents = {name: torch.from_numpy(self.read(name, source))[None] for name, source in given.items()}
        if not contents:
            options = " or ".join(file_option(modality, "FILE") for modality in self.spec.modalities)
            raise InputError("expected at least one input, got none", f"Give {options}.")
        probabilities, segments = self._probabilities(contents)
        ranked = {name: self._ranked(each) for name, each in probabilities.items()}
        opinions = {name: ranked[Condition(name)] for name in self.spec.modalities if name in ranked}
        agree = len({scores[0]["label"] for scores in opinions.values()}) == 1
        return Prediction(ranked[Condition.of(opinions)], list(opinions), opinions, agree, segments)

    @torch.inference_mode()
    def _probabilities(
        self, contents: dict[Modality, torch.Tensor]
    ) -> tuple[dict[Condition, np.ndarray], list[Segment]]:
        """Probabilities of one row by condition, and the segments of a long recording."""
        modality = long_modality(self.model, self.spec, contents)
        if modality is None:
            logits = self.model(contents)
            return {name: each[0].softmax(0).numpy() for name, each in logits.items()}, []
        spec = self.spec[modality]
        assert isinstance(spec, WaveformSpec)
        found = scored(self.model, modality, spec.rate, contents)
        alone = found.probabilities[Condition(modality)]
        return found.pooled(), segments_of(found.windows, alone, tuple(self.spec.classes), spec.rate)

    def _named(self, sources: tuple[Any, ...], inputs: dict[str, Any]) -> dict[str, Any]:
        """The sources by modality. Too many, or one given twice: InputError."""
        if len(sources) > len(self.spec.modalities):
            expected = " and ".join(self.spec.modalities)
            raise InputError(f"expected at most {expected}, got {len(sources)} sources")
        named = dict(zip(self.spec.modalities, sources, strict=False))
        if twice := sorted(set(named) & set(inputs)):
            raise InputError(f"{' and '.join(twice)} is given twice", "Give each input once.")
        return named | inputs

    def read(self, modality: Modality, source: Any) -> np.ndarray:
        """The content of a file, bytes or an array: an array with the format and scale of the training
        data."""
        if modality not in self.spec.modalities:
            trained_on = " and ".join(self.spec.modalities)
            raise InputError(
                f"this model was trained on {trained_on} only, got {modality}", f"Leave {modality} out."
            )
        spec = self.spec[modality]
        return part_of(spec, "read")(source, spec)

    def _ranked(self, probabilities: np.ndarray) -> list[Score]:
        order = np.argsort(-probabilities, kind="stable")
        return [{"label": self.spec.classes[i], "score": round(float(probabilities[i]), 6)} for i in order]


def load(run: Path | str | None = None) -> Predictor:
    """A trained model, ready to predict: `seesay.load().predict("seven.png", "seven.wav").label`.

    `run`: a run folder; default: the digits model that comes with seesay. Not a run: InputError.
    """
    return Predictor.open(run)


def check_fits(spec: Spec, dataset: Dataset, labelled: bool = True) -> None:
    """Raise InputError if the model does not fit the data set: no modality in common, other contents, or,
    if `labelled`, other classes."""
    data = dataset.spec
    if not shared(spec, dataset):
        given, trained_on = " and ".join(data.modalities), " and ".join(spec.modalities)
        raise InputError(f"{dataset.name} has {given}, the model was trained on {trained_on} only")
    for modality in shared(spec, dataset):
        if different := _differences(spec[modality], data[modality]):
            raise InputError(
                f"{dataset.name} and the model differ in {modality}: {', '.join(different)}",
                "Import the files again to match the model: seesay data import --help.",
            )
    if labelled and data.classes != spec.classes:
        raise InputError(
            f"{dataset.name} has the classes {_list(data.classes)}, the model {_list(spec.classes)}"
        )


def shared(spec: Spec, dataset: Dataset) -> list[Modality]:
    """The modalities that the model and the data set have in common; others are ignored."""
    return [modality for modality in dataset.modalities if modality in spec.modalities]


def _differences(model: ContentSpec, data: ContentSpec) -> list[str]:
    """A phrase for each field, such as `rate`, that must be the same as in training and is not."""
    fields = ("kind", *model.fixed) if model.kind == data.kind else ("kind",)
    pairs = ((name, getattr(model, name), getattr(data, name)) for name in fields)
    return [f"{name} {ours} and {theirs}" for name, ours, theirs in pairs if ours != theirs]


def reading_of(spec: Spec) -> Reading:
    """Settings for reading unlabelled files in the format of the model's training data."""
    return Reading(spec=spec, labelled=False)


def _list(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
