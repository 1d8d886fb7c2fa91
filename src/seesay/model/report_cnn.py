"""The report's encoder: blocks of convolution at full resolution, one downsampling layer, and the maps laid
flat.

A recording is read as a picture of one channel, (1, frames, columns), and squashed into 0 to 1 as the
report's data were.
"""

from itertools import pairwise

import torch
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


class ReportCnn(nn.Module):
    """Features `(b, *shape)` to encodings `(b, dim)`; `shape` is a picture's (c, h, w) or a recording's (t,
    f).

    Each block is a convolution, batch normalisation, activation and dropout; a block has twice the channels
    of the one before. The downsampling layer is one convolution whose windows lie evenly over the maps, 4 by
    4 of them where `dim` and the maps allow, and whose few channels make the flattened maps `dim` numbers
    long.
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
        self.unit = nn.Identity() if len(shape) == 3 else UnitRange()
        channels = [self.picture[0], *(width * 2**i for i in range(layers))]
        convolutions = [
            nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
            for before, after in pairwise(channels)
        ]
        blocks = [
            nn.Sequential(c, nn.BatchNorm2d(c.out_channels), ACTIVATIONS[activation](), nn.Dropout(dropout))
            for c in convolutions
        ]
        self.blocks = nn.Sequential(*blocks)
        self.sides = sides_through(convolutions, (self.picture[1], self.picture[2]))
        self.places = places(self.sides[-1], dim)
        (high, down), (wide, right) = map(windows, self.sides[-1], self.places)
        self.downsample = nn.Conv2d(
            channels[-1], dim // (self.places[0] * self.places[1]), (high, wide), stride=(down, right)
        )

    def forward(self, features: Float[Tensor, "b ..."]) -> Float[Tensor, "b d"]:
        pictures = self.unit(features).reshape(-1, *self.picture)
        return self.downsample(self.blocks(pictures)).flatten(1)


def sides_through(convolutions: list[nn.Conv2d], sides: Sides) -> list[Sides]:
    """Height and width of the maps before the first convolution and after each."""
    found = [sides]
    for c in convolutions:
        high, wide = (
            (side + 2 * c.padding[i] - c.kernel_size[i]) // c.stride[i] + 1
            for i, side in enumerate(found[-1])
        )
        found.append((high, wide))
    return found


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
