"""The normaliser: fitted on the training rows' recordings and on nothing else."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from seesay.config import AudioSpec, Spec
from seesay.data.dataset import Dataset
from seesay.data.normaliser import normalised
from seesay.signal.features import audio_features
from tiny import tiny_data

READY = AudioSpec(features="unknown", frames=4, columns=3)


def ready_made(**changes: Any) -> Dataset:
    """Feature matrices of known mean and scale: content i is i everywhere."""
    matrices = np.broadcast_to(np.arange(4.0)[:, None, None], (4, 4, 3)).astype(np.float32)
    rows = np.array([[0], [0], [0], [1], [2], [3]], np.int32)
    spec = Spec(("a", "b"), audio=READY)
    parts: dict[str, Any] = {"label": np.zeros(6, np.int64), "split": np.zeros(6, np.int8)} | changes
    return Dataset(spec, {"audio": matrices}, rows, **parts)


def audio(data: Dataset) -> AudioSpec:
    assert data.spec.audio is not None
    return data.spec.audio


def test_features_of_the_training_clips_have_mean_0_and_scale_1():
    data = tiny_data()
    rows = data.rows_of("train")
    fitted = normalised(data, rows)
    used = np.unique(data.pointers("audio")[rows])
    features = audio_features(data.contents["audio"][used], audio(fitted))
    np.testing.assert_allclose(features.mean((0, 1)), 0, atol=1e-4)
    np.testing.assert_allclose(features.std((0, 1)), 1, atol=1e-4)


def test_a_repeated_recording_counts_once():
    fitted = audio(normalised(ready_made(), np.arange(5)))
    assert fitted.mean == pytest.approx((1, 1, 1))
    assert fitted.scale == pytest.approx((np.std([0, 1, 2]),) * 3)


def test_rows_that_do_not_train_say_nothing():
    data = tiny_data()
    train = data.rows_of("train")
    heard = np.unique(data.pointers("audio")[train])
    others = np.setdiff1d(np.arange(len(data.contents["audio"])), heard)
    changed = data.contents["audio"].copy()
    changed[others] = 32_767
    louder = data.replace(contents={**data.contents, "audio": changed})
    assert normalised(louder, train).spec == normalised(data, train).spec


def test_what_was_fitted_before_is_forgotten():
    data = tiny_data()
    train = data.rows_of("train")
    once = normalised(data, train)
    assert normalised(once, train).spec == once.spec


def test_a_missing_recording_is_not_the_last_one():
    """The pointer -1 must not reach into the table from its end."""
    data = ready_made()
    rows = data.rows.copy()
    rows[3] = -1
    fitted = audio(normalised(data.replace(rows=rows), np.arange(5)))
    assert fitted.mean == pytest.approx((1, 1, 1))  # of contents 0 and 2; with the last it would be 5/3


def test_rows_without_recordings_take_the_normaliser_of_all():
    data = ready_made()
    rows = data.rows.copy()
    rows[:2] = -1
    silent = data.replace(rows=rows)
    assert normalised(silent, np.arange(2)).spec == normalised(silent, np.arange(6)).spec
    assert audio(normalised(silent, np.arange(2))).mean


def test_pictures_alone_have_none():
    data = tiny_data(modalities=["image"])
    assert normalised(data, data.rows_of("train")) is data


def test_a_data_set_where_all_recordings_are_missing_stays_as_it_is():
    data = ready_made()
    silent = data.replace(rows=np.full_like(data.rows, -1))
    assert normalised(silent, np.arange(6)) is silent


def test_nothing_else_of_the_data_set_changes():
    data = tiny_data(missing=True)
    fitted = normalised(data, data.rows_of("train"))
    assert fitted.contents is data.contents
    assert fitted.rows is data.rows
    assert dataclasses.replace(audio(fitted), mean=(), scale=()) == audio(data)
