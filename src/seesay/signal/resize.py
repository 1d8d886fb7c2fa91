"""Pictures of any size → pictures of one size, as two matrix products, so that it exports for any size.

The weights are those of bicubic resampling with antialiasing (Keys 1981, "Cubic convolution interpolation for
digital image processing", a = -0.5), widened by as much as a picture shrinks, as Pillow and torch compute
them: of 8-bit pictures one value in 3,000 differs from torch's, by 1 (tests/test_resize.py).
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

Size = Any
"""Pixels along an axis: a whole number, or a symbol while a graph for any size is traced."""

SUPPORT = 2.0
"""Pixels to either side of its middle that a cubic reaches."""


class Span(NamedTuple):
    """Along one axis: `length` pixels of the picture from `first` on become `new` pixels from `place` on.
    Tensors of one number, since a graph for any size does not know them beforehand."""

    first: Tensor
    length: Tensor
    place: Tensor
    new: Tensor


class Fit(nn.Module):
    """Pictures `(b, c, h, w)` of any size → `(b, c, height, width)` of the same type, by bicubic resampling:
    the middle (`crop`), the whole padded with black (`pad`), or the whole distorted (`stretch`)."""

    def __init__(self, height: int, width: int, how: str) -> None:
        super().__init__()
        self.height, self.width, self.how = height, width, how

    def forward(self, pictures: Num[Tensor, "b c h w"]) -> Num[Tensor, "b c height width"]:
        size = pictures.shape[2:]
        if all(isinstance(side, int) for side in size) and size == (self.height, self.width):
            return pictures  # in a graph for any size, sides are symbols, which comparing would bind
        spans = self._spans(size[0], size[1], pictures.device)
        down, across = (
            weights(old, span, to)
            for old, span, to in zip(size, spans, (self.height, self.width), strict=True)
        )
        values = down @ pictures.float() @ across.T
        return values if pictures.is_floating_point() else values.round().clamp(0, 255).to(pictures.dtype)

    def _spans(self, high: Size, wide: Size, device: torch.device) -> tuple[Span, Span]:
        old = [torch.scalar_tensor(side, dtype=torch.float64, device=device) for side in (high, wide)]
        new = [torch.full_like(old[0], side) for side in (self.height, self.width)]
        none = torch.zeros_like(old[0])
        if self.how == "stretch":
            down, across = (Span(none, a, none, b) for a, b in zip(old, new, strict=True))
        elif self.how == "crop":
            factor = torch.minimum(old[0] / new[0], old[1] / new[1])
            inner = [(side * factor).round().clamp(min=1) for side in new]
            firsts = [((a - b) / 2).floor() for a, b in zip(old, inner, strict=True)]
            down, across = (Span(f, n, none, b) for f, n, b in zip(firsts, inner, new, strict=True))
        else:
            factor = torch.minimum(new[0] / old[0], new[1] / old[1])
            small = [(side * factor).round().clamp(min=1) for side in old]
            places = [((a - b) / 2).floor() for a, b in zip(new, small, strict=True)]
            down, across = (Span(none, a, p, s) for a, p, s in zip(old, places, small, strict=True))
        return down, across


def weights(old: Size, span: Span, new: int) -> Float[Tensor, "new old"]:
    """How much each of `old` pixels counts for each of `new` ones; rows outside the span are zeros."""
    scale = span.length / span.new
    reach = scale.clamp(min=1)
    pixel = torch.arange(new, dtype=torch.float64, device=scale.device) - span.place
    middle = ((pixel + 0.5) * scale + span.first)[:, None]
    source = torch.arange(old, dtype=torch.float64, device=scale.device)
    from_, to = ((middle + sign * SUPPORT * reach + 0.5).floor() for sign in (-1, 1))
    reached = (source >= from_) & (source < to)
    inside = (source >= span.first) & (source < span.first + span.length)
    found = torch.where(reached & inside, cubic((source + 0.5 - middle) / reach), 0.0)
    found = found / found.sum(1, keepdim=True).clamp(min=1e-12)
    kept = (pixel >= 0) & (pixel < span.new)
    return torch.where(kept[:, None], found, 0.0).float()


def cubic(distance: Tensor) -> Tensor:
    """Keys's cubic at a distance in pixels."""
    x = distance.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
