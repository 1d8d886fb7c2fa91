"""Random augmentation of a batch of waveforms: voices, microphones, rooms, noise, trimming of words.

Each clip has its own draws, all from the given generator, so the same seed gives the same batch. A setting of
0 draws nothing. All linear changes are one multiplication of spectra.
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Generator, Tensor
from torch.nn import functional as F

from seesay.config import WaveformConfig

Waveforms = Float[Tensor, "b samples"]
PerClip = Float[Tensor, "b 1"]

CURVE = 6
"""Cosines over the mel-like axis that make up a microphone's response: bumps of half an octave or more."""

LOWEST_CUT, HIGHEST_CUT = 80.0, 400.0
"""Hz: range of the lower cut-off of a narrow band; a telephone's is 300."""

NARROWEST = 0.6
"""Lowest upper cut-off of a narrow band, as a fraction of the highest frequency."""

DECAY = (0.05, 0.5)
"""Seconds in which an echo decays by 60 dB: from a car to a bare room."""

SNR = (0.0, 40.0)
"""dB between the clip, silence included, and the noise; a word that fills a third of it has 5 dB more."""

BABBLE = (6.0, 30.0)
"""dB between the clip and another one mixed in."""

EDGE = (-40.0, -12.0)
"""dB below the loudest 20 ms at which a word is taken to begin and end. Automatic trimming loses weak
consonants this way: the s of six, the f of five."""

MARGIN = 0.05
"""Seconds: most that is kept on either side of a trimmed word."""


def augment_waveforms(
    waveforms: Waveforms, rate: int, config: WaveformConfig, generator: Generator
) -> Waveforms:
    """Clips in [-1, 1] of `rate` samples per second, augmented as `config` says and clipped to [-1, 1]."""
    waveforms = _at_speed(waveforms, config.speed, generator)
    inside = _word(waveforms, rate, config.trim, generator) if config.trim else None
    waveforms = _filtered(waveforms, rate, config, generator)
    if config.babble:
        other = waveforms.roll(1, 0)
        waveforms = waveforms + _mixed_in(waveforms, other, BABBLE, config.babble, generator)
    if config.noise:
        other = _noise(waveforms, generator)
        waveforms = waveforms + _mixed_in(waveforms, other, SNR, config.noise, generator)
    if config.gain:
        waveforms = waveforms * _decibels(config.gain * _uniform(waveforms, generator))
    if config.overdrive:
        chosen = _chosen(waveforms, config.overdrive, generator)
        drive = _decibels(6 + 12 * _unit(waveforms, generator)) / _peak(waveforms)
        waveforms = torch.where(chosen, (waveforms * drive).clamp(-1, 1) / drive, waveforms)
    if inside is not None:
        waveforms = waveforms * inside
    return waveforms.clamp(-1, 1)


def _at_speed(waveforms: Waveforms, speed: float, generator: Generator) -> Waveforms:
    """Clips played faster or slower around their middle, by linear interpolation; silence beyond the ends."""
    if not speed:
        return waveforms
    samples = waveforms.shape[1]
    pace = torch.exp(math.log1p(speed) * _uniform(waveforms, generator))
    centre = (samples - 1) / 2
    places = (torch.arange(samples, device=waveforms.device) - centre) * pace + centre
    inside = (places >= 0) & (places <= samples - 1)
    places = places.clamp(0, samples - 1)
    before = places.long()
    left, right = (waveforms.gather(1, place.clamp(max=samples - 1)) for place in (before, before + 1))
    return torch.lerp(left, right, places - before) * inside


def _word(waveforms: Waveforms, rate: int, fraction: float, generator: Generator) -> Tensor:
    """(b, samples) bool: where the word is, by its level, in a fraction of the clips; all true in the
    others."""
    samples, step = waveforms.shape[1], round(rate / 50)
    level = F.avg_pool1d(waveforms.square(), step, ceil_mode=True)
    edge = _decibels(2 * (EDGE[0] + (EDGE[1] - EDGE[0]) * _unit(waveforms, generator)))
    loud = level > edge * level.amax(1, keepdim=True)
    steps = torch.arange(level.shape[1], device=waveforms.device)
    first = torch.where(loud, steps, level.shape[1]).amin(1, keepdim=True) * step
    last = (torch.where(loud, steps, -1).amax(1, keepdim=True) + 1) * step
    left, right = (rate * MARGIN * _unit(waveforms, generator) for _ in range(2))
    place = torch.arange(samples, device=waveforms.device)
    inside = (place >= first - left) & (place < last + right)
    return inside | ~_chosen(waveforms, fraction, generator)


