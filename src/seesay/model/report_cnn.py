"""The report's encoder: convolution blocks at full resolution, one downsampling layer, flattened.

A recording is treated as a picture of one channel, (1, frames, columns), and mapped to 0 to 1 like the
report's data.
"""

from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

Sides = tuple[int, int]

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}

REACH = 4.0
"""Range of a normalised feature, in standard deviations either side of its mean, that is mapped to 0 to 1;
values beyond are clipped."""

PLACES = (4, 2, 1)
"""Positions along a side that the downsampling layer may output; the most that fit are used."""


class UnitRange(nn.Module):
    """Map normalised features linearly from -REACH..REACH to 0..1, clipped at both ends."""

    def forward(self, features: Float[Tensor, "b t f"]) -> Float[Tensor, "b t f"]:
        return ((features + REACH) / (2 * REACH)).clamp(0, 1)


@dataclass(frozen=True)
class Step:
    """The settings of one convolution and the size of its input, from which its mirror can be built."""

    channels: Sides
    """Input and output channels."""
    kernel: Sides
    stride: Sides
    padding: int
    sides: Sides
    """Height and width of the input maps."""

    @property
    def sides_after(self) -> Sides:
        """Height and width of the output maps."""
        high, wide = (
            (side + 2 * self.padding - kernel) // stride + 1
            for side, kernel, stride in zip(self.sides, self.kernel, self.stride, strict=True)
        )
        return high, wide

    def down(self, bias: bool) -> nn.Conv2d:
        """The convolution."""
        return nn.Conv2d(*self.channels, self.kernel, self.stride, self.padding, bias=bias)

    def up(self, bias: bool) -> nn.ConvTranspose2d:
        """The transposed convolution back to maps of the input's height and width."""
        high, wide = (
            (side + 2 * self.padding - kernel) % stride
            for side, kernel, stride in zip(self.sides, self.kernel, self.stride, strict=True)
        )
        after, before = reversed(self.channels)
        return nn.ConvTranspose2d(
            after, before, self.kernel, self.stride, self.padding, output_padding=(high, wide), bias=bias
        )


class ReportCnn(nn.Module):
    """Features `(b, *shape)` to encodings `(b, dim)`; `shape` is (c, h, w) of a picture, (t, f) of a
    recording.

    Each block is a convolution, batch normalisation, activation and dropout, with twice the channels of the
    one before. The downsampling layer is one convolution with evenly spaced windows, 4 x 4 of them where
    `dim` and the maps allow, and as many channels as make the flattened maps `dim` long.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        dim: int,
        width: int,
        layers: int,
        kernel: int = 3,
        stride: int = 1,
        activation: str = "relu",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.shape, self.picture = shape, shape if len(shape) == 3 else (1, *shape)
        self.activation = ACTIVATIONS[activation]
        self.unit = nn.Identity() if len(shape) == 3 else UnitRange()
        self.steps: list[Step] = []
        self.blocks = nn.Sequential()
        sides = (self.picture[1], self.picture[2])
        for channels in pairwise([self.picture[0], *(width * 2**i for i in range(layers))]):
            step = Step(channels, (kernel, kernel), (stride, stride), kernel // 2, sides)
            normalise = nn.BatchNorm2d(channels[1])
            self.blocks.append(
                nn.Sequential(step.down(bias=False), normalise, self.activation(), nn.Dropout(dropout))
            )
            self.steps.append(step)
            sides = step.sides_after
        self.steps.append(last_step(self.steps[-1].channels[1], sides, dim))
        self.downsample = self.steps[-1].down(bias=True)

    def forward(self, features: Float[Tensor, "b ..."]) -> Float[Tensor, "b d"]:
        pictures = self.unit(features).reshape(-1, *self.picture)
        return self.downsample(self.blocks(pictures)).flatten(1)


def last_step(channels: int, sides: Sides, dim: int) -> Step:
    """The downsampling layer, from maps of these channels and sides to maps of `dim` numbers in all."""
    rows, columns = places(sides, dim)
    (high, down), (wide, right) = windows(sides[0], rows), windows(sides[1], columns)
    return Step((channels, dim // (rows * columns)), (high, wide), (down, right), 0, sides)


def places(sides: Sides, dim: int) -> Sides:
    """The most output positions (rows, columns) that fit maps of these sides and whose number divides
    `dim`."""
    choices = [
        (r, c) for r in PLACES for c in PLACES if r <= sides[0] and c <= sides[1] and dim % (r * c) == 0
    ]
    return max(choices, key=lambda choice: choice[0] * choice[1])


def windows(side: int, count: int) -> Sides:
    """Kernel size and stride of `count` windows that cover a side exactly, without padding."""
    stride = side // count
    return side - stride * (count - 1), stride
