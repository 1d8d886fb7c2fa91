"""The report's encoder: blocks of convolution at full resolution, one downsampling layer, and the maps laid
flat.

A recording is read as a picture of one channel, (1, frames, columns), and squashed into 0 to 1 as the
report's data were.
"""

from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

Sides = tuple[int, int]

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}

REACH = 4.0
"""Standard deviations of a normalised feature on either side of its mean that become 0 to 1; what is beyond
is cut."""

PLACES = (4, 2, 1)
"""How many places along a side the downsampling layer may leave; the most that fit are taken."""


class UnitRange(nn.Module):
    """Normalised features to 0 to 1: a straight line from -REACH to REACH, cut off at both ends."""

    def forward(self, features: Float[Tensor, "b t f"]) -> Float[Tensor, "b t f"]:
        return ((features + REACH) / (2 * REACH)).clamp(0, 1)


@dataclass(frozen=True)
class Step:
    """One convolution and the maps that it is given, so that its mirror can be made."""

    channels: Sides
    """Before and after."""
    kernel: Sides
    stride: Sides
    padding: int
    sides: Sides
    """Height and width of the maps before it."""

    @property
    def sides_after(self) -> Sides:
        """Height and width of the maps that it makes."""
        high, wide = (
            (side + 2 * self.padding - kernel) // stride + 1
            for side, kernel, stride in zip(self.sides, self.kernel, self.stride, strict=True)
        )
        return high, wide

    def down(self, bias: bool) -> nn.Conv2d:
        """The convolution."""
        return nn.Conv2d(*self.channels, self.kernel, self.stride, self.padding, bias=bias)

    def up(self, bias: bool) -> nn.ConvTranspose2d:
        """The transposed convolution that leads back, to maps of the same height and width."""
        high, wide = (
            (side + 2 * self.padding - kernel) % stride
            for side, kernel, stride in zip(self.sides, self.kernel, self.stride, strict=True)
        )
        after, before = reversed(self.channels)
        return nn.ConvTranspose2d(
            after, before, self.kernel, self.stride, self.padding, output_padding=(high, wide), bias=bias
        )


class ReportCnn(nn.Module):
    """Features `(b, *shape)` to encodings `(b, dim)`; `shape` is a picture's (c, h, w), a recording's (t, f).

    Each block is a convolution, batch normalisation, activation and dropout; a block has twice the channels
    of the one before. The downsampling layer is one convolution whose windows lie evenly over the maps, 4 by
    4 of them where `dim` and the maps allow, and whose few channels make the flattened maps `dim` long.
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
    """The convolution that makes maps of `dim` numbers in all out of maps of these channels and sides."""
    rows, columns = places(sides, dim)
    (high, down), (wide, right) = windows(sides[0], rows), windows(sides[1], columns)
    return Step((channels, dim // (rows * columns)), (high, wide), (down, right), 0, sides)


def places(sides: Sides, dim: int) -> Sides:
    """The most places (rows, columns) that maps of these sides have room for and whose number divides
    `dim`."""
    choices = [
        (r, c) for r in PLACES for c in PLACES if r <= sides[0] and c <= sides[1] and dim % (r * c) == 0
    ]
    return max(choices, key=lambda choice: choice[0] * choice[1])


def windows(side: int, count: int) -> Sides:
    """Length and distance of `count` windows, all alike, that just cover a side: nothing is cut off or
    padded."""
    distance = side // count
    return side - distance * (count - 1), distance
