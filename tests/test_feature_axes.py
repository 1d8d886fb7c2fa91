"""Marks of features are in units: a mark of 1 kHz stands where the filter is that a tone of 1 kHz excites."""

import numpy as np
import pytest
import torch

from seesay.config import FeaturesConfig
from seesay.signal.feature_axes import FeatureAxes, feature_axes
from seesay.signal.front_ends import front_end
from seesay.spec import ContentSpec, MatrixSpec, PictureSpec, VectorSpec, WaveformSpec

AS_GIVEN = FeaturesConfig()


def axes(features: FeaturesConfig, spec: ContentSpec) -> FeatureAxes:
    found = feature_axes(features, spec)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("features", "spec"),
    [
        (FeaturesConfig("log-mel"), WaveformSpec(high=4_000.0)),
        (FeaturesConfig("log-mel"), WaveformSpec()),
        (FeaturesConfig("log-mel", filters=24), WaveformSpec(rate=8_000)),
    ],
    ids=["up to 4 kHz", "16 kHz", "8 kHz"],
)
def test_a_tone_is_loudest_at_its_mark(features: FeaturesConfig, spec: WaveformSpec):
    time = np.arange(spec.samples) / spec.rate
    module = front_end(features, spec)
    for place, name in axes(features, spec).marks:
        number, unit = name.split()
        hertz = float(number) * (1_000 if unit == "kHz" else 1)
        if hertz < 0.45 * spec.rate:
            tone = (10_000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)
            loudest = int(module(torch.from_numpy(tone)[None])[0].mean(0).argmax())
            assert abs(loudest - place) <= 1, name


def test_cepstra_are_numbered_and_ready_made_columns_are_counted():
    cepstra = axes(AS_GIVEN, WaveformSpec(seconds=1.5))
    assert (cepstra.time, cepstra.what) == ("1.5 s", "coefficient")
    assert cepstra.marks == ((0, "1"), (5, "6"), (12, "energy"))
    ready = axes(AS_GIVEN, MatrixSpec(20, 6))
    assert (ready.time, ready.marks) == ("20 frames", ((0, "1"), (5, "6")))


def test_marks_do_not_crowd():
    for filters in (12, 40, 80):
        features = FeaturesConfig("log-mel", filters=filters)
        places = [place for place, _ in axes(features, WaveformSpec(high=4_000.0)).marks]
        assert 2 <= len(places) <= 5
        assert min(np.diff(places)) > filters / 8


@pytest.mark.parametrize("spec", [PictureSpec(), VectorSpec(3)], ids=str)
def test_other_features_have_no_such_axes(spec: ContentSpec):
    assert feature_axes(AS_GIVEN, spec) is None
