"""Networks over a recording's features for voices, rooms and microphones that they never met: blocks that
add to what they are given, the later ones looking farther, and frames weighed before they are averaged.

One takes the columns as channels from the start, as cepstra ask for: the third is not like the fourth. The
other begins with two small 2-D convolutions over a log-mel matrix. They see only a few neighbouring filters,
and the same weights wherever they lie, so that a shorter throat, which moves every formant up, is little
news. On 3,000 clips of six other speakers it heard 0.940 where the first, on the same matrix, heard 0.922
(docs/log.md).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Maps = Float[Tensor, "b c 1 t"]
"""A signal as a picture of one row: processors convolve pictures, channels last, in two thirds of the time
that signals take (docs/log.md)."""

LOCAL = (16, 24)
"""Maps of the two convolutions over time and frequency: half the network's time is spent there."""


class ResidualRecordingCnn(nn.Module):
    """Features `(b, t, f)` of any size and making → encodings `(b, dim)`."""

    def __init__(self, columns: int, dim: int, width: int, layers: int, dropout: float) -> None:
        """`layers`: residual blocks, one before time is halved a second time and the others after it."""
        super().__init__()
        self.stem = block(over_time(2 * columns, width, 5, stride=2))
        self.blocks = nn.Sequential(Residual(width, dilation=1))
        if layers > 1:
            self.blocks.append(block(over_time(width, width, 3, stride=2)))
        for depth in range(layers - 1):
            self.blocks.append(Residual(width, dilation=2**depth))
        self.pool = FramePooling(width)
        self.project = nn.Sequential(
            nn.Linear(3 * width, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, features: Float[Tensor, "b t f"]) -> Float[Tensor, "b d"]:
        return self.project(self.pool(self.blocks(self.stem(with_slopes(features)))))


class SpectralRecordingCnn(nn.Module):
    """Features `(b, t, f)` of any size, whose columns are neighbours in frequency → encodings `(b, dim)`."""

    def __init__(self, columns: int, dim: int, width: int, layers: int, dropout: float) -> None:
        """`layers`: residual blocks, the first before time is halved a second time, the others after it and
        each looking twice as far as the one before."""
        super().__init__()
        first, second = LOCAL
        self.local = nn.Sequential(
            block(nn.Conv2d(1, first, 5, stride=2, padding=2, bias=False)),
            block(nn.Conv2d(first, second, 3, stride=(1, 2), padding=1, bias=False)),
        )
        left = math.ceil(math.ceil(columns / 2) / 2)
        self.mix = block(nn.Conv2d(second, width, (1, left), bias=False))
        self.blocks = nn.Sequential(Residual(width, dilation=1))
        if layers > 1:
            self.blocks.append(nn.MaxPool2d((1, 2), ceil_mode=True))
        for depth in range(layers - 1):
            self.blocks.append(Residual(width, dilation=2**depth))
        self.pool = FramePooling(width)
        self.project = nn.Sequential(
            nn.Linear(3 * width, dim, bias=False), nn.BatchNorm1d(dim), nn.ReLU(), nn.Dropout(dropout)
        )

    def forward(self, features: Float[Tensor, "b t f"]) -> Float[Tensor, "b d"]:
        maps = self.mix(self.local(features.unsqueeze(1))).transpose(2, 3)
        return self.project(self.pool(self.blocks(maps)))


class Residual(nn.Module):
    """`relu(x + norm(convolution(x)))`, the time as it was (He et al. 2016, one convolution a block)."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.convolution = over_time(width, width, 3, dilation=dilation)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, maps: Maps) -> Maps:
        return F.relu(maps + self.norm(self.convolution(maps)))


class FramePooling(nn.Module):
    """The mean over frames by learned weights, the plain mean and the maximum, one after the other: silence
    and noise around a word weigh little (Okabe et al. 2018 pool so for speakers)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weigh = nn.Conv2d(width, 1, 1)

    def forward(self, maps: Maps) -> Float[Tensor, "b c3"]:
        weights = self.weigh(maps).softmax(3)
        return torch.cat([(maps * weights).sum((2, 3)), maps.mean((2, 3)), maps.amax((2, 3))], 1)


def with_slopes(features: Float[Tensor, "b t f"]) -> Float[Tensor, "b f2 1 t"]:
    """The columns as channels, and behind them how each changes from the frame before to the frame after."""
    padded = torch.cat([features[:, :1], features, features[:, -1:]], 1)
    # Divided so that they are as large as the columns where frames are independent.
    slopes = (padded[:, 2:] - padded[:, :-2]) / 2**0.5
    return torch.cat([features, slopes], 2).transpose(1, 2)[:, :, None]


def over_time(before: int, after: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A convolution along the row that looks as far back as ahead."""
    return nn.Conv2d(
        before,
        after,
        (1, kernel),
        stride=(1, stride),
        padding=(0, kernel // 2 * dilation),
        dilation=(1, dilation),
        bias=False,
    )


def block(convolution: nn.Conv2d, *pool: nn.Module) -> nn.Sequential:
    """Convolution, maxima if asked for, normalisation, ReLU. Maxima first leave fewer numbers to normalise
    and to clip. In use it comes to the same as maxima last, wherever a channel's gain is above 0."""
    normalise = nn.BatchNorm2d(convolution.out_channels)
    return nn.Sequential(convolution, *pool, normalise, nn.ReLU(inplace=True))
