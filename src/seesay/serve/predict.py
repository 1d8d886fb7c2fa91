"""Prediction: files, bytes or arrays in, labels with scores out, and what each modality predicts on its own.

Inputs are read and preprocessed as in training. A modality that is not given is masked, not replaced by a
guess. Every prediction says how `known` the inputs are (model/known.py); below a limit that the caller gives,
the answer is "none of these".
"""

from collections.abc import Iterable
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
from seesay.serve.answer import Prediction, answer, check_reject, named, read
from seesay.serve.long_recordings import long_modality, scored
from seesay.serve.segments import Segment, segments_of
from seesay.spec import ContentSpec, Modality, Spec, WaveformSpec


class Predictor:
    """A trained model that reads its own inputs. Its `model` is folded for speed, so do not train it."""

    def __init__(self, model: Classifier, spec: Spec) -> None:
        self.model, self.spec = folded(model), spec

    @staticmethod
    def open(run: Run | Path | str | None = None) -> "Predictor":
        """The predictor of a run, of the run in a folder, or of the model that comes with seesay."""
        run = run if isinstance(run, Run) else Run.open(run)
        return Predictor(run.model(), run.spec)

    def predict(self, *sources: Any, reject: float | None = None, **inputs: Any) -> Prediction:
        """The prediction for one picture, one recording, or both.

        Give inputs by modality, as in `image=..., audio=...`, or in the order of the model's modalities; None
        is missing. A picture is a path, bytes, an array or a PIL picture; a recording is a path, bytes or
        `(samples, rate)`; ready-made matrices and vectors are arrays. A recording longer than one and a half
        clips is heard whole (serve/segments.py), and the prediction has its segments. `reject`: reject the
        prediction if `known` is below this, from 0 to 1. An input that cannot be read, a modality that the
        model lacks, no input, or `reject` where the model cannot tell: InputError.
        """
        given = named(self.spec, sources, inputs)
        contents = {name: torch.from_numpy(self.read(name, source))[None] for name, source in given.items()}
        self.check_reject(reject, contents)
        return answer(self.spec, *self._answers(contents), reject)

    def check_reject(self, reject: float | None, modalities: Iterable[Modality]) -> None:
        """InputError if `reject` is not from 0 to 1, or if the model cannot tell how known contents of these
        modalities are."""
        check_reject(reject, self.model.knowing, modalities)

    @torch.inference_mode()
    def _answers(
        self, contents: dict[Modality, torch.Tensor]
    ) -> tuple[dict[Condition, np.ndarray], dict[Condition, float], list[Segment]]:
        """Probabilities of one row and how known it is, by condition, and the segments of a long
        recording."""
        modality = long_modality(self.model, self.spec, contents)
        if modality is None:
            encodings = self.model.encode(self.model.features(contents))
            logits, known = self.model.decide(encodings), self.model.known(encodings)
            probabilities = {name: each[0].softmax(0).numpy() for name, each in logits.items()}
            return probabilities, {name: float(value[0]) for name, value in known.items()}, []
        spec = self.spec[modality]
        assert isinstance(spec, WaveformSpec)
        found = scored(self.model, modality, spec.rate, contents)
        segments = segments_of(found, Condition(modality), tuple(self.spec.classes), spec.rate)
        return found.pooled(), found.pooled_known(), segments

    def read(self, modality: Modality, source: Any) -> np.ndarray:
        """The content of a file, bytes or an array: an array with the format and scale of the training
        data."""
        return read(self.spec, modality, source)


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
