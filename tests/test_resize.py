"""Fitting pictures by products: as torch resamples, for any size, and unchanged where the size is right."""

import pytest
import torch
from torch.nn import functional as F

from seesay.signal.resize import Fit

SIZES = [(256, 199), (31, 250), (64, 64), (300, 225), (28, 28), (2, 90), (1, 1)]


def picture(height: int, width: int) -> torch.Tensor:
    """Noise, soft and sharp."""
    generator = torch.Generator().manual_seed(height * 1_000 + width)
    coarse = torch.rand(1, 3, 4, 4, generator=generator)
    fine = torch.rand(1, 3, height, width, generator=generator)
    soft = F.interpolate(coarse, (height, width), mode="bilinear")
    return ((soft + fine) / 2 * 255).round().to(torch.uint8)


def torch_resized(pictures: torch.Tensor, height: int, width: int) -> torch.Tensor:
    values = F.interpolate(pictures.float(), (height, width), mode="bicubic", antialias=True)
    return values.round().clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_stretching_is_as_torch_does_it(size: tuple[int, int]):
    pictures = picture(*size)
    found, expected = Fit(48, 56, "stretch")(pictures), torch_resized(pictures, 48, 56)
    apart = (found.int() - expected.int()).abs()
    assert apart.max() <= 1
    assert (apart > 0).float().mean() < 1e-3


@pytest.mark.parametrize("size", SIZES[:5])
def test_the_crop_is_the_middle_and_nothing_around_it_shows(size: tuple[int, int]):
    high, wide = size
    side = min(size)
    top, left = (high - side) // 2, (wide - side) // 2
    pictures = picture(*size)
    expected = torch_resized(pictures[..., top : top + side, left : left + side], 48, 48)
    found = Fit(48, 48, "crop")(pictures)
    assert (found.int() - expected.int()).abs().max() <= 1


def test_padding_keeps_the_whole_picture_between_black_bars():
    found = Fit(40, 40, "pad")(torch.full((1, 1, 20, 10), 200, dtype=torch.uint8))[0, 0]
    assert (found[:, :10] == 0).all()
    assert (found[:, 30:] == 0).all()
    assert (found[:, 10:30] == 200).all()


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
def test_a_picture_of_the_right_size_and_one_colour_stay_as_they_are(how: str):
    pictures = picture(40, 50)
    assert (Fit(40, 50, how)(pictures) == pictures).all()
    one_colour = torch.full((1, 3, 33, 77), 131, dtype=torch.uint8)
    assert (Fit(21, 49, how)(one_colour) == 131).all()
    floats = pictures.double()[..., :7]
    assert Fit(3, 3, how)(floats).dtype == torch.float32
