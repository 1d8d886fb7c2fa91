"""A classifier optimised for prediction: the same function in fewer and faster operations.

With fixed statistics, a batch normalisation after a convolution or a linear layer is folded into that layer's
weights and bias. Kernels are laid out channels last, in which maximum pooling is vectorised.
"""

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from seesay.model.classifier import Classifier

NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d)


def folded(model: Classifier) -> Classifier:
    """A faster copy of a trained model, with the same predictions but for rounding. It cannot be trained
    further.

    Only normalisations in a `nn.Sequential` are folded, where the order is certain.
    """
    ready = copy.deepcopy(model).eval().requires_grad_(False)
    for module in list(ready.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
    layout: Any = {"memory_format": torch.channels_last}  # which torch's own types leave out
    return ready.to(**layout)


def _fold(steps: nn.Sequential) -> None:
    """Fold each normalisation into the layer before it, across a maximum pooling if there is one between."""
    for place, layer in enumerate(steps):
        after = place + 1 + isinstance(steps[min(place + 1, len(steps) - 1)], nn.MaxPool2d)
        normalise = steps[after] if after < len(steps) else None
        if not isinstance(normalise, NORMALISATIONS) or normalise.running_mean is None:
            continue
        if after > place + 1 and (normalise.weight is None or not (normalise.weight > 0).all()):
            continue  # a negative factor would turn the maximum into the minimum
        if isinstance(layer, nn.Conv2d):
            steps[place] = fuse_conv_bn_eval(layer, normalise)
        elif isinstance(layer, nn.Linear):
            steps[place] = fuse_linear_bn_eval(layer, normalise)
        else:
            continue
        steps[after] = nn.Identity()
