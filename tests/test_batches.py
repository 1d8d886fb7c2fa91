"""Batches: each row comes with its own contents, once an epoch, and a new partner is one of its class."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from seesay.data.batches import Features, Table, table
from seesay.data.dataset import Dataset
from seesay.signal.front_ends import UnitRange
from seesay.spec import PictureSpec, Spec
from tiny import tiny_data

MISSING = st.integers(-1, 5)


def numbered(count: int) -> Mapping[str, Features]:
    """Features that say which content they are."""
    return {m: Features(torch.arange(float(count)).view(-1, 1)) for m in ("image", "audio")}


def pointing(image: list[int], audio: list[int], label: list[int]) -> Table:
    """Rows that point at numbered contents."""
    pointers = {"image": torch.tensor(image), "audio": torch.tensor(audio)}
    return Table(numbered(6), pointers, torch.tensor(label), torch.arange(len(label)))


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def test_rows_come_with_the_contents_that_they_point_at():
    batch = pointing([3, -1, 1], [0, 5, -1], [2, 0, 1]).take(torch.tensor([2, 0]))
    assert batch.present["image"].tolist() == [True, True]
    assert batch.present["audio"].tolist() == [False, True]
    assert batch.inputs["image"].flatten().tolist() == [1, 3]
    assert batch.inputs["audio"][1].item() == 0
    assert (batch.label.tolist(), batch.rows.tolist()) == ([1, 2], [2, 0])


def test_bytes_become_fractions_exactly():
    every = torch.arange(256, dtype=torch.uint8)[:, None, None, None]
    image = Features(every, UnitRange())
    rows = Table({"image": image}, {"image": torch.arange(256)}, torch.zeros(256), torch.arange(256))
    given_out = rows.take(torch.arange(256)).inputs["image"]
    assert torch.equal(given_out, every.float() / 255)
    assert given_out.dtype == torch.float32


def test_features_are_finished_when_a_batch_is_wanted_and_not_before():
    given_in = []

    def doubled(values: Tensor) -> Tensor:
        given_in.append(len(values))
        return 2.0 * values

    halves = Features(torch.arange(9)[:, None], doubled)
    rows = Table({"audio": halves}, {"audio": torch.tensor([4, 0, -1, 8])}, torch.zeros(4), torch.arange(4))
    assert given_in == []
    assert rows.take(torch.tensor([3, 0])).inputs["audio"].tolist() == [[16], [8]]
    assert given_in == [2]


def test_what_needs_no_finish_is_given_out_as_float32():
    table = Features(torch.tensor([[1.5], [2.5]], dtype=torch.float16))
    rows = Table({"audio": table}, {"audio": torch.tensor([1])}, torch.zeros(1), torch.arange(1))
    assert rows.take(torch.tensor([0])).inputs["audio"].dtype == torch.float32


def test_a_table_points_where_the_data_set_does():
    data = tiny_data(missing=True)
    rows = data.rows_of("valid")
    numbers = {m: torch.arange(len(data.contents[m]))[:, None].float() for m in data.modalities}
    features = {m: Features(values) for m, values in numbers.items()}
    batch = table(data, rows, features).take(torch.arange(len(rows)))
    assert batch.rows.tolist() == rows.tolist()
    assert batch.label.tolist() == data.label[rows].tolist()
    for modality in data.modalities:
        there, pointers = batch.present[modality].numpy(), data.pointers(modality)[rows]
        np.testing.assert_array_equal(there, pointers >= 0)
        np.testing.assert_array_equal(batch.inputs[modality].flatten().numpy()[there], pointers[there])


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_in_order_every_row_comes_once(size: int):
    rows = pointing([0, 1, 2, 3, 4, 5, 0], [0] * 7, [0] * 7)
    batches = list(rows.in_order(size))
    assert [row for batch in batches for row in batch.rows.tolist()] == list(range(7))
    assert max(len(batch.label) for batch in batches) <= size


def test_shuffled_batches_are_full_and_repeat_no_row():
    rows = pointing([0] * 11, [0] * 11, [0] * 11)
    batches = list(rows.shuffled(4, seeded()))
    assert [len(batch.label) for batch in batches] == [4, 4]
    met = [row for batch in batches for row in batch.rows.tolist()]
    assert len(set(met)) == 8
    assert met != sorted(met)


def test_a_batch_that_is_not_full_is_kept_if_it_is_the_only_one():
    [batch] = pointing([0] * 3, [0] * 3, [0] * 3).shuffled(4, seeded())
    assert sorted(batch.rows.tolist()) == [0, 1, 2]


def test_the_order_follows_from_the_generator():
    rows = pointing([0] * 50, [0] * 50, [0] * 50)
    orders = [next(rows.shuffled(50, seeded(seed))).rows.tolist() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


@given(st.lists(st.tuples(MISSING, MISSING, st.integers(0, 2)), min_size=1, max_size=40), st.integers(0, 99))
@settings(max_examples=50)
def test_new_partners_are_of_the_class_and_every_content_is_used_as_often_as_before(
    rows: list[tuple[int, int, int]], seed: int
):
    before = pointing(*(list(column) for column in zip(*rows, strict=True)))
    after = before.repair(seeded(seed))
    assert torch.equal(after.label, before.label)
    assert torch.equal(after.rows, before.rows)
    for modality in before.pointers:
        old, new = (
            [*zip(t.label.tolist(), t.pointers[modality].tolist(), strict=True)] for t in (before, after)
        )
        assert sorted(old) == sorted(new)
        there = before.pointers[modality] >= 0
        assert torch.equal(after.pointers[modality] >= 0, there), "a row has what it had"


def test_new_partners_are_new():
    before = pointing([0] * 60, [i % 6 for i in range(60)], [i % 2 for i in range(60)])
    first, same, other = (before.repair(seeded(seed)).pointers["audio"] for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert not torch.equal(first, before.pointers["audio"])


def test_a_single_modality_has_no_partners():
    pictures = Dataset(
        Spec(("a", "b"), {"image": PictureSpec(height=1, width=1)}),
        {"image": np.zeros((3, 1, 1, 1), np.uint8)},
        np.array([[2], [0], [1]], np.int32),
        np.array([0, 0, 1]),
        np.zeros(3, np.int8),
    )
    rows = table(pictures, np.arange(3), {"image": Features(torch.zeros(3, 1))})
    assert rows.repair(seeded()).pointers["image"].tolist() == [2, 0, 1]


@settings(max_examples=50)
@given(st.lists(st.integers(-1, 5), min_size=1, max_size=40), st.integers(1, 3))
def test_thinned_rows_keep_each_content_so_many_times_and_gain_none(pointers: list[int], most: int):
    rows = pointing([0] * len(pointers), pointers, [0] * len(pointers)).thinned({"audio": most}, seeded())
    after, before = rows.pointers["audio"], torch.tensor(pointers)
    assert torch.equal(rows.pointers["image"], torch.zeros(len(pointers), dtype=torch.long))
    assert ((after == before) | (after == -1)).all()
    for content in range(6):
        assert (after == content).sum() == min(most, pointers.count(content))


def test_which_row_keeps_its_content_is_drawn():
    rows = pointing([0] * 20, [1] * 20, [0] * 20)
    kept = {int((rows.thinned({"audio": 1}, seeded(i)).pointers["audio"] >= 0).nonzero()) for i in range(9)}
    assert len(kept) > 3


@pytest.mark.parametrize(("count", "together"), [(70, True), (310, True), (31, False), (640, False)])
def test_rows_with_thinned_contents_come_together(count: int, together: bool):
    """640 rows in batches of 64; the recordings of `count` of them were left."""
    audio = [0] * count + [-1] * (640 - count)
    rows = Table(
        numbered(1),
        {"image": torch.zeros(640, dtype=torch.long), "audio": torch.tensor(audio)},
        torch.zeros(640),
        torch.arange(640),
        thin=("audio",),
    )
    batches = list(rows.shuffled(64, seeded()))
    assert {len(batch.rows) for batch in batches} == {64}
    assert torch.cat([batch.rows for batch in batches]).unique().tolist() == list(range(640))
    found = [int(batch.present["audio"].sum()) for batch in batches]
    assert sum(found) == count
    assert all(n == 0 or n >= 32 for n in found) == together or count == 640


def test_weights_follow_their_rows():
    data = tiny_data(4, weight=np.arange(1.0, 13.0))
    rows = table(data, np.array([5, 0, 7]), numbered(24))
    assert rows.weight is not None
    assert rows.weight.tolist() == [6, 1, 8]
    batch = next(rows.shuffled(3, seeded(), copies=2))
    assert batch.weight is not None
    assert (batch.weight == batch.rows + 1).all()
    assert rows.repair(seeded()).weight is rows.weight
    assert table(tiny_data(4), np.array([5]), numbered(24)).weight is None
