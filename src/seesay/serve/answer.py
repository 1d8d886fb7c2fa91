"""The answer about one row, the same from Python, the command line, a server and a web page.

`answer` makes it from probabilities, whoever computed them: torch (serve/predict.py) or ONNX Runtime
(serve/graph.py). Nothing here imports torch.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Float

from seesay.condition import Condition
from seesay.data.dataset import NONE_NAME
from seesay.errors import InputError
from seesay.serve.segments import Segment
from seesay.spec import Modality, Spec, file_option, part_of

VERSION = 1
"""Of the fields of an answer. A new field keeps it; a field that is dropped or means something else raises
it."""


class Score(TypedDict):
    """A class and its probability: `{"label": "7", "score": 0.98}`."""

    label: str
    score: float


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
    known: float | None = None
    """How much the inputs are like what the model was trained on, 0 (none of its classes) to 1: that of the
    least known of them. None: the model cannot tell."""
    known_alone: dict[Modality, float | None] = field(default_factory=dict)
    """How known each of them is."""
    rejected: bool = False
    """Whether `known` is below the limit that was given: the answer is "none of these"."""
    segments: list[Segment] = field(default_factory=list)
    """What was recognised where, if the recording is longer than one and a half clips."""
    agreement: float | None = None
    """How much the modalities agree, 0 to 1: `agreement_of` their probabilities. None: one was given."""
    version: int = VERSION
    """Of these fields."""

    @property
    def label(self) -> str:
        """The most likely class, or `_none_` if the prediction is rejected."""
        return NONE_NAME if self.rejected else self.scores[0]["label"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the label first."""
        segments = [asdict(segment) for segment in self.segments]
        return {"label": self.label} | vars(self) | {"segments": segments}


def answer(
    spec: Spec,
    probabilities: Mapping[Condition, Float[np.ndarray, " k"]],
    known: Mapping[Condition, float],
    segments: list[Segment],
    reject: float | None = None,
) -> Prediction:
    """The prediction for one row from its probabilities by condition, one for each modality that was given
    and one for all of them, and from how known the row is (absent or NaN where the model cannot tell)."""
    ranked = {name: _ranked(spec, each) for name, each in probabilities.items()}
    given = [modality for modality in spec.modalities if modality in ranked]
    opinions = {modality: ranked[Condition(modality)] for modality in given}
    together = Condition.of(given)
    alone = {modality: _rounded(known, Condition(modality)) for modality in given}
    least = _rounded(known, together)
    agreement = agreement_of([probabilities[Condition(modality)][None] for modality in given])[0]
    return Prediction(
        scores=ranked[together],
        used=given,
        opinions=opinions,
        agree=len({scores[0]["label"] for scores in opinions.values()}) == 1,
        known=least,
        known_alone=alone,
        rejected=_below(least, reject),
        segments=[replace(s, rejected=_below(s.known, reject)) for s in segments],
        agreement=None if math.isnan(agreement) else round(float(agreement), 6),
    )


def agreement_of(opinions: list[Float[np.ndarray, "n k"]]) -> Float[np.ndarray, " n"]:
    """How much several opinions agree: the probability that labels drawn from two of them are the same, of
    the two that agree least. NaN for one opinion."""
    pairs = [(one * other).sum(1) for one, other in combinations(opinions, 2)]
    return np.min(pairs, 0) if pairs else np.full(len(opinions[0]), np.nan)


def named(spec: Spec, sources: tuple[Any, ...], inputs: Mapping[str, Any]) -> dict[Modality, Any]:
    """The sources that are not None, by modality: `sources` in the order of the model's modalities, `inputs`
    by name. Too many, one given twice, or none at all: InputError."""
    if len(sources) > len(spec.modalities):
        expected = " and ".join(spec.modalities)
        raise InputError(f"expected at most {expected}, got {len(sources)} sources")
    by_place = dict(zip(spec.modalities, sources, strict=False))
    if twice := sorted(set(by_place) & set(inputs)):
        raise InputError(f"{' and '.join(twice)} is given twice", "Give each input once.")
    given = {name: source for name, source in (by_place | dict(inputs)).items() if source is not None}
    if not given:
        options = " or ".join(file_option(modality, "FILE") for modality in spec.modalities)
        raise InputError("expected at least one input, got none", f"Give {options}.")
    return given


def read(spec: Spec, modality: Modality, source: Any) -> np.ndarray:
    """The content of a file, bytes or an array: an array with the format and scale of the training data.
    A modality that the model lacks, or a source that cannot be read: InputError."""
    if modality not in spec.modalities:
        trained_on = " and ".join(spec.modalities)
        raise InputError(
            f"this model was trained on {trained_on} only, got {modality}", f"Leave {modality} out."
        )
    return part_of(spec[modality], "read")(source, spec[modality])


def check_reject(reject: float | None, knowing: Iterable[str], modalities: Iterable[Modality]) -> None:
    """InputError if `reject` is not from 0 to 1, or if the model cannot tell how known contents of these
    modalities are; `knowing`: the conditions in which it can."""
    if reject is None:
        return
    if not 0 <= reject <= 1:
        raise InputError(f"the limit of known is from 0 to 1, got {reject:g}", "Try 0.5.")
    if unable := [m for m in modalities if Condition(m) not in tuple(knowing)]:
        raise InputError(
            f"this model cannot tell how known its {' and '.join(unable)} is, so it cannot reject",
            "Train it again, with 20 validation rows or more, or leave out the limit.",
        )


def _ranked(spec: Spec, probabilities: Float[np.ndarray, " k"]) -> list[Score]:
    order = np.argsort(-probabilities, kind="stable")
    return [{"label": spec.classes[i], "score": round(float(probabilities[i]), 6)} for i in order]


def _below(known: float | None, limit: float | None) -> bool:
    return limit is not None and (known or 0.0) < limit


def _rounded(known: Mapping[Condition, float], condition: Condition) -> float | None:
    value = known.get(condition, math.nan)
    return None if math.isnan(value) else round(value, 6)
