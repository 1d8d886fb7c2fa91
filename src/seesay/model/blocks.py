"""Building blocks that the networks of pictures and of recordings share."""

from torch import nn


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
