"""The windows of a long recording, scored by a model in torch (serve/segments.py says what they are for)."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Int16
from torch import Tensor

from seesay.model.classifier import Classifier
from seesay.serve.segments import BATCH, Scored
from seesay.signal.clip import Clip
from seesay.signal.front_ends import fitting
from seesay.signal.sounding import LONG, windows
from seesay.spec import Modality, Spec, WaveformSpec


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
