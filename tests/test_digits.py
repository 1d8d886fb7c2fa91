"""The embedded digits: the package holds what the script says, and no voice or writer crosses a split."""

import importlib.util
import shutil
import sys
import time
from dataclasses import astuple, replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from seesay.data.dataset import SPLITS, Dataset
from seesay.errors import InputError
from seesay.formats import digits
from seesay.formats.digits import (
    SHEETS,
    SPLIT_OF_SHEET,
    Clips,
    digit_rows,
    digits_dataset,
    load_clips,
    picture_sheets,
)
from test_open import array_of

SCRIPT = Path(__file__).parents[1] / "scripts" / "make_digits.py"
RATE = 16_000  # samples a second
TRAIN, VALID, TEST = (SPLITS.index(name) for name in ("train", "valid", "test"))


@pytest.fixture(scope="module")
def clips() -> Clips:
    return load_clips()


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return digits_dataset()


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_digits", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_digits"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def espeak(script: ModuleType) -> str:
    """The version that made the speech; the test is skipped where another or none is installed."""
    if shutil.which("espeak-ng") is None or script.espeak_version() != digits._index()["made_by"]:
        pytest.skip(f"{digits._index()['made_by']} is not installed")
    return script.espeak_version()


def shape_of_sound(samples: np.ndarray) -> np.ndarray:
    """(240,) log energy of 20 bands up to 4 kHz in 12 equal parts of the clip, less the mean of each band."""
    edges = np.linspace(0, len(samples), 13).astype(int)
    parts = [np.abs(np.fft.rfft(samples[a:b], 4096))[:1000] for a, b in pairwise(edges)]
    bands = np.log(np.square(parts).reshape(12, 20, 50).sum(axis=2) + 1)
    return (bands - bands.mean(axis=0)).ravel()


def sweep(length: int) -> np.ndarray:
    """(length,) float32, a tone that rises from 200 to 2,000 Hz."""
    frequency = np.linspace(200, 2_000, length)
    return (0.7 * np.sin(2 * np.pi * np.cumsum(frequency) / RATE)).astype(np.float32)


# ------------------------------------------------------------------------------------------------- recordings


def test_no_voice_stands_in_two_splits(clips: Clips):
    homes = {(voice, int(split)) for voice, split in zip(clips.voices, clips.splits, strict=True)}
    assert len(homes) == len({voice for voice, _ in homes}) == 64


@pytest.mark.parametrize("split", [TRAIN, VALID, TEST])
def test_every_split_has_every_digit_in_every_accent(clips: Clips, split: int):
    accents = [speaker.split("/")[1] for speaker in clips.speakers]
    everything = {(accent, digit) for accent in accents for digit in range(10)}
    here = {(accents[i], int(clips.labels[i])) for i in np.flatnonzero(clips.splits == split)}
    assert here == everything
    assert len(everything) == 70


def test_every_speaker_says_every_digit_once(clips: Clips):
    said = sorted(zip(clips.speakers, clips.labels.tolist(), strict=True))
    assert said == sorted({(speaker, digit) for speaker in clips.speakers for digit in range(10)})


def test_no_clip_is_another(clips: Clips):
    assert len({clip.tobytes() for clip in clips.samples}) == len(clips.samples) == 1920


def test_clips_are_whole_words_without_silence_around(clips: Clips):
    for clip in clips.samples:
        assert clip.dtype == np.int16
        assert 0.1 * RATE < len(clip) <= RATE
        loudness = np.sqrt(np.mean(np.square(clip / 32768.0)))
        edges = [np.sqrt(np.mean(np.square(part / 32768.0))) for part in (clip[:400], clip[-400:])]
        assert loudness > 0.02
        assert min(edges) > 1e-4  # more than the codec leaves of digital silence


def test_unseen_voices_are_understood(clips: Clips):
    """Labels, places and voices are right: a linear classifier that has heard the others knows the words."""
    heard = np.stack([shape_of_sound(clip) for clip in clips.samples])
    known, unseen = clips.splits == TRAIN, clips.splits == TEST
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(heard[known], clips.labels[known])
    assert model.score(heard[unseen], clips.labels[unseen]) > 0.95


