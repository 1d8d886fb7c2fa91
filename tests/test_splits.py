"""Splits and folds: nothing crosses, nothing is lost, every class where it can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesay.data.dataset import Dataset, Group
from seesay.data.groups import components
from seesay.data.splits import Leak, Splits, folds, leaks, row_split, split
from seesay.errors import ConfigError, InputError
from seesay.spec import MatrixSpec, PictureSpec, Spec

NONE, TRAIN, VALID, TEST = -1, 0, 1, 2


def paired(audio, label, *, image=None, speaker=None, part: int | list[int] = NONE, classes=None) -> Dataset:
    """A data set that points at recordings `audio` and pictures `image` (each its own when not given)."""
    audio, label = np.asarray(audio, np.int32), np.asarray(label, np.int64)
    image = np.arange(len(audio), dtype=np.int32) if image is None else np.asarray(image, np.int32)
    tables = {"image": int(image.max(initial=0)) + 1, "audio": int(audio.max(initial=0)) + 1}
    groups = {}
    if speaker is not None:
        ids = np.asarray(speaker, np.int32)[: tables["audio"]]
        groups = {"audio": {"speaker": Group(ids, tuple(f"s{i}" for i in range(int(ids.max()) + 1)))}}
    names = tuple(f"class {c}" for c in range(classes or int(label.max(initial=0)) + 1))
    return Dataset(
        spec=Spec(
            classes=names,
            contents={"image": PictureSpec(height=1, width=1), "audio": MatrixSpec(1, 1)},
        ),
        contents={
            "image": np.arange(tables["image"], dtype=np.float32).reshape(-1, 1, 1, 1),
            "audio": np.arange(tables["audio"], dtype=np.float32).reshape(-1, 1, 1),
        },
        rows=np.stack([image, audio], 1),
        label=label,
        split=np.broadcast_to(np.asarray(part, np.int8), len(label)).copy(),
        groups=groups,
    )


@st.composite
def datasets(draw) -> Dataset:
    """Any small data set: repeated and missing contents, unknown speakers and labels, any stored split."""
    rows = draw(st.integers(1, 40))

    def numbers(low, high, size=rows):
        return draw(st.lists(st.integers(low, high), min_size=size, max_size=size))

    stored = draw(st.sampled_from([(NONE,), (TRAIN,), (TRAIN, TEST), (NONE, TRAIN, TEST), (-1, 0, 1, 2)]))
    return paired(
        audio=numbers(-1, draw(st.integers(0, 40))),
        image=numbers(-1, draw(st.integers(5, 80))),
        label=numbers(-1, draw(st.integers(0, 3))),
        speaker=numbers(-1, draw(st.integers(0, 20)), 41),
        part=[stored[i % len(stored)] for i in numbers(0, 11)],
        classes=4,
    )


def parts(splits: Splits) -> list[np.ndarray]:
    return [splits.train, splits.valid, splits.test]


@settings(max_examples=40)
@given(datasets(), st.integers(0, 2**32), st.sampled_from(["group", "content", "row"]))
def test_every_labelled_row_is_in_exactly_one_part_and_given_parts_stay(dataset, seed, by):
    splits = split(dataset, seed, by)
    everything = np.concatenate([splits.train, splits.valid, splits.test])
    labelled = np.flatnonzero(dataset.label >= 0)
    assert len(np.unique(everything)) == len(everything)
    assert set(labelled) <= set(everything)
    assert set(dataset.rows_of("test")) <= set(splits.test)
    assert set(dataset.rows_of("valid")) & set(labelled) <= set(splits.valid)
    assert set(everything) - set(labelled) <= set(splits.test)


@settings(max_examples=40)
@given(datasets(), st.integers(0, 2**32))
def test_nothing_crosses_between_parts_that_are_drawn(dataset, seed):
    fresh = dataset.replace(split=np.full(len(dataset), NONE, np.int8))
    splits = split(fresh, seed)
    assert leaks(fresh, splits) == ()
    assert not np.isin(splits.test, np.flatnonzero(dataset.label < 0)).any()


@settings(max_examples=40)
@given(datasets(), st.integers(0, 2**32))
def test_a_drawn_valid_shares_nothing_with_train_whatever_is_given(dataset, seed):
    splits = split(dataset, seed)
    if VALID not in dataset.split:
        assert ("train", "valid") not in {leak.splits for leak in leaks(dataset, splits)}


@settings(max_examples=40)
@given(datasets(), st.integers(0, 2**32), st.randoms(use_true_random=False))
def test_numbers_of_contents_and_of_speakers_do_not_matter(dataset, seed, random):
    """Only who shares what with whom counts, not where it stands in a table."""
    table = np.array(random.sample(range(41), 41))
    ids = dataset.groups["audio"]["speaker"].ids
    shuffled, moved = dataset.rows.copy(), np.full(41, NONE)
    shuffled[:, 1] = np.where(dataset.rows[:, 1] < 0, NONE, table[dataset.rows[:, 1]])
    moved[table[: len(ids)]] = np.where(ids < 0, NONE, 20 - ids)
    same = dataset.replace(
        rows=shuffled,
        contents={**dataset.contents, "audio": np.zeros((41, 1, 1), np.float32)},
        groups={"audio": {"speaker": Group(moved, tuple(f"n{i}" for i in range(21)))}},
    )
    for one, other in zip(parts(split(dataset, seed)), parts(split(same, seed)), strict=True):
        np.testing.assert_array_equal(one, other)


@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=5),
    st.integers(0, 2**32),
    st.sampled_from([0.05, 0.1, 0.3]),
)
def test_every_class_is_in_train_and_valid_where_it_has_two_groups(groups, seed, share):
    """Recordings (1 to 3 rows each) of one class each; class c has `groups[c]` of them."""
    label = np.repeat(np.arange(len(groups)), groups)
    rows = np.repeat(np.arange(len(label)), 1 + np.arange(len(label)) % 3)
    dataset = paired(rows, label[rows], part=TRAIN)
    splits = split(dataset.replace(split=np.where(rows == 0, TEST, TRAIN).astype(np.int8)), seed, valid=share)
    left = np.bincount(label[1:], minlength=len(groups))
    for c, n in enumerate(left):
        assert (c in dataset.label[splits.train]) == (n >= 1)
        assert (c in dataset.label[splits.valid]) == (n >= 2)
    assert any("No valid rows of class" in note for note in splits.notes) == bool((left == 1).any())


def repeated(clips_of_a_class: int = 40, classes: int = 5, rows: int = 2_000) -> Dataset:
    """Recordings that stand in about ten rows each, as in the databases of paired digits."""
    random = np.random.default_rng(0)
    audio = random.integers(0, clips_of_a_class * classes, rows)
    return paired(audio, audio % classes)


def test_the_same_seed_gives_the_same_rows_and_another_seed_gives_others():
    dataset = repeated()
    again = [split(dataset, seed=3), split(dataset, seed=3)]
    for one, other in zip(parts(again[0]), parts(again[1]), strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(split(dataset, seed=4).valid) != set(again[0].valid)


@pytest.mark.parametrize("by", ["group", "row"])
def test_parts_are_stratified_and_of_the_size_asked_for(by):
    dataset = repeated()
    splits = split(dataset, by=by)
    for part, share in ((splits.test, 0.2), (splits.valid, 0.08), (splits.train, 0.72)):
        got = np.bincount(dataset.label[part]) / np.bincount(dataset.label)
        assert np.abs(got - share).max() < (0.02 if by == "group" else 0.005)
    assert len(splits.notes) == (by == "row")


def test_a_split_by_contents_keeps_recordings_apart_and_says_that_voices_are_not():
    audio = np.repeat(np.arange(80), 2)
    dataset = paired(audio, audio % 2, speaker=np.arange(80) // 2 % 4)
    splits = split(dataset, by="content")
    assert {leak.what for leak in leaks(dataset, splits)} == {"audio speaker"}
    assert len(splits.valid)
    assert "voices" in splits.notes[0]


def test_a_split_by_rows_leaks_and_says_so():
    dataset = repeated()
    for splits in (split(dataset, by="row"), row_split(dataset)):
        assert leaks(dataset, splits)
        assert "inflated" in splits.notes[0]


def test_row_split_draws_from_all_labelled_rows_whatever_their_split():
    dataset = repeated()
    label = dataset.label.copy()
    label[:100] = -1
    dataset = dataset.replace(label=label, split=np.full(len(dataset), TEST, np.int8))
    splits = row_split(dataset, seed=1)
    assert sorted([*splits.train, *splits.test]) == list(range(100, len(dataset)))
    assert len(splits.test) == pytest.approx(0.2 * 1900, abs=3)
    assert len(splits.valid) == 0


def test_giants_and_dwarfs_are_not_parted_by_size():
    """As open-wsd: 4 speakers with 22 % of the rows each, 97 with about 0.1 %."""
    random = np.random.default_rng(0)
    speaker = np.concatenate([np.repeat(np.arange(4), 500), 4 + random.integers(0, 97, 232)])
    label = np.concatenate([np.arange(2000) % 10, random.integers(0, 10, 232)])
    dataset = paired(np.arange(2232), label, speaker=speaker, part=[TRAIN] * 2231 + [TEST])
    for seed in range(10):
        splits = split(dataset, seed)
        valid, train = set(speaker[splits.valid]), set(speaker[splits.train])
        assert not valid & {0, 1, 2, 3}
        assert 25 < len(valid) < 65
        assert len(train & set(range(4, 101))) > 25
        assert 0.03 < len(splits.valid) / 2231 < 0.07
        assert set(label[splits.valid]) == set(range(10))
        assert any("groups allow no better" in note for note in splits.notes)


def test_rows_are_joined_through_other_rows():
    dataset = paired(
        audio=[0, 1, 1, 2, 3, -1], image=[0, 0, 1, 2, 3, -1], label=[0] * 6, speaker=[-1, 0, 1, 1]
    )
    assert components(dataset).tolist() == [0, 0, 0, 1, 1, 2]
    assert components(dataset, np.array([4, 3, 2, 0])).tolist() == [0, 0, 1, 2], "0 and 2 only through 1"


def test_a_row_that_is_in_no_split_follows_what_it_belongs_to():
    part = [TEST, NONE, TRAIN, VALID, NONE, NONE]
    dataset = paired(audio=[0, 0, 1, 2, 2, 3], label=[0] * 6, part=part)
    splits = split(dataset)
    assert [p.tolist() for p in parts(splits)] == [[2, 5], [3, 4], [0, 1]]


def test_a_test_part_without_labels_is_kept_and_unlabelled_rows_never_train():
    part = [TRAIN] * 20 + [TEST] * 5
    dataset = paired(np.arange(25), [0, 1] * 9 + [-1] * 7, part=part)
    splits = split(dataset)
    assert splits.test.tolist() == [20, 21, 22, 23, 24]
    assert sorted([*splits.train, *splits.valid]) == list(range(18))


def test_a_class_of_one_group_stays_in_train_and_that_is_said():
    dataset = paired([0] * 5 + list(range(1, 31)), [1] * 5 + [0] * 30, part=[TRAIN] * 34 + [TEST])
    splits = split(dataset)
    assert set(range(5)) <= set(splits.train)
    assert splits.notes[0].startswith("No valid rows of class 'class 1': all rows share")


def test_a_group_that_would_take_a_class_out_of_train_is_not_taken_and_that_is_said():
    """Speaker 0 says classes 0 and 1, speaker 1 says 0 and 2: neither can leave train."""
    dataset = paired([0, 1, 2, 3], [0, 1, 0, 2], speaker=[0, 0, 1, 1], part=TRAIN)
    splits = split(dataset, test=0)
    assert len(splits.train) == 4
    assert any("class 'class 0': each of its groups also has rows" in note for note in splits.notes)


def test_shares_of_the_given_split_are_reported_not_hidden():
    dataset = paired([0, 0, 1, 2, 3], [0] * 5, part=[TRAIN, TEST, TRAIN, TRAIN, TRAIN])
    splits = split(dataset, valid=0)
    assert leaks(dataset, splits) == (Leak(("train", "test"), "audio content", (1, 1)),)
    assert splits.notes == (
        "The data set as given shares audio contents between train and test: 1 train rows and 1 test rows.",
    )


def test_leaks_count_the_rows_of_either_side_and_not_what_is_missing():
    dataset = paired([0, 0, 0, 1, -1, -1, 2], [0] * 7, speaker=[0, 1, 1])
    splits = Splits(train=np.array([0, 1, 3, 4]), valid=np.array([5, 6]), test=np.array([2]))
    assert leaks(dataset, splits) == (
        Leak(("train", "test"), "audio content", (2, 1)),
        Leak(("train", "valid"), "audio speaker", (1, 1)),
        Leak(("train", "test"), "audio speaker", (2, 1)),
    )


def test_nothing_is_drawn_of_a_share_of_zero_and_an_impossible_share_is_refused():
    dataset = repeated()
    assert len(split(dataset, valid=0, test=0).train) == len(dataset)
    with pytest.raises(ConfigError, match="fraction of valid must be between 0 and 1, got 2"):
        split(dataset, valid=2)


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_rows_are_no_reason_to_fail(rows):
    splits = split(paired(np.arange(rows), np.zeros(rows), classes=1))
    assert [len(p) for p in parts(splits)] == [rows, 0, 0]


# ------------------------------------------------------------------------------------------------------ folds


@settings(max_examples=40)
@given(st.integers(2, 6), st.integers(0, 2**32), st.sampled_from(["group", "content", "row"]))
def test_each_row_is_valid_once_and_no_group_crosses(k, seed, by):
    dataset = repeated(clips_of_a_class=6, classes=3, rows=90)
    rows = np.flatnonzero(np.arange(90) % 7 > 0)
    tested = []
    for train, valid in folds(dataset, rows, k, seed, by):
        assert sorted([*train, *valid]) == rows.tolist()
        assert set(dataset.label[train]) == set(dataset.label[valid]) == {0, 1, 2}
        if by == "group":
            assert not leaks(dataset, Splits(train, valid, np.empty(0, np.int64)))
        tested += valid.tolist()
    assert sorted(tested) == rows.tolist()


@pytest.mark.parametrize("by", ["group", "row"])
def test_folds_are_balanced(by):
    dataset = repeated()
    for _, valid in folds(dataset, np.arange(len(dataset)), 5, by=by):
        got = np.bincount(dataset.label[valid]) / np.bincount(dataset.label)
        assert np.abs(got - 0.2).max() < (0.02 if by == "group" else 0.005)


def test_folds_follow_the_seed():
    dataset = repeated()
    one, again, other = (next(folds(dataset, np.arange(2_000), 5, seed))[1].tolist() for seed in (0, 0, 1))
    assert one == again != other


def test_rows_without_a_label_are_in_no_fold():
    dataset = paired(np.arange(12), [0, 1, -1] * 4)
    for train, valid in folds(dataset, np.arange(12), 2):
        assert (dataset.label[[*train, *valid]] >= 0).all()


def test_more_folds_than_groups_are_refused_with_the_number_of_groups():
    dataset = paired([0, 0, 1, 1, 2, 3, 4, 5], [1, 1, 1, 1, 0, 0, 0, 0])
    with pytest.raises(InputError, match=r"3 folds need .* class 'class 1' has 2\. Use 2 folds or fewer"):
        folds(dataset, np.arange(8), 3)
    assert len(list(folds(dataset, np.arange(8), 3, by="row"))) == 3
    with pytest.raises(InputError, match=r"class 'class 1' has 1\. Add rows of that class"):
        folds(dataset, np.array([0, 1, 4, 5]), 2)


def test_one_fold_and_no_rows_are_refused():
    with pytest.raises(ConfigError, match="at least 2 folds, got 1"):
        folds(repeated(), np.arange(10), 1)
    with pytest.raises(InputError, match="no labelled rows"):
        folds(repeated(), np.arange(0), 2)
