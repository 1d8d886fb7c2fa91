"""Changes to waveforms: drawn from the generator alone, each what its name says, nothing where all is off."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from seesay.config import WaveformConfig
from seesay.errors import ConfigError
from seesay.signal.augment_waveforms import BABBLE, EDGE, MARGIN, SNR, augment_waveforms

RATE = 8_000
ALL = WaveformConfig(
    speed=0.2, colour=5.0, band=0.5, echo=0.5, babble=0.5, noise=0.5, gain=12.0, overdrive=0.5, trim=0.5
)
KNOBS = [f.name for f in dataclasses.fields(WaveformConfig) if f.name not in ("views", "renew", "window")]


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def words(b: int = 8, samples: int = 4_000) -> Tensor:
    """Noise of falling level between a quarter and three quarters of the clip, silence around it."""
    place = torch.arange(samples) / samples
    inside = (place > 0.25) & (place < 0.75)
    return 0.1 * torch.randn((b, samples), generator=seeded(7)) * torch.exp(-12 * place) * inside


def changed(waveforms: Tensor, **knobs: Any) -> Tensor:
    return augment_waveforms(waveforms, RATE, WaveformConfig(**knobs), seeded())


def tone(hertz: float, b: int = 4, samples: int = RATE) -> Tensor:
    return 0.1 * torch.sin(2 * torch.pi * hertz * torch.arange(samples) / RATE).expand(b, samples)


def loudness(waveforms: Tensor) -> Tensor:
    return waveforms.square().mean(1).sqrt()


def decibels(factor: Tensor) -> Tensor:
    return 20 * factor.log10()


def test_the_same_generator_makes_the_same_batch_and_torchs_own_is_left_alone():
    before = torch.get_rng_state()
    one, same, other = (augment_waveforms(words(), RATE, ALL, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_with_everything_at_0_nothing_changes_and_nothing_is_drawn():
    generator = seeded()
    before = generator.get_state()
    assert torch.equal(augment_waveforms(words(), RATE, WaveformConfig(), generator), words())
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("knob", KNOBS)
def test_every_knob_changes_clips_each_in_its_own_way(knob: str):
    same = words(1).repeat(16, 1)
    out = changed(same, **{knob: 12.0 if knob in ("colour", "gain") else 0.9})
    assert out.shape == same.shape
    assert len(torch.unique(out, dim=0)) > 4


@pytest.mark.parametrize("samples", [1, 160, 4_001])
def test_clips_of_any_length_even_silent_ones_stay_finite_and_within_full_scale(samples: int):
    for waveforms in (torch.zeros((3, samples)), torch.ones((3, samples)), words(3, samples)):
        out = augment_waveforms(waveforms, RATE, ALL, seeded())
        assert out.shape == waveforms.shape
        assert out.isfinite().all()
        assert out.abs().max() <= 1


def test_speed_moves_the_pitch_by_at_most_its_share():
    spectrum = torch.fft.rfft(changed(tone(500.0, 64), speed=0.2)).abs()
    hertz = spectrum.argmax(1) * RATE / 2 / (spectrum.shape[1] - 1)
    assert hertz.min() >= 500 / 1.2 - 2
    assert hertz.max() <= 500 * 1.2 + 2
    assert hertz.max() - hertz.min() > 100


def test_curve_band_and_echo_leave_a_clip_as_loud_as_it_was():
    out = changed(words(), colour=6.0, band=1.0, echo=1.0)
    torch.testing.assert_close(loudness(out), loudness(words()), rtol=1e-3, atol=0)


def test_a_narrow_band_takes_the_ends_away():
    white = 0.1 * torch.randn((16, RATE), generator=seeded(3))
    power = torch.fft.rfft(changed(white, band=1.0)).abs().square()
    low, middle, high = (power[:, a:b].mean(1) for a, b in ((0, 50), (1_000, 2_000), (3_900, 4_000)))
    assert (low < 0.3 * middle).all()
    assert (high < 0.7 * middle).all()


def test_an_echo_sounds_on_after_the_word_and_never_before_it():
    click = torch.zeros((8, 4_000))
    click[:, 2_000] = 0.5
    out = changed(click, echo=1.0)
    assert out[:, :1_990].abs().max() < 1e-4
    assert (out[:, 2_050:2_500].abs().amax(1) > 1e-3).all()


@pytest.mark.parametrize(("knob", "limits"), [("noise", SNR), ("babble", BABBLE)])
def test_what_is_added_lies_as_far_beneath_the_word_as_its_limits_say(knob: str, limits: tuple[float, float]):
    quiet = 0.1 * words(64)
    below = decibels(loudness(quiet) / loudness(changed(quiet, **{knob: 1.0}) - quiet))
    assert below.min() > limits[0] - 0.1
    assert below.max() < limits[1] + 0.1
    assert below.max() - below.min() > 10


def test_gain_is_drawn_within_its_decibels():
    quiet = 0.1 * words(64)
    louder = decibels(loudness(changed(quiet, gain=6.0)) / loudness(quiet))
    assert louder.min() < -3
    assert louder.max() > 3
    assert louder.abs().max() <= 6.001


def test_overdrive_flattens_the_peaks_and_leaves_what_is_soft():
    sine = tone(200.0)
    out = changed(sine, overdrive=1.0)
    assert (out.abs().amax(1) < 0.06).all()
    soft = sine.abs() < 0.01
    torch.testing.assert_close(out[soft], sine[soft])


def test_a_word_is_cut_out_at_its_edges_and_is_itself_left_whole():
    hum = 1e-5 * torch.ones((8, RATE))  # softer than any edge
    word = (torch.arange(RATE) >= 3_200) & (torch.arange(RATE) < 4_800)
    out = changed(hum + 0.1 * word, trim=1.0)
    assert torch.equal(out[:, 3_200:4_800], (hum + 0.1 * word)[:, 3_200:4_800])
    margin = round(RATE * MARGIN)
    assert not out[:, : 3_200 - margin].any()
    assert not out[:, 4_800 + margin :].any()
    assert 10 ** (EDGE[0] / 20) * 0.1 > 1e-5


def test_a_share_of_the_clips_is_left_alone():
    out = changed(words(200), noise=0.3)
    untouched = (out == words(200)).all(1).float().mean()
    assert 0.55 < untouched < 0.85


@pytest.mark.parametrize("knobs", [{"echo": 1.5}, {"speed": -0.1}, {"views": -1}, {"gain": float("nan")}])
def test_impossible_settings_are_refused(knobs: dict[str, Any]):
    with pytest.raises(ConfigError):
        WaveformConfig(**knobs)
