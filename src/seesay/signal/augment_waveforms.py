"""Random changes to a batch of waveforms: other voices, microphones, rooms, noises, ways to cut words out.

Each clip is changed by its own draws, all from the generator handed in, so the same seed gives the same
batch. A knob at 0 draws nothing. What is linear happens in one multiplication of spectra.
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
"""Cosines over the mel-like axis that make up a microphone's curve: bumps of half an octave at the least."""

LOWEST_CUT, HIGHEST_CUT = 80.0, 400.0
"""Hz between which the low end of a narrow band lies: a telephone's is 300."""

NARROWEST = 0.6
"""Of the highest frequency: where the high end of a narrow band lies at least."""

DECAY = (0.05, 0.5)
"""Seconds in which an echo dies away by 60 dB: a car to a bare room."""

SNR = (0.0, 40.0)
"""dB between the clip, silence included, and the noise: a word of a third of it stands out by 5 dB more."""

BABBLE = (6.0, 30.0)
"""dB between the clip and another one beneath it."""

EDGE = (-40.0, -12.0)
"""dB below its loudest 20 ms at which a word is taken to begin and end. Programs that cut words out of a
recording lose the weak consonants so: the s of six, the f of five."""

MARGIN = 0.05
"""Seconds that are left at most on either side of a word cut out so."""


def augment_waveforms(
    waveforms: Waveforms, rate: int, config: WaveformConfig, generator: Generator
) -> Waveforms:
    """Clips in [-1, 1] of `rate` samples a second, changed as `config` says, cut at -1 and 1."""
    waveforms = _played(waveforms, config.speed, generator)
    inside = _word(waveforms, rate, config.trim, generator) if config.trim else None
    waveforms = _filtered(waveforms, rate, config, generator)
    if config.babble:
        other = waveforms.roll(1, 0)
        waveforms = waveforms + _beneath(waveforms, other, BABBLE, config.babble, generator)
    if config.noise:
        other = _noise(waveforms, generator)
        waveforms = waveforms + _beneath(waveforms, other, SNR, config.noise, generator)
    if config.gain:
        waveforms = waveforms * _decibels(config.gain * _spread(waveforms, generator))
    if config.overdrive:
        chosen = _chosen(waveforms, config.overdrive, generator)
        drive = _decibels(6 + 12 * _share(waveforms, generator)) / _peak(waveforms)
        waveforms = torch.where(chosen, (waveforms * drive).clamp(-1, 1) / drive, waveforms)
    if inside is not None:
        waveforms = waveforms * inside
    return waveforms.clamp(-1, 1)


def _played(waveforms: Waveforms, speed: float, generator: Generator) -> Waveforms:
    """Read at evenly spaced places around the middle, linearly between samples; silence beyond the ends."""
    if not speed:
        return waveforms
    samples = waveforms.shape[1]
    pace = torch.exp(math.log1p(speed) * _spread(waveforms, generator))
    centre = (samples - 1) / 2
    places = (torch.arange(samples, device=waveforms.device) - centre) * pace + centre
    inside = (places >= 0) & (places <= samples - 1)
    places = places.clamp(0, samples - 1)
    before = places.long()
    left, right = (waveforms.gather(1, place.clamp(max=samples - 1)) for place in (before, before + 1))
    return torch.lerp(left, right, places - before) * inside


def _word(waveforms: Waveforms, rate: int, share: float, generator: Generator) -> Tensor:
    """(b, samples) bool: where the word is, by its level, in a share of the clips; in the others true."""
    samples, step = waveforms.shape[1], round(rate / 50)
    level = F.avg_pool1d(waveforms.square(), step, ceil_mode=True)
    edge = _decibels(2 * (EDGE[0] + (EDGE[1] - EDGE[0]) * _share(waveforms, generator)))
    loud = level > edge * level.amax(1, keepdim=True)
    steps = torch.arange(level.shape[1], device=waveforms.device)
    first = torch.where(loud, steps, level.shape[1]).amin(1, keepdim=True) * step
    last = (torch.where(loud, steps, -1).amax(1, keepdim=True) + 1) * step
    left, right = (rate * MARGIN * _share(waveforms, generator) for _ in range(2))
    place = torch.arange(samples, device=waveforms.device)
    inside = (place >= first - left) & (place < last + right)
    return inside | ~_chosen(waveforms, share, generator)


