"""From facts about files to how they are kept: what was chosen is said, what is cut off is counted."""

import numpy as np
import pytest

from seesay.config import FeaturesConfig
from seesay.formats.settings import PictureFacts, picture_settings, recording_settings
from seesay.signal.audio import Facts as Recording
from seesay.signal.feature_settings import analysis_of
from seesay.signal.image import Facts as Picture
from seesay.signal.looks import Look
from seesay.spec import PictureSpec, WaveformSpec

PHOTO, COLOURED = Look(False, None), Look(True, None)
BLACK, RED = Look(False, np.zeros(3)), Look(True, np.array([0.5, -0.25, -0.25]))


def pictures(*sizes: tuple[int, int], looks: tuple[Look, ...] = (PHOTO,)) -> PictureFacts:
    """Of files with these heights and widths."""
    return PictureFacts([Picture(*size) for size in sizes], looks)


def shape(*sizes: tuple[int, int]) -> tuple[int, int]:
    spec = picture_settings(pictures(*sizes)).spec
    return spec.height, spec.width


def recordings(*seconds: float, rate: int = 16_000) -> list[Recording]:
    return [Recording(rate, each) for each in seconds]


# --------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize(
    ("sizes", "kept"),
    [
        ([(32, 32)] * 9, (32, 32)),
        ([(28, 28)] * 9, (28, 28)),
        ([(40, 50)] * 9, (40, 50)),
        ([(300, 400)] * 9, (56, 72)),
        ([(400, 300)] * 9, (72, 56)),
        ([(500, 500)] * 9, (64, 64)),
        ([(1080, 1920)] * 9, (48, 88)),
        ([(300, 400), (400, 300)] * 5, (64, 64)),
        ([(20, 40), (40, 20)] * 5, (20, 20)),
        ([(300, 400)] * 19 + [(400, 300)], (56, 72)),
        ([(10, 400)] * 9, (10, 10)),
        ([], (64, 64)),
    ],
)
def test_photos_keep_their_usual_shape_and_are_not_enlarged(
    sizes: list[tuple[int, int]], kept: tuple[int, int]
) -> None:
    assert shape(*sizes) == kept


def test_ink_is_as_large_as_mnist_s() -> None:
    assert picture_settings(pictures((300, 400), looks=(BLACK,))).spec == PictureSpec()


def test_what_is_asked_for_goes_before_the_facts() -> None:
    facts = pictures(*[(300, 400)] * 9, looks=(BLACK,))
    spec = picture_settings(facts, "photo", max_side=100).spec
    assert spec == PictureSpec("photo", 1, 56, 72, max_side=100)
    assert picture_settings(facts, "ink", 30).spec == PictureSpec("ink", 1, 30, 30)


def test_one_coloured_picture_makes_three_channels() -> None:
    facts = pictures((9, 9), looks=(PHOTO, COLOURED))
    assert picture_settings(facts).spec.channels == 3
    assert picture_settings(facts, "ink").spec.channels == 1


@pytest.mark.parametrize(
    ("looks", "reader"),
    [
        ([BLACK] * 9 + [PHOTO], "ink"),
        ([BLACK] * 5 + [PHOTO] * 5, "photo"),
        ([RED] * 9, "ink"),
        ([RED] * 5 + [BLACK] * 4, "photo"),
        ([BLACK] * 30 + [RED], "ink"),
        ([], "photo"),
    ],
)
def test_in_doubt_pictures_are_photos_and_the_other_is_offered(looks: list[Look], reader: str) -> None:
    chosen = picture_settings(pictures((28, 28), looks=tuple(looks)))
    assert chosen.spec.reader == reader
    assert f"--reader {'photo' if reader == 'ink' else 'ink'}" in chosen.notes[0]
    assert picture_settings(pictures((28, 28), looks=tuple(looks)), "photo").notes == ()


def test_what_cropping_takes_is_counted() -> None:
    facts = pictures(*[(300, 400)] * 18, (900, 400), (300, 900))
    assert picture_settings(facts, "photo").notes == (
        "Models get photos of 72x56; 2 of 20 lose more than a quarter of their height or width to "
        "cropping; train with features.fit pad to keep all of it.",
    )
    assert picture_settings(pictures(*[(300, 400)] * 18), "photo").notes == ()