def test_everything_is_small_and_quickly_decoded():
    assert sum(file.stat().st_size for file in digits.ASSETS.iterdir()) < 2_000_000
    start = time.process_time()
    load_clips()
    assert time.process_time() - start < 3


def test_another_file_in_its_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copy(digits.ASSETS / "digits.json", tmp_path)
    whole = (digits.ASSETS / "digits.ogg").read_bytes()
    (tmp_path / "digits.ogg").write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(digits, "ASSETS", tmp_path)
    with pytest.raises(InputError, match="Reinstall seesay"):
        load_clips()


# --------------------------------------------------------------------------------------------------- pictures


def test_each_sheet_begins_where_the_labels_begin_again():
    target = "".join(map(str, load_digits().target))
    for first, end in zip(SHEETS, (*SHEETS[1:], len(target)), strict=True):
        assert target[first:end].startswith(("012345678", "123456789"))
        assert target[first:].startswith("0") or target[first - 1] != "0"
        assert 120 <= end - first <= 130
        assert all(target[first:end].count(digit) >= 9 for digit in "0123456789")


def test_no_sheet_stands_in_two_splits():
    _, _, split = digit_rows()
    sheets = picture_sheets()
    assert np.bincount(sheets).tolist() == np.diff((*SHEETS, 1797)).tolist()
    assert [set(split[sheets == sheet]) for sheet in range(len(SHEETS))] == [
        {SPLITS.index(name)} for name in SPLIT_OF_SHEET
    ]
    assert np.bincount(split).tolist() == [1281, 130, 386]


def test_pictures_look_like_their_labels(dataset: Dataset):
    """Those of unseen writers are mostly nearest to the mean picture of their class."""
    images, labels = array_of(dataset.contents["image"]), load_digits().target
    assert (images.shape, images.dtype) == ((1797, 1, 28, 28), np.uint8)
    flat = images.reshape(1797, -1) / 255.0
    assert flat.max(axis=1).min() > 0.5
    train, test = dataset.rows_of("train"), dataset.rows_of("test")
    means = np.stack([flat[train][labels[train] == digit].mean(axis=0) for digit in range(10)])
    nearest = np.square(flat[test, None] - means).sum(axis=2).argmin(axis=1)
    assert np.mean(nearest == labels[test]) > 0.8


# ------------------------------------------------------------------------------------------------------- rows


@pytest.mark.parametrize("seed", range(5))
def test_partners_are_of_one_class_and_one_split(clips: Clips, seed: int):
    rows, label, split = digit_rows(seed)
    assert (rows.shape, rows.dtype, label.dtype, split.dtype) == ((1797, 2), np.int32, np.int64, np.int8)
    assert rows[:, 0].tolist() == list(range(1797))
    assert label.tolist() == load_digits().target.tolist()
    assert clips.labels[rows[:, 1]].tolist() == label.tolist()
    assert clips.splits[rows[:, 1]].tolist() == split.tolist()


def test_every_split_has_every_class():
    _, label, split = digit_rows()
    assert all(set(label[split == part]) == set(range(10)) for part in range(len(SPLITS)))


def test_no_two_rows_share_a_recording():
    rows, _, _ = digit_rows()
    assert len(np.unique(rows[:, 1])) == len(rows)


def test_where_recordings_are_scarce_all_are_used_before_any_comes_again(monkeypatch: pytest.MonkeyPatch):
    index = digits._index()
    scarce = index | {"clips": [clip for clip in index["clips"] if clip["voice"] in ("adam", "f3", "zac")]}
    monkeypatch.setattr(digits, "_index", lambda: scarce)
    rows, label, split = digit_rows()
    for part in range(len(SPLITS)):
        for digit in range(10):
            _, counts = np.unique(rows[(label == digit) & (split == part), 1], return_counts=True)
            assert len(counts) == 3
            assert counts.max() - counts.min() <= 1


