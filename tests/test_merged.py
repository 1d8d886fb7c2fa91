"""Equal rows are made one that weighs as much, and the order of rows does not matter."""

import numpy as np

from seesay.data.dataset import Dataset
from seesay.data.merged import merged
from tiny import tiny_data

DATA = tiny_data(8, missing=True, split=np.zeros(24, np.int8))


def seen(data: Dataset) -> list[tuple[object, ...]]:
    """The rows with what they show, sorted."""
    rows = []
    for i in range(len(data)):
        pointers = {m: int(data.pointers(m)[i]) for m in data.modalities}
        shown = [None if p < 0 else data.contents[m][p].tobytes() for m, p in pointers.items()]
        ids = data.groups["audio"]["speaker"].ids
        weight = 1.0 if data.weight is None else float(data.weight[i])
        rows.append(
            (int(data.label[i]), *shown, pointers["audio"] >= 0 and int(ids[pointers["audio"]]), weight)
        )
    return sorted(rows, key=str)


def test_rows_that_differ_stay_as_they_are():
    made = merged(DATA)
    assert made.weight is None
    assert seen(made) == seen(DATA)


def test_a_row_given_twice_weighs_twice():
    twice = DATA.select(np.repeat(np.arange(24), 1 + np.arange(24) % 2))
    made = merged(twice)
    assert len(made) == 24
    assert made.weight is not None
    assert np.unique(made.weight).tolist() == [2 / 3, 4 / 3], "one on average"


def test_weights_and_repeats_are_the_same_to_the_last_bit():
    counts = 1 + np.arange(24) % 3
    weighted = merged(DATA.replace(weight=counts.astype(float)))
    repeated = merged(DATA.select(np.random.default_rng(0).permutation(np.repeat(np.arange(24), counts))))
    for name in ("rows", "label", "weight"):
        assert (getattr(weighted, name) == getattr(repeated, name)).all(), name


def test_the_order_of_rows_and_contents_does_not_matter():
    order = np.random.default_rng(0).permutation(24)
    place = np.argsort(order)
    rows = DATA.rows.copy()
    rows[:, 0] = np.where(rows[:, 0] < 0, -1, place[rows[:, 0]])
    other = DATA.replace(rows=rows, contents={**DATA.contents, "image": DATA.contents["image"][order]})
    one, two = merged(DATA), merged(other.select(order))
    assert (one.rows == two.rows).all()
    assert (one.label == two.label).all()
    assert all((one.contents[m] == two.contents[m]).all() for m in one.modalities)


def test_equal_weights_are_no_weights():
    assert merged(DATA.replace(weight=np.full(24, 3.0))).weight is None
