"""What the model of digits learns as none is not what it is tested with, and is made as promised."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))  # which are no part of the package

import negative_pictures
import negative_recordings
import negatives
from benchmarks import unknown_kinds

from seesay.data.dataset import NONE
from tiny import tiny_data

CLIPS = [(3_000 * np.sin(np.arange(2_000 + 100 * i) / (3 + i))).astype(np.int16) for i in range(6)]
DIGITS = np.random.default_rng(0).integers(0, 256, (6, 28, 28)).astype(np.uint8)
DIGITS[:, :4] = DIGITS[:, -4:] = 0


def test_letters_fonts_voices_and_words_are_not_those_of_the_test():
    tested = set("".join(unknown_kinds.TEXTS.values()))
    for letters, fonts in negative_pictures.ALPHABETS.values():
        assert not tested & set(letters)
        assert not any(font.startswith("DejaVu") for font in fonts)
    assert set(negative_recordings.TESTED) == set(unknown_kinds.VARIANTS)
    said = {*unknown_kinds.NUMBERS, *unknown_kinds.DIGITS}
    assert not said & set(negative_recordings.WORDS)


@pytest.mark.parametrize("kind", [kind for kind in negative_pictures.KINDS if kind != "letter"])
def test_pictures_are_laid_out_like_mnist(kind: str):
    random = np.random.default_rng(1)
    pictures = negative_pictures.of_kind(kind, 3, random, DIGITS)
    assert pictures.shape == (3, 1, 28, 28)
    assert pictures.dtype == np.uint8
    assert all(picture.any() for picture in pictures)


@pytest.mark.parametrize("kind", [kind for kind in negative_recordings.KINDS if kind != "word"])
def test_recordings_are_heard_and_short(kind: str):
    for sound in negative_recordings.of_kind(kind, 5, np.random.default_rng(1), CLIPS):
        assert sound.dtype == np.int16
        assert np.abs(sound).max() > 0.02 * 32_767
        assert len(sound) <= 2 * negative_recordings.RATE


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_words_are_of_voices_that_are_not_tested():
    assert not any(name.startswith(negative_recordings.TESTED) for name in negative_recordings.usable())
    sound, *_ = negative_recordings.of_kind("word", 1, np.random.default_rng(0), CLIPS)
    assert 0.1 < len(sound) / negative_recordings.RATE < 2


def test_negatives_are_added_to_the_training_rows(monkeypatch: pytest.MonkeyPatch):
    """Without letters and words, which need fonts and espeak-ng."""
    monkeypatch.setattr(negative_recordings, "SHARES", {"noise": 0.5, "hum": 0.5})
    data = tiny_data(modalities=["audio"])
    more = negatives.with_negatives(data, 7, seed=0)
    assert len(more) == len(data) + 7
    assert (more.label[-7:] == NONE).all()
    assert (more.split[-7:] == 0).all()
    assert (more.pointers("audio")[-7:] == len(data.contents["audio"]) + np.arange(7)).all()
    assert more.spec == data.spec