def test_the_seed_draws_the_partners():
    assert np.array_equal(digit_rows(7)[0], digit_rows(7)[0])
    assert not np.array_equal(digit_rows(7)[0], digit_rows(8)[0])


def test_the_data_set_holds_them_all(dataset: Dataset, clips: Clips):
    assert dataset.name == "digits"
    heard = dataset.contents["audio"]
    assert len(heard) == len(clips.samples) == 1920
    assert all(np.array_equal(one, other) for one, other in zip(heard, clips.samples, strict=True))
    speaker, sheet = dataset.groups["audio"]["speaker"], dataset.groups["image"]["sheet"]
    assert [speaker.names[i] for i in speaker.ids] == clips.voices
    assert np.array_equal(sheet.ids, picture_sheets())
    assert all(
        np.array_equal(a, b)
        for a, b in zip(digit_rows(), (dataset.rows, dataset.label, dataset.split), strict=True)
    )


# ------------------------------------------------------------------------------------------------- the script


def test_index_is_what_the_script_says(script: ModuleType):
    index = digits._index()
    asked = [tuple(clip.values())[:5] for clip in index["clips"]]
    assert asked == [astuple(utterance) for utterance in script.utterances()]
    assert index["voices"] == {split: list(voices) for split, voices in script.VOICES.items()}


def test_clips_are_what_the_script_renders(script: ModuleType, espeak: str, clips: Clips):
    """Each where the index says, to the sample, codec or no codec."""
    for i, utterance in list(enumerate(script.utterances()))[::240]:
        rendered, packed = script.render(utterance), clips.samples[i] / 32768
        assert len(rendered) == len(packed)
        fits = np.correlate(np.pad(packed, 200), rendered, "valid")
        assert np.argmax(fits) == 200
        assert np.corrcoef(rendered, packed)[0, 1] > 0.9


def test_a_voice_that_is_not_heard_is_found_out(
    script: ModuleType, espeak: str, monkeypatch: pytest.MonkeyPatch
):
    """espeak-ng 1.51 drops the variant behind en-gb without a word."""
    monkeypatch.setattr(script, "VOICES", {"train": ("Andy", "Annie", "m3")})
    monkeypatch.setattr(script, "ACCENTS", ("en-us", "en-gb"))
    with pytest.raises(InputError, match="en-gb, 3 voices sound like 1"):
        script.check_voices()


def test_a_voice_that_is_not_there_is_named(script: ModuleType, espeak: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(script, "VOICES", {"train": ("Mr serious", "Nobody")})
    with pytest.raises(InputError, match="espeak-ng has no Nobody"):
        script.check_voices()


def test_without_espeak_the_script_says_so(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="espeak-ng is not on PATH"):
        script.main()


def test_silence_around_a_word_is_cut_off(script: ModuleType):
    tone = np.sin(np.arange(4_000) / 5).astype(np.float32)
    trimmed = script.trim(np.concatenate([np.zeros(5_000, np.float32), tone, np.zeros(7_000, np.float32)]))
    assert 4_000 <= len(trimmed) <= 4_000 + 4 * script.FRAME
    assert np.sum(trimmed**2) == pytest.approx(np.sum(tone**2))


def test_packing_keeps_every_place_and_is_the_same_each_time(script: ModuleType):
    clips = [sweep(length) for length in (3_000, 9_999, 5_001)]
    whole, starts = script.place(clips)
    ogg = script.encode(whole)
    assert ogg == script.encode(whole)
    decoded, rate = soundfile.read(script.BytesIO(ogg))
    assert (rate, len(decoded)) == (RATE, len(whole))
    assert [script.lag(clip, decoded, start) for clip, start in zip(clips, starts, strict=True)] == [0, 0, 0]
    assert script.lag(clips[1], decoded, starts[1] + 7) == -7


def test_a_clip_that_is_too_long_is_refused(script: ModuleType):
    long = sweep(script.LONGEST + 1)
    whole, starts = script.place([long])
    utterance = replace(next(script.utterances()), voice="slow")
    with pytest.raises(InputError, match=r"too long.*slow"):
        script.report([utterance], [long], whole, starts, script.encode(whole))
