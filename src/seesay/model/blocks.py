"""Convolution blocks shared by the networks for pictures and for recordings."""

from torch import nn


def time_convolution(before: int, after: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A centred convolution along time, the last axis of maps `(b, c, 1, t)`, without bias."""
    return nn.Conv2d(
        before,
        after,
        (1, kernel),
        stride=(1, stride),
        padding=(0, kernel // 2 * dilation),
        dilation=(1, dilation),
        bias=False,
    )


def convolution_block(convolution: nn.Conv2d, *pool: nn.Module) -> nn.Sequential:
    """Convolution, pooling if given, batch normalisation, ReLU. Pooling first leaves fewer numbers to
    normalise; for maximum pooling, the result in prediction is the same as pooling last wherever a channel's
    gain is positive."""
    normalise = nn.BatchNorm2d(convolution.out_channels)
    return nn.Sequential(convolution, *pool, normalise, nn.ReLU(inplace=True))