def _filtered(waveforms: Waveforms, rate: int, config: WaveformConfig, generator: Generator) -> Waveforms:
    """Echo, the microphone's curve and a narrow band, as one product of spectra; as loud as before."""
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
    waveforms: Waveforms, rate: int, length: int, share: float, generator: Generator
) -> Complex[Tensor, "b bins"]:
    """Spectra of responses: the sound itself, then noise that dies away, 0 to 15 dB weaker in all (Moorer
    1979)."""
    seconds = torch.arange(round(rate * DECAY[1]), device=waveforms.device) / rate
    decay = DECAY[0] + (DECAY[1] - DECAY[0]) * _share(waveforms, generator)
    tail = torch.randn((len(waveforms), len(seconds)), generator=generator, device=waveforms.device)
    tail = tail * torch.exp(-math.log(1000) * seconds / decay) * (seconds > 0.002)
    tail = tail / tail.norm(dim=1, keepdim=True) * _decibels(-15 * _share(waveforms, generator))
    tail = tail * _chosen(waveforms, share, generator)
    tail[:, 0] = 1
    return torch.fft.rfft(tail, length)


def _curve(
    waveforms: Waveforms, hertz: Float[Tensor, " bins"], decibels: float, generator: Generator
) -> Float[Tensor, "b bins"]:
    """Gains along a smooth random curve whose standard deviation is `decibels`."""
    place = torch.log1p(hertz / 700) / math.log1p(float(hertz[-1]) / 700)
    waves = torch.cos(math.pi * torch.outer(torch.arange(1.0, CURVE + 1, device=hertz.device), place))
    size = torch.randn((len(waveforms), CURVE), generator=generator, device=hertz.device)
    falling = 1 / torch.arange(1.0, CURVE + 1, device=hertz.device)  # the broad bumps are the large ones
    return _decibels(decibels * (size * falling / falling.norm() * math.sqrt(2)) @ waves)


def _band(
    waveforms: Waveforms, hertz: Float[Tensor, " bins"], share: float, generator: Generator
) -> Float[Tensor, "b bins"]:
    """Gains that fall off with the fourth power of frequency below a band and with the eighth above it."""
    low = LOWEST_CUT + (HIGHEST_CUT - LOWEST_CUT) * _share(waveforms, generator)
    high = float(hertz[-1]) * (NARROWEST + (1 - NARROWEST) * _share(waveforms, generator))
    gains = 1 / (1 + (low / hertz.clamp(min=1)) ** 4) / (1 + (hertz / high) ** 8)
    return torch.where(_chosen(waveforms, share, generator), gains, 1.0)


def _noise(waveforms: Waveforms, generator: Generator) -> Waveforms:
    """Noise whose power falls with frequency to a power between 0 (white) and 2 (brown)."""
    bins = waveforms.shape[1] // 2 + 1
    white = torch.randn((len(waveforms), bins, 2), generator=generator, device=waveforms.device)
    falling = torch.arange(1.0, bins + 1, device=waveforms.device) ** -_share(waveforms, generator)
    return torch.fft.irfft(torch.view_as_complex(white) * falling, waveforms.shape[1])


def _beneath(
    waveforms: Waveforms, other: Waveforms, range_: tuple[float, float], share: float, generator: Generator
) -> Waveforms:
    """`other` so many dB below the clip, in a share of the clips; drawn evenly from the range."""
    low, high = range_
    below = low + (high - low) * _share(waveforms, generator)
    level = _loudness(waveforms) / _loudness(other) * _decibels(-below)
    return other * level * _chosen(waveforms, share, generator)


def _loudness(waveforms: Waveforms) -> PerClip:
    """Root mean square."""
    return waveforms.square().mean(1, keepdim=True).sqrt().clamp(min=1e-6)


def _peak(waveforms: Waveforms) -> PerClip:
    return waveforms.abs().amax(1, keepdim=True).clamp(min=1e-6)


def _decibels(value: Tensor) -> Tensor:
    """A factor for the amplitude."""
    return 10 ** (value / 20)


def _share(waveforms: Waveforms, generator: Generator) -> PerClip:
    """Evenly spread in 0 to 1."""
    return torch.rand((len(waveforms), 1), generator=generator, device=waveforms.device)


def _spread(waveforms: Waveforms, generator: Generator) -> PerClip:
    """Evenly spread in -1 to 1."""
    return 2 * _share(waveforms, generator) - 1


def _chosen(waveforms: Waveforms, share: float, generator: Generator) -> Tensor:
    """(b, 1) bool: true for about this share of the clips."""
    return _share(waveforms, generator) < share