def _filtered(waveforms: Waveforms, rate: int, config: WaveformConfig, generator: Generator) -> Waveforms:
    """Clips with echo, microphone response and narrow band, by one product of spectra; loudness is kept."""
    if not (config.echo or config.colour or config.band):
        return waveforms
    b, samples = waveforms.shape
    length = 2 ** math.ceil(math.log2(2 * samples if config.echo else samples))
    hertz = torch.linspace(0, rate / 2, length // 2 + 1, device=waveforms.device)
    response: Tensor = torch.ones((b, 1), device=waveforms.device)
    if config.echo:
        response = response * _room(waveforms, rate, length, config.echo, generator)
    if config.colour:
        response = response * _curve(waveforms, hertz, config.colour, generator)
    if config.band:
        response = response * _band(waveforms, hertz, config.band, generator)
    changed = torch.fft.irfft(torch.fft.rfft(waveforms, length) * response, length)[:, :samples]
    return changed * (_loudness(waveforms) / _loudness(changed))


def _room(
    waveforms: Waveforms, rate: int, length: int, fraction: float, generator: Generator
) -> Complex[Tensor, "b bins"]:
    """Spectra of room responses: direct sound, then decaying noise, 0 to 15 dB weaker in total (Moorer
    1979)."""
    seconds = torch.arange(round(rate * DECAY[1]), device=waveforms.device) / rate
    decay = DECAY[0] + (DECAY[1] - DECAY[0]) * _unit(waveforms, generator)
    tail = torch.randn((len(waveforms), len(seconds)), generator=generator, device=waveforms.device)
    tail = tail * torch.exp(-math.log(1000) * seconds / decay) * (seconds > 0.002)
    tail = tail / tail.norm(dim=1, keepdim=True) * _decibels(-15 * _unit(waveforms, generator))
    tail = tail * _chosen(waveforms, fraction, generator)
    tail[:, 0] = 1
    return torch.fft.rfft(tail, length)


def _curve(
    waveforms: Waveforms, hertz: Float[Tensor, " bins"], decibels: float, generator: Generator
) -> Float[Tensor, "b bins"]:
    """Gains of a smooth random microphone response with standard deviation `decibels`."""
    place = torch.log1p(hertz / 700) / math.log1p(float(hertz[-1]) / 700)
    waves = torch.cos(math.pi * torch.outer(torch.arange(1.0, CURVE + 1, device=hertz.device), place))
    size = torch.randn((len(waveforms), CURVE), generator=generator, device=hertz.device)
    falling = 1 / torch.arange(1.0, CURVE + 1, device=hertz.device)  # broad bumps are larger
    return _decibels(decibels * (size * falling / falling.norm() * math.sqrt(2)) @ waves)


def _band(
    waveforms: Waveforms, hertz: Float[Tensor, " bins"], fraction: float, generator: Generator
) -> Float[Tensor, "b bins"]:
    """Gains of a narrow band: roll-off with the fourth power of frequency below it, the eighth above."""
    low = LOWEST_CUT + (HIGHEST_CUT - LOWEST_CUT) * _unit(waveforms, generator)
    high = float(hertz[-1]) * (NARROWEST + (1 - NARROWEST) * _unit(waveforms, generator))
    gains = 1 / (1 + (low / hertz.clamp(min=1)) ** 4) / (1 + (hertz / high) ** 8)
    return torch.where(_chosen(waveforms, fraction, generator), gains, 1.0)


def _noise(waveforms: Waveforms, generator: Generator) -> Waveforms:
    """Noise with power 1 / frequency^a, a from 0 (white) to 2 (brown)."""
    bins = waveforms.shape[1] // 2 + 1
    white = torch.randn((len(waveforms), bins, 2), generator=generator, device=waveforms.device)
    falling = torch.arange(1.0, bins + 1, device=waveforms.device) ** -_unit(waveforms, generator)
    return torch.fft.irfft(torch.view_as_complex(white) * falling, waveforms.shape[1])


def _mixed_in(
    waveforms: Waveforms, other: Waveforms, range_: tuple[float, float], fraction: float, generator: Generator
) -> Waveforms:
    """`other` scaled to a uniform draw of dB below the clip, in a fraction of the clips; 0 in the others."""
    low, high = range_
    below = low + (high - low) * _unit(waveforms, generator)
    level = _loudness(waveforms) / _loudness(other) * _decibels(-below)
    return other * level * _chosen(waveforms, fraction, generator)


def _loudness(waveforms: Waveforms) -> PerClip:
    """Root mean square."""
    return waveforms.square().mean(1, keepdim=True).sqrt().clamp(min=1e-6)


def _peak(waveforms: Waveforms) -> PerClip:
    return waveforms.abs().amax(1, keepdim=True).clamp(min=1e-6)


def _decibels(value: Tensor) -> Tensor:
    """Amplitude factor of a level in dB."""
    return 10 ** (value / 20)


def _unit(waveforms: Waveforms, generator: Generator) -> PerClip:
    """Uniform draws in 0 to 1."""
    return torch.rand((len(waveforms), 1), generator=generator, device=waveforms.device)


def _uniform(waveforms: Waveforms, generator: Generator) -> PerClip:
    """Uniform draws in -1 to 1."""
    return 2 * _unit(waveforms, generator) - 1


def _chosen(waveforms: Waveforms, fraction: float, generator: Generator) -> Tensor:
    """(b, 1) bool: true with probability `fraction`."""
    return _unit(waveforms, generator) < fraction
