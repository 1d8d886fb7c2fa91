"""Training with frozen encoders: encodings are made once, and heads and fusion are trained on them."""

import copy
from collections.abc import Mapping

import torch
from torch import nn

from seesay.config import Config
from seesay.data.batches import Features
from seesay.model.classifier import Classifier
from seesay.spec import Modality


def frozen(config: Config) -> bool:
    """Whether the encoders are frozen after pretraining."""
    return config.pretrain.epochs > 0 and config.pretrain.freeze


def without_encoders(model: Classifier) -> Classifier:
    """A classifier of encodings, with the same heads and fusion."""
    identity = {m: nn.Identity() for m in model.modalities}
    return Classifier(identity, identity, dict(model.heads.items()), model.fusion, model.log_prior)


def with_encoders(model: Classifier, learned: Classifier) -> Classifier:
    """A copy of `model` with heads, fusion and calibration from `learned`, a classifier of its encodings."""
    whole = copy.deepcopy(model)
    whole.heads.load_state_dict(learned.heads.state_dict())
    whole.fusion.load_state_dict(learned.fusion.state_dict())
    for name in ("temperature", "log_prior", "learned", "stand_in", "known_line"):
        getattr(whole, name).copy_(getattr(learned, name))
    return whole.eval()


@torch.no_grad()
def encodings_of(
    model: Classifier, features: Mapping[Modality, Features], size: int = 64
) -> dict[Modality, Features]:
    """The encodings `(contents, d)` of these features, without dropout.

    `size`: batch size; 64 full-resolution maps fit the processor's cache, 1024 take four times as long.
    """
    model.eval()
    encodings = {}
    for modality, table in features.items():
        parts = map(table.finish, table.values.split(size))
        encodings[modality] = Features(
            torch.cat([model.encode({modality: part})[modality] for part in parts])
        )
    return encodings
