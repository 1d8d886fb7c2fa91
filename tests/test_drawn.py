"""Training pictures are drawings of the same digits, as the reader gives them, and the same each time."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from drawn import drawing, drawn
from make_model import with_drawings

from seesay.data.dataset import Dataset
from seesay.spec import PictureSpec, Spec

BAR = np.zeros((1, 28, 28), np.uint8)
BAR[0, 4:24, 12:16] = 255


def test_the_seed_draws_all_and_fewer_are_the_first_of_more() -> None:
    few, more, other = (drawn(BAR, np.zeros(n, int), seed) for n, seed in ((5, 0), (9, 0), (5, 1)))
    np.testing.assert_array_equal(few, more[:5])
    assert (few != other).any()


def test_a_drawing_is_laid_out_as_mnist_is_and_shows_the_digit() -> None:
    for read in drawn(BAR, np.zeros(30, int), 0)[:, 0]:
        assert read.any()
        rows, columns = (np.flatnonzero((read > 60).any(axis)) for axis in (1, 0))
        assert np.ptp(rows) < 20
        assert np.ptp(columns) < 20


def test_sizes_and_polarities_and_margins_all_come() -> None:
    drawings = [drawing(BAR[0], np.random.default_rng(seed)) for seed in range(60)]
    longer = np.array([max(picture.size) for picture in drawings])
    assert longer.min() <= 12
    assert longer.max() > 200
    light = np.array([np.asarray(picture.convert("L")).mean() > 127 for picture in drawings])
    assert 0.1 < light.mean() < 0.9


@pytest.mark.parametrize("seed", range(3))
def test_a_picture_and_its_drawing_are_of_one_group_and_class(seed: int) -> None:
    data = Dataset(
        spec=Spec(("0", "1"), {"image": PictureSpec()}),
        contents={"image": np.stack([np.roll(BAR, shift, 2) for shift in range(8)])},
        rows=np.arange(8, dtype=np.int32)[::-1, None],
        label=np.arange(8) % 2,
        split=np.zeros(8, np.int8),
    )
    more, rows = with_drawings(data, 6, seed)
    assert (len(more), len(set(rows))) == (14, 6)
    np.testing.assert_array_equal(more.label[-6:], data.label[rows])
    ids = more.groups["image"]["digit"].ids[more.pointers("image")]
    np.testing.assert_array_equal(ids[-6:], ids[rows])
    assert len(np.unique(ids)) == 8
