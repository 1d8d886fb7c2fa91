"""Drawings that a model is measured on are digits, lie on their canvas, and are the same each time."""

import numpy as np
import pytest
from benchmarks.canvas import ALLOGRAPHS, GROUNDS, drawings, photos, printed, strokes_of

from seesay.signal.image import read_image
from seesay.spec import PictureSpec


def pixels(count: int, seed: int) -> list[np.ndarray]:
    return [np.asarray(drawing.picture.convert("RGBA")) for drawing in drawings(count, seed)]


def test_the_seed_draws_all_and_fewer_are_the_first_of_more() -> None:
    few, more, other = pixels(6, 3), pixels(9, 3), pixels(6, 4)
    assert all(np.array_equal(one, same) for one, same in zip(few, more, strict=False))
    assert not any(np.array_equal(one, another) for one, another in zip(few, other, strict=True))


def test_every_digit_and_every_ground_comes_and_the_allograph_is_of_the_digit() -> None:
    drawn = list(drawings(80, 0))
    assert [drawing.digit for drawing in drawn] == [*range(10)] * 8
    assert {drawing.ground for drawing in drawn} == set(GROUNDS)
    assert all(drawing.allograph[0] == str(drawing.digit) for drawing in drawn)


def test_strokes_stay_on_the_canvas() -> None:
    for drawing in drawings(60, 1):
        seen = np.asarray(drawing.picture.convert("RGBA")).astype(int)
        border = np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]])
        assert (border == border[0]).all(), drawing.allograph
        assert (seen != border[0]).any(), drawing.allograph


def test_frames_rules_and_squares_come_in_turn_and_are_read_as_a_digit_alone() -> None:
    lined = list(printed(60, 1))
    assert [drawing.ground for drawing in lined[::10]] == ["frame", "rules", "squares"] * 2
    for drawing in lined:
        read = read_image(drawing.picture, PictureSpec())
        assert 0.03 < read.mean() < 0.4, (drawing.digit, drawing.ground)


@pytest.mark.parametrize("allograph", ALLOGRAPHS)
def test_an_allograph_is_one_high(allograph: str) -> None:
    points = np.concatenate(strokes_of(allograph))
    np.testing.assert_allclose([points[:, 1].min(), points[:, 1].max()], [0, 1], atol=0.05)
    assert 0 <= points[:, 0].min() <= points[:, 0].max() < 0.7


def test_a_photo_is_read_as_a_digit_and_not_as_its_lines() -> None:
    for photo in list(photos(30, 0))[3::7]:  # blank, ruled, squared
        read = read_image(photo.picture, PictureSpec())
        assert 0.03 < read.mean() < 0.4, (photo.digit, photo.ground)
