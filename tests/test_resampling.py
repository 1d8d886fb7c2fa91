"""Resampling: what soxr makes of the same recordings, in the same places."""

import numpy as np
import pytest
import soxr
import torch

from seesay.signal.resampling import Resample


def noise_within(rate: int, highest: float) -> np.ndarray:
    """Half a second of noise without frequencies above `highest` Hz, fading in and out."""
    count = rate // 2
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(count))
    spectrum[np.fft.rfftfreq(count, 1 / rate) > highest] = 0
    return (np.fft.irfft(spectrum, count) * np.hanning(count)).astype(np.float32)


@pytest.mark.parametrize(
    ("old", "new"), [(16_000, 48_000), (48_000, 16_000), (44_100, 32_000), (8_000, 22_050)]
)
def test_it_differs_from_soxr_by_less_than_60_db(old: int, new: int):
    noise = noise_within(old, 0.85 * min(old, new) / 2)
    found = Resample(old, new)(torch.from_numpy(noise[None]))[0].numpy()
    expected = soxr.resample(noise, old, new, quality="HQ")[: len(found)]
    assert len(found) == -(-len(noise) * new // old)
    error = found[: len(expected)] - expected
    assert np.square(error).mean() < 1e-6 * np.square(expected).mean()


def test_what_no_lower_rate_holds_is_gone():
    time = np.arange(16_000) / 16_000
    tone = torch.from_numpy(np.sin(2 * np.pi * 5_000 * time)).float()[None]
    assert Resample(16_000, 8_000)(tone)[:, 100:-100].abs().max() < 1e-2
