"""Augmented copies of recordings: made anew in every epoch or once, at the loudest part or at a random
window."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import Generator

from seesay.config import WaveformConfig
from seesay.data.batches import Table, table
from seesay.learn import waveform_views
from seesay.learn.waveform_views import random_clips, resample_views
from seesay.model.classifier import build
from seesay.model.features import RawFeatures, features_of, fit_normalisers
from seesay.signal.clip import Clip
from tiny import tiny_config, tiny_data, tiny_model

DATA = tiny_data()
KEPT = WaveformConfig(views=3, renew=False, gain=20.0)


def resampled(raw: RawFeatures, rows: np.ndarray, config: WaveformConfig, epoch: int, seed: int = 0) -> Table:
    model = build(tiny_model(), DATA.spec)
    fit_normalisers(model, DATA, DATA.rows_of("train"), raw)
    whole = table(DATA, rows, features_of(model, DATA, raw))
    generator = Generator().manual_seed(epoch)
    whole_config = tiny_config(waveform=config, seed=seed)
    return resample_views(whole, DATA, raw, "audio", model.front_ends["audio"], whole_config, generator)


def heard(rows: Table) -> torch.Tensor:
    return rows.take(torch.arange(len(rows))).inputs["audio"]


def test_copies_that_are_kept_are_made_once_and_the_same_whatever_asks_first():
    """Cross-fitted models use different rows, and a run that goes on may skip some of them."""
    rows, raw, other = DATA.rows_of("train"), RawFeatures(DATA), RawFeatures(DATA)
    first = resampled(raw, rows, KEPT, 1)
    part = resampled(other, rows[::2], KEPT, 1)
    again = resampled(other, rows, KEPT, 1)
    torch.testing.assert_close(heard(first), heard(again), rtol=0, atol=0)
    assert part.features["audio"].values is again.features["audio"].values._base or len(
        part.features["audio"].values
    ) == len(again.features["audio"].values)
    assert not torch.equal(heard(first), heard(resampled(raw, rows, KEPT, 2)))  # other draws of the copies
    known = {tuple(x.flatten()[:20].tolist()) for x in again.features["audio"].values}
    assert {
        tuple(x.flatten()[:20].tolist()) for x in resampled(raw, rows, KEPT, 2).features["audio"].values
    } == known
    assert not torch.equal(heard(first), heard(resampled(RawFeatures(DATA), rows, KEPT, 1, seed=1)))


def test_kept_copies_are_normalised_as_those_of_every_epoch():
    rows = DATA.rows_of("train")
    still = WaveformConfig(views=2, gain=1e-9)
    anew = heard(resampled(RawFeatures(DATA), rows, still, 1))
    kept = heard(resampled(RawFeatures(DATA), rows, dataclasses.replace(still, renew=False), 1))
    torch.testing.assert_close(anew, kept, rtol=1e-4, atol=1e-4)


def test_test_rows_have_no_copies_kept():
    rows = DATA.rows_of("train")
    values = resampled(RawFeatures(DATA), rows, KEPT, 1).features["audio"].values
    used = {int(p) for p in DATA.pointers("audio")[DATA.split != 2] if p >= 0}
    assert len(values) == KEPT.views * len(used)


def test_fewer_copies_are_kept_where_memory_is_short_and_none_where_two_do_not_fit(
    monkeypatch: pytest.MonkeyPatch,
):
    rows = DATA.rows_of("train")
    whole = resampled(RawFeatures(DATA), rows, KEPT, 1).features["audio"].values
    size = whole.numel() * whole.element_size()
    monkeypatch.setattr(waveform_views, "MEMORY", size * 2 // 3)
    assert len(resampled(RawFeatures(DATA), rows, KEPT, 1).features["audio"].values) == len(whole) * 2 // 3
    monkeypatch.setattr(waveform_views, "MEMORY", size // 2)
    raw = RawFeatures(DATA)
    assert not torch.equal(
        resampled(raw, rows, KEPT, 1).features["audio"].values,
        resampled(raw, rows, KEPT, 2).features["audio"].values,
    )


def dictation() -> np.ndarray:
    """Six seconds at 8 kHz: a hum of 200 Hz, 0.5 s long, at 1 s and a softer one at 4 s, in silence."""
    time = np.arange(48_000) / 8_000
    hum = sum(np.sin(2 * np.pi * 200 * k * time) / k for k in range(1, 6))
    loud = ((time > 1) & (time < 1.5)) * 6_000 + ((time > 4) & (time < 4.5)) * 3_000
    return np.rint(hum * loud).astype(np.int16)


def test_a_random_window_is_one_that_sounds():
    clip, generator = Clip(8_000, 8_000), Generator().manual_seed(0)
    recordings = [dictation()] * 20
    always = random_clips(clip, recordings, 8_000, 0.0, generator)
    torch.testing.assert_close(always, clip(torch.from_numpy(dictation())[None]).expand(20, -1))
    drawn = random_clips(clip, recordings, 8_000, 1.0, generator).abs().amax(1)
    assert len(drawn.unique()) == 2  # either hum, whole, and never the silence between
    assert drawn.min() > 2_000


def test_a_short_recording_has_one_clip():
    clip, generator = Clip(8_000, 8_000), Generator().manual_seed(0)
    short = dictation()[:11_000]
    drawn = random_clips(clip, [short] * 5, 8_000, 1.0, generator)
    torch.testing.assert_close(drawn, clip(torch.from_numpy(short)[None]).expand(5, -1))
