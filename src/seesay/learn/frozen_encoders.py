"""Training behind encoders that stay as they are: their encodings are made once, what comes after learns from
a table."""

import copy
from collections.abc import Mapping

import torch
from torch import nn

from seesay.config import Config
from seesay.data.batches import Features
from seesay.model.classifier import Classifier
from seesay.spec import Modality


def frozen(config: Config) -> bool:
    """Whether the encoders stay as their autoencoders left them."""
    return config.pretrain.epochs > 0 and config.pretrain.freeze


def without_encoders(model: Classifier) -> Classifier:
    """The same heads and fusion as a classifier of encodings."""
    nothing = {m: nn.Identity() for m in model.modalities}
    return Classifier(nothing, nothing, dict(model.heads.items()), model.fusion, model.log_prior)


def with_encoders(model: Classifier, learned: Classifier) -> Classifier:
    """A copy of `model` that decides as `learned`, which is a classifier of its encodings, does."""
    whole = copy.deepcopy(model)
    whole.heads.load_state_dict(learned.heads.state_dict())
    whole.fusion.load_state_dict(learned.fusion.state_dict())
    for name in ("temperature", "log_prior", "learned", "stand_in"):
        getattr(whole, name).copy_(getattr(learned, name))
    return whole.eval()


@torch.no_grad()
def encodings_of(
    model: Classifier, features: Mapping[Modality, Features], size: int = 64
) -> dict[Modality, Features]:
    """The encodings `(contents, d)` of contents whose features these are, each made once, without dropout.

    `size` at a time: 64 maps of full resolution fit into the processor's cache, 1024 take four times as long.
    """
    model.eval()
    encodings = {}
    for modality, table in features.items():
        parts = map(table.finish, table.values.split(size))
        encodings[modality] = Features(
            torch.cat([model.encode({modality: part})[modality] for part in parts])
        )
    return encodings
