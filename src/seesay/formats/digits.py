"""The embedded data set `digits`: scikit-learn's 1,797 handwritten digits, and 1,920 spoken by espeak-ng.

Both come with installed packages, so nothing is downloaded. No voice is in two splits, nor, as far as is
known, a writer (see assets/CARD.md). scripts/make_digits.py made the speech.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from sklearn.datasets import load_digits

from seesay.data.dataset import SPLITS, Dataset, Group
from seesay.data.ragged import Ragged
from seesay.errors import InputError
from seesay.signal.image import read_image
from seesay.spec import PictureSpec, Spec, WaveformSpec

ASSETS = Path(__file__).parent / "assets"

INK = 16.0
"""The largest value in load_digits: all 16 dots of a 4x4 block of the scanned bitmap are ink."""

SHEETS = (0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667)
"""First row in load_digits of each filled-in form, detected where the sequence of labels (three times
0123456789, then 0955650989...) restarts; it is the same on each form but for a few omissions. By the source's
count, 13 writers filled these 14 forms."""

SPLIT_OF_SHEET = ("test",) * 3 + ("valid",) + ("train",) * 10
"""Split of each sheet, in order. Handwriting differs clearly at the borders: the mean of the nearest tenth of
squared distances between pictures of one class (ink 0 to 1) is 2.8 across either border, 1.0 to 1.1 within
the three sheets there, and 1.7 between the most similar neighbours, sheets 9 and 10, both in train."""


class Clips(NamedTuple):
    """The recordings; each field has one entry per recording."""

    samples: list[np.ndarray]
    """Each (n,) int16 at 16 kHz, 0.1 to 1 s: the word without surrounding silence. Views into one array."""
    labels: np.ndarray
    """(recordings,) int64: the digit spoken."""
    speakers: list[str]
    """`voice/accent`, such as `Andy/en-us`. Splits are by voice: see `voices`."""
    splits: np.ndarray
    """(recordings,) int8, indices into SPLITS."""

    @property
    def voices(self) -> list[str]:
        """Voice of each recording without its accent, to group by: it sets the timbre."""
        return [speaker.partition("/")[0] for speaker in self.speakers]


@cache
def digits_dataset() -> Dataset:
    """The data set `digits`: every picture with a recording of its class from the same split. Decoding takes
    seconds, so a process does it once: its arrays are shared."""
    clips, spec = load_clips(), WaveformSpec(high=4_000.0)
    pictures, _ = digit_pictures()
    rows, label, split = digit_rows()
    return Dataset(
        spec=Spec(tuple("0123456789"), {"image": PictureSpec(), "audio": spec}),
        contents={"image": pictures, "audio": Ragged.of(clips.samples)},
        rows=rows,
        label=label,
        split=split,
        groups={"image": {"sheet": _group(picture_sheets())}, "audio": {"speaker": _group(clips.voices)}},
        pairing="drawn within class",
        name="digits",
        sources=(
            "1,797 handwritten digits of scikit-learn (UCI optical recognition of handwritten digits), "
            "13 writers",
            "1,920 digits spoken by espeak-ng: synthetic speech; scores on it say little about real voices",
        ),
    )


def _group(ids: Sequence[Any] | np.ndarray) -> Group:
    names, places = np.unique(np.asarray(ids), return_inverse=True)
    return Group(places.astype(np.int32), tuple(str(name) for name in names))


def load_clips() -> Clips:
    """All recordings, decoded. InputError if the packaged file is damaged."""
    index, ogg = _index(), (ASSETS / "digits.ogg").read_bytes()
    if sha256(ogg).hexdigest() != index["sha256"]:
        raise InputError(f"{ASSETS / 'digits.ogg'} is damaged", "Reinstall seesay.")
    whole, _ = soundfile.read(BytesIO(ogg), dtype="int16")
    clips = index["clips"]
    return Clips(
        samples=[whole[clip["start"] : clip["start"] + clip["length"]] for clip in clips],
        labels=_labels(index),
        speakers=[f"{clip['voice']}/{clip['accent']}" for clip in clips],
        splits=_splits(index),
    )


def digit_pictures() -> tuple[np.ndarray, np.ndarray]:
    """Pictures (1797, 1, 28, 28) uint8, scaled and centred like MNIST, and labels (1797,) int64."""
    digits: Any = load_digits()
    spec = PictureSpec()
    pictures = np.stack([read_image(picture / INK, spec) for picture in digits.images])
    return np.round(pictures * 255).astype(np.uint8), digits.target.astype(np.int64)


def picture_sheets() -> np.ndarray:
    """(1797,) int32: the form of each picture, 0 to 13; nearly one writer each."""
    rows = np.arange(len(_targets()))
    return (np.searchsorted(SHEETS, rows, side="right") - 1).astype(np.int32)


def digit_rows(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of each picture with a recording of its class and split, drawn by `seed`.

    No recording is repeated before all are used. Returns rows (1797, 2) int32 (picture, recording), label
    (1797,) int64 and split (1797,) int8, indices into SPLITS.
    """
    random, index, label = np.random.default_rng(seed), _index(), _targets()
    split = np.array([SPLITS.index(name) for name in SPLIT_OF_SHEET], np.int8)[picture_sheets()]
    rows = np.stack([np.arange(len(label)), np.full(len(label), -1)], axis=1).astype(np.int32)
    spoken, side = _labels(index), _splits(index)
    for part in range(len(SPLITS)):
        for digit in range(10):
            here = np.flatnonzero((split == part) & (label == digit))
            partners = random.permutation(np.flatnonzero((side == part) & (spoken == digit)))
            rows[here, 1] = np.resize(partners, len(here))
    return rows, label, split


def _targets() -> np.ndarray:
    digits: Any = load_digits()
    return digits.target.astype(np.int64)


def _index() -> dict[str, Any]:
    """The content of digits.json, each clip as a dict."""
    index = json.loads((ASSETS / "digits.json").read_text())
    return index | {"clips": [dict(zip(index["columns"], clip, strict=True)) for clip in index["clips"]]}


def _labels(index: dict[str, Any]) -> np.ndarray:
    return np.array([clip["digit"] for clip in index["clips"]], np.int64)


def _splits(index: dict[str, Any]) -> np.ndarray:
    split_of = {voice: SPLITS.index(split) for split, voices in index["voices"].items() for voice in voices}
    return np.array([split_of[clip["voice"]] for clip in index["clips"]], np.int8)
