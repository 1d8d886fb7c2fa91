"""Building a data set of pairs: who is paired with whom, who is heard where, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from seesay.config import Config
from seesay.data.dataset import Dataset, Group
from seesay.data.info import describe
from seesay.data.splits import Splits, leaks, stored
from seesay.errors import InputError, OutputError
from seesay.formats.media import Reading
from seesay.formats.pairing import build, class_named, pair
from seesay.learn.fit import fresh
from seesay.signal.front_ends import Normaliser
from seesay.spec import MatrixSpec, PictureSpec, Spec, WaveformSpec
from test_open import array_of

TRAIN_PICTURES, TEST_PICTURES = 40, 12
SPEAKERS = ("ann", "bob", "cid", "dan", "eve")


def write_idx(path: Path, array: np.ndarray) -> None:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes())


def write_mnist(folder: Path, classes: int = 2) -> Path:
    """MNIST's four files, with few and random pictures."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for part, rows in (("train", TRAIN_PICTURES), ("t10k", TEST_PICTURES)):
        write_idx(folder / f"{part}-images-idx3-ubyte", random.integers(0, 256, (rows, 28, 28)))
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(rows) % classes)
    return folder


def write_wav(path: Path, seed: int, rate: int = 8_000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 0.1, rate // 4)
    soundfile.write(path, noise, rate, subtype="PCM_16")


def write_takes(folder: Path, speakers=SPEAKERS, labels=("0", "1"), takes: int = 2) -> Path:
    """As the Free Spoken Digit Dataset: `{label}_{speaker}_{take}.wav`."""
    names = [f"{label}_{speaker}_{take}" for label in labels for speaker in speakers for take in range(takes)]
    for i, name in enumerate(names):
        write_wav(folder / f"{name}.wav", seed=i)
    return folder


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    return write_mnist(tmp_path / "mnist")


@pytest.fixture
def takes(tmp_path: Path) -> Path:
    return write_takes(tmp_path / "takes")


@pytest.fixture
def tested(tmp_path: Path) -> Path:
    path = tmp_path / "speakers.txt"
    path.write_text("dan\n\n  eve \n")
    return path


def heard_by_side(dataset: Dataset) -> list[set[str]]:
    speaker = dataset.groups["audio"]["speaker"]
    of_row = speaker.ids[dataset.pointers("audio")]
    return [{speaker.names[i] for i in of_row[dataset.rows_of(side)]} for side in ("train", "test")]


# ------------------------------------------------------------------------------------------------------ pairs


def test_every_picture_is_paired_once_with_a_recording_of_its_class(mnist, takes, tested, tmp_path):
    dataset = build(mnist, [takes], tmp_path / "out", tested)
    assert (len(dataset.rows_of("train")), len(dataset.rows_of("test"))) == (TRAIN_PICTURES, TEST_PICTURES)
    assert sorted(dataset.pointers("image")) == list(range(TRAIN_PICTURES + TEST_PICTURES))
    assert dataset.spec.classes == ("0", "1")
    assert dataset.pairing == "drawn within class"
    clips = {}
    for pointer, label in zip(dataset.pointers("audio").tolist(), dataset.label.tolist(), strict=True):
        assert clips.setdefault(pointer, label) == label
    assert len(clips) == len(dataset.contents["audio"]) == 20, "every recording is used"


def test_no_recording_and_no_speaker_is_on_both_sides(mnist, takes, tested, tmp_path):
    dataset = build(mnist, [takes], tmp_path / "out", tested)
    assert heard_by_side(dataset) == [{"ann", "bob", "cid"}, {"dan", "eve"}]
    assert leaks(dataset, stored(dataset)) == ()


@pytest.mark.parametrize("seed", range(5))
def test_without_a_file_about_a_fifth_of_the_speakers_is_tested(mnist, takes, tmp_path, seed):
    dataset = build(mnist, [takes], tmp_path / "out", seed=seed)
    train, test = heard_by_side(dataset)
    assert train | test == set(SPEAKERS)
    assert len(test) == 1
    assert leaks(dataset, stored(dataset)) == ()


def test_the_folder_holds_what_is_returned_and_says_where_it_came_from(mnist, takes, tested, tmp_path):
    made = build(mnist, [takes], tmp_path / "out", tested)
    opened = Dataset.open(tmp_path / "out")
    assert opened.spec == made.spec
    assert opened.name == "out"
    for one, other in zip(made._arrays(), opened._arrays(), strict=True):
        np.testing.assert_array_equal(one[1], other[1])
    said = " ".join(opened.sources)
    for word in ("mnist", "takes", "seed 0", "no speaker is in both splits"):
        assert word in said
    assert str(tmp_path) not in (tmp_path / "out" / "dataset.json").read_text()


def test_a_model_of_it_has_its_normaliser(mnist, takes, tested, tmp_path):
    dataset = build(mnist, [takes], tmp_path / "out", tested)
    assert describe(dataset).modalities["audio"].kind == "waveform"
    model = fresh(Config(), dataset, dataset.rows_of("train"))
    normaliser = model.front_ends["audio"].get_submodule("normaliser")
    assert isinstance(normaliser, Normaliser)
    assert normaliser.mean.shape == (13,)
    assert (normaliser.scale != 1).all()


def test_the_same_seed_writes_the_same_bytes(mnist, takes, tmp_path):
    def written(name: str, seed: int) -> dict[str, bytes]:
        build(mnist, [takes], tmp_path / name / "data", seed=seed)
        return {path.name: path.read_bytes() for path in (tmp_path / name / "data").iterdir()}

    one, again, other = written("one", 0), written("again", 0), written("other", 1)
    assert one == again
    assert one["rows.npy"] != other["rows.npy"]


def test_fewer_rows_are_a_stratified_part_and_only_what_they_use_is_kept(mnist, takes, tested, tmp_path):
    dataset = build(mnist, [takes], tmp_path / "out", tested, rows=(10, 3))
    train, test = dataset.rows_of("train"), dataset.rows_of("test")
    assert np.bincount(dataset.label[train]).tolist() == [5, 5]
    assert sorted(np.bincount(dataset.label[test]).tolist()) == [1, 2]
    for modality in ("image", "audio"):
        assert sorted(set(dataset.pointers(modality))) == list(range(len(dataset.contents[modality])))


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 2), min_size=4, max_size=60),
    st.lists(st.integers(1, 9), min_size=3, max_size=3),
    st.integers(0, 2**32),
)
def test_all_recordings_are_used_before_any_is_repeated(label, clips, seed):
    """`clips[c]` recordings of class c on either side, the first of a class in two files."""
    label = np.array(label)
    of_clip = np.repeat(np.arange(3), clips)
    of_clip = np.concatenate([of_clip, of_clip])
    files = np.arange(len(of_clip) + 1) % len(of_clip)
    side = np.arange(len(files)) % len(of_clip) >= len(of_clip) // 2
    seen = Dataset(
        spec=Spec(("a", "b", "c"), {"image": PictureSpec(height=1, width=1)}),
        contents={"image": np.arange(len(label), dtype=np.float32).reshape(-1, 1, 1, 1)},
        rows=np.arange(len(label), dtype=np.int32)[:, None],
        label=label,
        split=np.zeros(len(label), np.int8),
    )
    heard = Dataset(
        spec=Spec(("a", "b", "c"), {"audio": MatrixSpec(1, 1)}),
        contents={"audio": np.arange(len(of_clip), dtype=np.float32).reshape(-1, 1, 1)},
        rows=files.astype(np.int32)[:, None],
        label=of_clip[files],
        split=side.astype(np.int8) * 2,
        groups={"audio": {"speaker": Group(np.repeat([0, 1], len(of_clip) // 2), ("x", "y"))}},
    )
    half = Splits(np.arange(0, len(label), 2), np.arange(0), np.arange(1, len(label), 2))
    made = pair(seen, half, heard, stored(heard), seed=seed)
    assert leaks(made, stored(made)) == ()
    played = made.contents["audio"][made.pointers("audio"), 0, 0].astype(int)
    np.testing.assert_array_equal(of_clip[played], made.label)
    for name in ("train", "test"):
        for c in range(3):
            rows = made.rows_of(name)[made.label[made.rows_of(name)] == c]
            used = np.bincount(played[rows], minlength=1)
            assert (used > 0).sum() == min(len(rows), clips[c])


# ------------------------------------------------------------------------------------------------- recordings


def test_words_and_digits_mean_the_same_and_other_words_are_left_out(mnist, takes, tmp_path):
    for i, word in enumerate(("zero", "one", "marvin")):
        for speaker in ("0ab3c4d5", "1cd4e5f6"):
            write_wav(
                tmp_path / "words" / word / f"{speaker}_nohash_0.wav",
                seed=100 + 2 * i + len(speaker),
                rate=16_000,
            )
            write_wav(
                tmp_path / "words" / word / f"{speaker}_nohash_1.wav",
                seed=sum(map(ord, word + speaker)),
                rate=16_000,
            )
    for path in (tmp_path / "words").glob("*/1cd4e5f6_nohash_0.wav"):
        path.unlink()
    dataset = build(mnist, [takes, tmp_path / "words"], tmp_path / "out")
    assert dataset.spec.classes == ("0", "1")
    assert set.union(*heard_by_side(dataset)) == {*SPEAKERS, "0ab3c4d5", "1cd4e5f6"}
    assert "left out, having no pictures: marvin" in dataset.sources
    assert class_named("7", ("six", "seven")) == "seven"
    assert class_named("seven", ("6", "7")) == "7"
    assert class_named("seven", ("seven", "7")) == "seven"
    assert class_named("marvin", ("6", "7")) == ""


def test_the_lowest_rate_is_kept_unless_another_is_asked_for(mnist, takes, tested, tmp_path):
    write_wav(takes / "1_ann_9.wav", seed=99, rate=16_000)
    audio = build(mnist, [takes], tmp_path / "low", tested).spec["audio"]
    assert audio == WaveformSpec(8_000, 1.0, high=4_000)
    dataset = build(mnist, [takes], tmp_path / "high", tested, reading=Reading(rate=16_000))
    assert dataset.spec["audio"] == WaveformSpec(16_000, 1.0, high=4_000)
    assert array_of(dataset.contents["audio"]).shape == (21, 4_000)


# ---------------------------------------------------------------------------------------------------- refused


def refused(kind: type[Exception], text: str, out: Path, *arguments, **options) -> None:
    """`build` says why, and leaves nothing behind."""
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(kind) as error:
        build(*arguments, out=out, **options)
    assert text in str(error.value)
    assert "\n" not in str(error.value)
    assert sorted(out.parent.rglob("*")) == before


def test_names_that_nobody_has_are_refused_with_the_nearest(mnist, takes, tested, tmp_path):
    tested.write_text("dan\nevee\n")
    text = "names 1 speakers without recordings: evee. Did you mean 'eve'?"
    refused(InputError, text, tmp_path / "out", mnist, [takes], test_speakers=tested)


@pytest.mark.parametrize(
    ("written", "text"), [(None, "does not exist"), ("", "is empty"), ("\n \n", "names no speaker")]
)
def test_a_file_of_speakers_without_any_is_refused(mnist, takes, tmp_path, written, text):
    path = tmp_path / "nobody.txt"
    if written is not None:
        path.write_text(written)
    refused(InputError, text, tmp_path / "out", mnist, [takes], test_speakers=path)


def test_classes_without_recordings_are_listed(takes, tmp_path):
    mnist = write_mnist(tmp_path / "four", classes=4)
    text = "2 of 4 classes have pictures but no recordings in takes: 2, 3."
    refused(InputError, text, tmp_path / "out", mnist, [takes])


def test_a_side_without_speakers_is_refused(mnist, takes, tested, tmp_path):
    tested.write_text("\n".join(SPEAKERS))
    text = "no recordings to train on are left of 2 of 2 classes: 0, 1."
    refused(InputError, text, tmp_path / "out", mnist, [takes], test_speakers=tested)
    for path in takes.glob("1_dan_*.wav"):
        path.unlink()
    tested.write_text("dan")
    text = "no recordings to test on are left of 1 of 2 classes: 1."
    refused(InputError, text, tmp_path / "out", mnist, [takes], test_speakers=tested)


def test_a_single_speaker_cannot_be_on_both_sides(mnist, tmp_path):
    takes = write_takes(tmp_path / "alone", speakers=("ann",))
    reading = Reading(name_pattern="{label}_{speaker}_{take}")
    refused(
        InputError, "no recordings to test on are left", tmp_path / "out", mnist, [takes], reading=reading
    )


def test_of_recordings_without_speakers_that_is_said(mnist, takes, tmp_path):
    for i in range(8):
        write_wav(tmp_path / "words" / str(i % 2) / f"{i}.wav", seed=100 + i)
    dataset = build(mnist, [takes, tmp_path / "words"], tmp_path / "out", seed=1)
    group = dataset.groups["audio"]["speaker"]
    assert (set(group.names), int((group.ids < 0).sum())) == (set(SPEAKERS), 8)
    assert "8 recordings have no known speaker" in " ".join(dataset.sources)
    assert "words: label: first folder; speakers: not known; 2 labels" in dataset.notes


def test_the_same_recording_under_two_names_is_refused(mnist, takes, tmp_path):
    (takes / "1_zoe_0.wav").write_bytes((takes / "1_ann_0.wav").read_bytes())
    text = f"1 recordings occur under two classes or speakers: {takes}/1_ann_0.wav and {takes}/1_zoe"
    refused(InputError, text, tmp_path / "out", mnist, [takes])


def test_the_same_recording_twice_under_one_name_counts_once(mnist, takes, tmp_path):
    (takes / "1_ann_5.wav").write_bytes((takes / "1_ann_0.wav").read_bytes())
    assert len(build(mnist, [takes], tmp_path / "out").contents["audio"]) == 20


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ((41, 5), "train on need as many pictures, there are 40"),
        ((5, 13), "there are 12"),
        ((0, 5), "0 rows"),
    ],
)
def test_more_rows_than_pictures_and_none_are_refused(mnist, takes, tmp_path, rows, text):
    refused(InputError, text, tmp_path / "out", mnist, [takes], rows=rows)


def test_a_folder_that_exists_is_refused_before_anything_is_read_unless_it_may_be_replaced(
    mnist, takes, tmp_path
):
    out = tmp_path / "out"
    build(mnist, [takes], out)
    refused(OutputError, "exists already", out, tmp_path / "nothing", [tmp_path / "nothing"])
    build(mnist, [takes], out, rows=(10, 4), overwrite=True)
    assert len(Dataset.open(out)) == 14


# -------------------------------------------------------------------------------------------------- real data


@pytest.mark.long
def test_open_wsd_is_as_its_card_says(shared_data, tmp_path):
    """2,232 clips to train on, of which two are the same (f428ca69 says three twice), 1,106 to test on;
    nothing crosses."""
    dataset = build(
        shared_data / "mnist",
        [shared_data / "fsdd", shared_data / "speech_commands"],
        tmp_path / "open-wsd",
        shared_data / "open_wsd_test_speakers.txt",
        rows=(60_000, 10_000),
    )
    train, test = dataset.rows_of("train"), dataset.rows_of("test")
    assert (len(train), len(test)) == (60_000, 10_000)
    clips = dataset.pointers("audio")
    assert (len(set(clips[train])), len(set(clips[test]))) == (2_232 - 1, 1_106)
    assert [len(names) for names in heard_by_side(dataset)] == [4 + 97, 2 + 40]
    assert leaks(dataset, stored(dataset)) == ()
    assert dataset.spec["audio"] == WaveformSpec(8_000, 1.0, high=4_000)
