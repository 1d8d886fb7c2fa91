"""Long recordings: what a model recognises, and where.

A recording of more than `LONG` clips is not cut to one. Windows of a clip's length cover the parts that sound
(signal/sounding.py); the model scores each. The prediction is their mean, weighted by how much voiced sound a
window holds; a segment is a run of adjacent windows with one label.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int16
from torch import Tensor

from seesay.condition import Condition
from seesay.model.classifier import Classifier
from seesay.signal.clip import Clip
from seesay.signal.front_ends import fitting
from seesay.signal.sounding import LONG, Window, windows
from seesay.spec import Modality, Spec, WaveformSpec

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


def long_modality(model: Classifier, spec: Spec, contents: Mapping[Modality, Tensor]) -> Modality | None:
    """The first modality whose recording, (1, n), is longer than `LONG` clips; None if there is none."""
    for modality, content in contents.items():
        clip = clip_of(model, modality) if isinstance(spec[modality], WaveformSpec) else None
        if clip is not None and content.shape[1] > LONG * clip.samples:
            return modality
    return None


def clip_of(model: Classifier, modality: Modality) -> Clip | None:
    """The step of the modality's front end that cuts clips, if it has one."""
    fit, _ = fitting(model.front_ends[modality])
    return fit if isinstance(fit, Clip) else None


@torch.inference_mode()
def scored(model: Classifier, modality: Modality, rate: int, contents: Mapping[Modality, Tensor]) -> Scored:
    """The windows of this modality's recording, each scored together with the other contents, (1, ...)."""
    clip = clip_of(model, modality)
    assert clip is not None
    recording: Int16[np.ndarray, " n"] = contents[modality][0].numpy()
    found = windows(recording, rate, clip.samples)
    others = model.encode(model.features({m: x for m, x in contents.items() if m != modality}))
    weight, parts, all_known = [], [], []
    for start in range(0, len(found), BATCH):
        cuts = np.stack([recording[w.first : w.first + clip.samples] for w in found[start : start + BATCH]])
        clips = torch.from_numpy(cuts)
        encodings = {m: encoding.expand(len(clips), -1) for m, encoding in others.items()}
        encodings |= model.encode(model.features({modality: clips}))
        logits = model.decide(encodings)
        all_known.append({name: each.numpy() for name, each in model.known(encodings).items()})
        parts.append({name: each.softmax(1).numpy() for name, each in logits.items()})
        weight.append(clip.weight(clips).numpy())
    weights = np.concatenate(weight)
    probabilities, known = (
        {name: np.concatenate([part[name] for part in each]) for name in each[0]}
        for each in (parts, all_known)
    )
    return Scored(found, weights / weights.sum(), probabilities, known)


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
