"""Long recordings: what a model recognises, and where.

A recording of more than `LONG` clips is not cut to one. Windows of a clip's length cover the parts that sound
(signal/sounding.py); the model scores each. The prediction is their mean, weighted by how much voiced sound a
window holds; a segment is a run of adjacent windows with one label.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from seesay.condition import Condition
from seesay.signal.sounding import Window

BATCH = 16
"""Windows scored at a time; more are no faster (serve/batch.py)."""


@dataclass(frozen=True)
class Segment:
    """A part of a recording in which one class was recognised."""

    start: float
    """Seconds from the beginning."""
    end: float
    """Seconds from the beginning."""
    label: str
    score: float
    """Probability of the label, the mean over its windows."""
    known: float | None
    """How much it is like what the model was trained on, 0 to 1, the mean over its windows. None: the model
    cannot tell."""
    rejected: bool = False
    """Whether `known` is below the limit that was given: it is none of the classes."""


class Scored(NamedTuple):
    """Windows of a recording and what the model predicts from each."""

    windows: list[Window]
    weight: Float[np.ndarray, " windows"]
    """Sums to 1."""
    probabilities: dict[Condition, Float[np.ndarray, "windows k"]]
    known: dict[Condition, Float[np.ndarray, " windows"]]
    """NaN where the model cannot tell."""

    def pooled(self) -> dict[Condition, Float[np.ndarray, " k"]]:
        """The weighted mean over windows, by condition."""
        return {name: self.weight @ each for name, each in self.probabilities.items()}

    def pooled_known(self) -> dict[Condition, float]:
        """As `pooled`, of how known the windows are."""
        return {name: float(self.weight @ each) for name, each in self.known.items()}


def segments_of(scored: Scored, alone: Condition, classes: tuple[str, ...], rate: int) -> list[Segment]:
    """The segments of a recording, in order of time. `alone`: the condition of its modality."""
    found, probabilities, known = scored.windows, scored.probabilities[alone], scored.known[alone]
    label = probabilities.argmax(1)
    ends = [w.end != after.start for w, after in pairwise(found)]
    breaks = np.flatnonzero(np.array(ends, bool) | (np.diff(label) != 0)) + 1
    runs = np.split(np.arange(len(found)), breaks)
    return [
        Segment(
            round(found[run[0]].start / rate, 3),
            round(found[run[-1]].end / rate, 3),
            classes[label[run[0]]],
            round(float(probabilities[run, label[run[0]]].mean()), 6),
            None if np.isnan(known[run]).any() else round(float(known[run].mean()), 6),
        )
        for run in runs
    ]