@pytest.mark.parametrize(
    ("peaks", "whole", "white"),
    [
        ([900, 4_000], True, 4_095),
        ([4_095], True, 4_095),
        ([4_096], True, 16_383),
        ([200, 17], True, 255),
        ([65_000], True, None),
        ([2_000_000], True, 2_000_000),
        ([0.3, 1.0], False, None),
        ([1.01], False, None),
        ([254.5], False, 255),
        ([3_000.5], False, 4_095),
    ],
)
def test_what_is_white_follows_from_the_brightest_of_all(
    peaks: list[float], whole: bool, white: float | None
) -> None:
    chosen = picture_settings(PictureFacts([Picture(9, 9, peak, whole) for peak in peaks], ()), "photo")
    assert chosen.spec.white == white
    assert [f"{white:,g} is white" in note for note in chosen.notes if white] == [True] * (white is not None)


# ------------------------------------------------------------------------------------------------- recordings


@pytest.mark.parametrize(
    ("seconds", "clip"),
    [
        ([0.3] * 20, 1),
        ([1.0] * 20, 1),
        ([1.04] * 20, 1),
        ([1.2] * 20, 1.5),
        ([5.001] * 20, 5),
        ([0.4] * 96 + [2.3] * 4, 1),
        ([0.4] * 90 + [2.3] * 10, 2.5),
        ([30.0] * 20, 10),
        ([], 1),
    ],
)
def test_clips_are_as_long_as_most_recordings(seconds: list[float], clip: float) -> None:
    assert recording_settings(recordings(*seconds)).spec.seconds == clip


def test_long_clips_are_asked_for() -> None:
    spec = recording_settings(recordings(*[30.0] * 20)).spec
    found = analysis_of(FeaturesConfig(seconds=30), spec)
    assert (found.seconds, found.samples, found.kind) == (30, 30 * 16_000, "log-mel")


@pytest.mark.parametrize(("seconds", "features"), [(0.6, "mfcc"), (1.4, "mfcc"), (1.8, "log-mel")])
def test_features_follow_from_the_length_of_clips(seconds: float, features: str) -> None:
    spec = recording_settings(recordings(*[seconds] * 20)).spec
    assert analysis_of(FeaturesConfig(), spec).kind == features
    assert analysis_of(FeaturesConfig(kind="mfcc"), spec).kind == "mfcc"


def test_what_a_model_does_not_hear_is_counted() -> None:
    facts = recordings(*[0.5] * 232, *[1.03] * 4, *[3.0] * 8)
    chosen = recording_settings(facts)
    assert chosen.spec.seconds == 1
    assert chosen.notes[1:] == (
        "8 of 244 recordings are longer than 1 s: models get the loudest 1 s; train with more "
        "features.seconds to use more.",
    )
    assert len(recording_settings(recordings(*[0.5] * 20, 1.03)).notes) == 1


def test_what_was_chosen_is_said() -> None:
    chosen = recording_settings(recordings(*[0.6] * 20, rate=8_000))
    assert chosen.summary == "the lowest rate 8000 Hz, kept at 8000 Hz"
    assert chosen.notes == (
        "Clips are 1 s: 95 % of the recordings last 0.6 s or less (features.seconds sets it in training).",
    )


@pytest.mark.parametrize(
    ("rates", "asked", "rate", "high"),
    [
        ([44_100], None, 16_000, 8_000),
        ([44_100], 44_100, 44_100, 22_050),
        ([44_100, 8_000], None, 8_000, 4_000),
        ([44_100, 8_000], 16_000, 16_000, 4_000),
    ],
)
def test_filters_end_where_every_recording_has_sound(
    rates: list[int], asked: int | None, rate: int, high: float
) -> None:
    spec = recording_settings([Recording(each, 1.0) for each in rates], rate=asked).spec
    assert (spec.rate, spec.high) == (rate, high)


def test_a_recording_that_does_not_say_its_length_is_no_reason_for_one() -> None:
    assert recording_settings([Recording(8_000, None)]).spec == WaveformSpec(8_000, 1.0, high=4_000)


def test_a_model_is_given_no_more_of_a_photo_than_is_kept():
    files = [Picture(500, 400)] * 3
    spec = picture_settings(PictureFacts(files, []), "photo", max_side=20).spec
    assert (spec.height, spec.width, spec.max_side) == (20, 16, 20)
