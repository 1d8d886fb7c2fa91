"""Marks of features are in units: a mark of 1 kHz stands where the filter is that a tone of 1 kHz excites."""

import numpy as np
import pytest

from seesay.config import AudioSpec
from seesay.signal.feature_axes import feature_axes
from seesay.signal.features import audio_features


@pytest.mark.parametrize(
    "spec", [AudioSpec("log-mel"), AudioSpec("log-mel", rate=8_000, filters=24)], ids=str
)
def test_a_tone_is_loudest_at_its_mark(spec: AudioSpec):
    time = np.arange(spec.samples) / spec.rate
    for place, name in feature_axes(spec).marks:
        number, unit = name.split()
        hertz = float(number) * (1_000 if unit == "kHz" else 1)
        if hertz < 0.45 * spec.rate:
            tone = (10_000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)
            loudest = audio_features(tone[None], spec)[0].mean(0).argmax()
            assert abs(loudest - place) <= 1, name


def test_cepstra_are_numbered_and_ready_made_columns_are_counted():
    cepstra = feature_axes(AudioSpec(seconds=1.5))
    assert (cepstra.time, cepstra.what) == ("1.5 s", "coefficient")
    assert cepstra.marks == ((0, "1"), (5, "6"), (12, "energy"))
    ready = feature_axes(AudioSpec("unknown", frames=20, columns=6))
    assert (ready.time, ready.marks) == ("20 frames", ((0, "1"), (5, "6")))


def test_marks_do_not_crowd():
    for filters in (12, 40, 80):
        spec = AudioSpec("log-mel", filters=filters)
        places = [place for place, _ in feature_axes(spec).marks]
        assert 2 <= len(places) <= 5
        assert min(np.diff(places)) > filters / 8
