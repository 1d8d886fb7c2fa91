"""The table behind a reliability diagram."""

import numpy as np
import pytest

from seesay.metrics.reliability import reliability


def test_reliability_counts_every_row_once_and_leaves_empty_bins_empty():
    probabilities = np.array([[0.95, 0.05], [0.9, 0.1], [0.55, 0.45]])
    table = reliability(probabilities, np.array([0, 1, 0]), bins=10)
    assert table.rows.tolist() == [0, 0, 0, 0, 0, 1, 0, 0, 1, 1]
    assert np.isnan(table.accuracy[table.rows == 0]).all()
    assert table.accuracy[[5, 8, 9]].tolist() == [1, 0, 1]
    assert table.confidence[[5, 8, 9]] == pytest.approx([0.55, 0.9, 0.95])


def test_a_row_that_is_quite_certain_falls_into_the_last_bin():
    table = reliability(np.array([[1.0, 0.0]], dtype=np.float32), np.array([0]))
    assert table.rows[-1] == 1
    assert table.ece == 0
