"""A classifier made ready to predict: the same function in fewer and quicker operations.

A batch normalisation behind a convolution or a linear layer is another factor and another bias of it, once
its statistics stand still. Kernels lie channels last, in which maxima are pooled many numbers at a time. And
a convolution over time becomes one over a picture of one row, for which ONNX Runtime has better kernels than
for signals (46 and 30 microseconds a recording, docs/log.md).
"""

import copy
from typing import Any, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from seesay.model.classifier import Classifier

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d)
POINTWISE = (nn.ReLU, nn.GELU, nn.Sigmoid, nn.Identity, nn.Dropout)
"""Layers that look at one number at a time, whatever the shape."""


class OneRow(nn.Module):
    """Steps over pictures of one row, `(b, c, 1, t)`, given and giving signals, `(b, c, t)`."""

    def __init__(self, *steps: nn.Module) -> None:
        super().__init__()
        self.steps = nn.Sequential(*steps)

    def forward(self, maps: Float[Tensor, "b c t"]) -> Float[Tensor, "b d u"]:
        return self.steps(maps[:, :, None]).squeeze(2)


def folded(model: Classifier) -> Classifier:
    """A copy of a trained model that says the same, but for rounding, and is quicker; it cannot be trained
    on.

    What stands in a `nn.Sequential` is folded, where order is certain; normalisations elsewhere stay.
    """
    ready = copy.deepcopy(model).eval().requires_grad_(False)
    for module in list(ready.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
            _as_picture(module)
        else:
            for name, layer in list(module.named_children()):
                if _can_be_a_picture(layer):
                    setattr(module, name, OneRow(_over_a_row(layer)))
    layout: Any = {"memory_format": torch.channels_last}  # which torch's own types leave out
    return ready.to(**layout)


def _fold(steps: nn.Sequential) -> None:
    """Each normalisation of these steps into the layer before it."""
    for place in range(len(steps) - 1):
        layer, normalise = steps[place], steps[place + 1]
        if not isinstance(normalise, NORMALISATIONS) or normalise.running_mean is None:
            continue
        if isinstance(layer, CONVOLUTIONS):
            steps[place] = fuse_conv_bn_eval(layer, normalise)
        elif isinstance(layer, nn.Linear):
            steps[place] = fuse_linear_bn_eval(layer, normalise)
        else:
            continue
        steps[place + 1] = nn.Identity()


def _as_picture(steps: nn.Sequential) -> None:
    """Convolutions over time as such over pictures of one row, with what follows them number by number: a
    graph's optimiser joins those only while nothing stands between them."""
    first, *others = list(steps) or [nn.Identity()]
    if _can_be_a_picture(first) and all(isinstance(step, POINTWISE) for step in others):
        del steps[:]
        steps.append(OneRow(_over_a_row(first), *others))
        return
    for place, layer in enumerate(steps):
        if _can_be_a_picture(layer):
            steps[place] = OneRow(_over_a_row(layer))


def _can_be_a_picture(layer: nn.Module) -> TypeGuard[nn.Conv1d]:
    return isinstance(layer, nn.Conv1d) and layer.padding_mode == "zeros" and layer.padding != "same"


def _over_a_row(layer: nn.Conv1d) -> nn.Conv2d:
    """The same convolution, of pictures of one row."""
    padding = 0 if isinstance(layer.padding, str) else layer.padding[0]  # the other word is "valid"
    row = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        (1, layer.kernel_size[0]),
        stride=(1, layer.stride[0]),
        padding=(0, padding),
        dilation=(1, layer.dilation[0]),
        groups=layer.groups,
        bias=layer.bias is not None,
    )
    weights = {"weight": layer.weight[:, :, None]} | ({} if layer.bias is None else {"bias": layer.bias})
    row.load_state_dict(weights)
    return row.requires_grad_(False).eval()
