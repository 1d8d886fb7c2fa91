"""The parts of a recording that sound, and the windows that cover them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesay.signal import sounding as module
from seesay.signal.sounding import FRAME, PAUSE, sounding, windows

RATE, SAMPLES = 8_000, 8_000
NEAR = 1.5 * FRAME


def recording(*parts: tuple[float, float], seconds: float, room: float = 30.0, seed: int = 0) -> np.ndarray:
    """Noise of 30 steps of 16 bits, and much louder noise in these parts, (start, end) in seconds."""
    random = np.random.default_rng(seed)
    waveform = random.normal(0, room, round(seconds * RATE))
    for start, end in parts:
        place = slice(round(start * RATE), round(end * RATE))
        waveform[place] += random.normal(0, 3_000, len(waveform[place]))
    return np.rint(waveform).astype(np.int16)


def seconds_of(parts: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(start / RATE, end / RATE) for start, end in parts]


def test_each_word_between_pauses_is_a_part() -> None:
    words = [(0.5, 0.9), (1.4, 1.6), (2.5, 3.4)]
    found = seconds_of(sounding(recording(*words, seconds=4), RATE))
    assert len(found) == 3
    for (start, end), (wanted, until) in zip(found, words, strict=True):
        assert start == pytest.approx(wanted, abs=NEAR)
        assert end == pytest.approx(until, abs=NEAR)


def test_a_short_gap_belongs_to_the_word_and_a_click_is_none() -> None:
    gap = PAUSE - 0.08
    found = sounding(recording((0.5, 0.7), (0.7 + gap, 1.2), (2.0, 2.01), seconds=3), RATE)
    assert len(found) == 1
    assert seconds_of(found)[0] == pytest.approx((0.5, 1.2), abs=NEAR)


@pytest.mark.parametrize("room", [0.0, 30.0, 3_000.0])
def test_a_steady_recording_is_one_part(room: float) -> None:
    steady = recording(seconds=5, room=room)
    assert sounding(steady, RATE) == [(0, 5 * RATE)]
    found = windows(steady, RATE, SAMPLES)
    assert [w.first for w in found] == list(range(0, 4 * RATE + 1, RATE // 2))
    assert (found[0].start, found[-1].end) == (0, 5 * RATE)


def test_sound_in_digital_silence_is_found() -> None:
    waveform = recording((1, 2), seconds=3, room=0)
    assert seconds_of(sounding(waveform, RATE)) == [pytest.approx((1, 2), abs=NEAR)]


def test_a_word_is_in_the_middle_of_its_window() -> None:
    (window,) = windows(recording((1.5, 2.0), seconds=4), RATE, SAMPLES)
    assert window.first + SAMPLES / 2 == pytest.approx(1.75 * RATE, abs=NEAR * RATE)
    assert window.start == pytest.approx(1.5 * RATE, abs=NEAR * RATE)


@given(
    seed=st.integers(0, 2**32),
    seconds=st.floats(1.5, 20),
    parts=st.lists(st.tuples(st.floats(0, 18), st.floats(0.1, 6)), max_size=4),
)
@settings(max_examples=50)
def test_windows_lie_inside_and_speak_for_what_they_hold(
    seed: int, seconds: float, parts: list[tuple[float, float]]
) -> None:
    waveform = recording(*((start, start + length) for start, length in parts), seconds=seconds, seed=seed)
    found = windows(waveform, RATE, SAMPLES)
    assert found
    for window in found:
        assert 0 <= window.first <= len(waveform) - SAMPLES
        assert window.start < window.end
        over = (module.ROOM - 1) * SAMPLES / 2 + 1
        assert window.first <= window.start + over
        assert window.end <= window.first + SAMPLES + over
    for one, after in pairwise(found):
        assert one.end <= after.start


def test_levels_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    waveform = recording((1, 2), seconds=3.01)
    whole = module.levels(waveform, 160)
    monkeypatch.setattr(module, "BLOCK", 1_000)
    assert np.array_equal(module.levels(waveform, 160), whole)
    assert len(whole) in (149, 150)
