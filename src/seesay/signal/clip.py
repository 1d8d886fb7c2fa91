"""Where in a recording the clip is cut: at its loudest part, unless the voice is elsewhere.

A thump, a clap or a hiss can be louder than the word. None of them is periodic above the lowest frequencies,
and vowels are, so the periodicity of short frames decides between the loudest part and another one. All of it
is part of the model's front end.
"""

import math

import torch
from jaxtyping import Float, Float32, Float64, Int64, Num
from torch import Tensor, nn
from torch.nn import functional as F

PLATEAU = 0.01
"""Fraction of the highest sum: windows within this much of it count as equally good."""

FRAME, HOP = 0.04, 0.01
"""Seconds of a frame whose periodicity is measured, and from one to the next. Three periods of the lowest
pitch fit in, as Boersma (1993) advises."""

PITCH = (75.0, 400.0)
"""Hz: the range of pitch that is looked for. A higher voice repeats at two or three of its periods too."""

BAND = (200.0, 3_000.0)
"""Hz: the band that periodicity and power are measured in. Thumps and hum lie mostly below it."""

PERIODIC = 0.25
"""Periodicity at which a frame begins to count as voiced (docs/log.md)."""

ENOUGH = 0.75
"""The loudest part is left only where it holds less than this fraction of the voiced sound of the best part.
Lower values change fewer recordings, and cut a word next to a noise more often (docs/log.md)."""

LEAST = 1e-3
"""Voiced sound that any clip counts for, so that clips without any, such as of rain, count alike."""

LOWEST_RATE = 2_000
"""Samples per second: with fewer there is too little of the band."""

SILENT = 1e-9
"""Sum over a spectrum that counts as none."""


class Clip(nn.Module):
    """Recordings `(b, n)` of any length → clips `(b, samples)` of the same type: the loudest part, or the one
    with most voiced sound if the loudest holds less than `ENOUGH` of that.

    A shorter recording is padded on both sides with zeros. Where many adjacent windows have (nearly) the most
    energy, as around a word shorter than the clip, the middle one is taken, which centres the word.
    """

    def __init__(self, samples: int, rate: int) -> None:
        super().__init__()
        self.samples = samples
        fits = rate >= LOWEST_RATE and round(FRAME * rate) <= samples
        self.voicing = Voicing(rate) if fits else None

    def forward(self, recordings: Num[Tensor, "b n"]) -> Num[Tensor, "b samples"]:
        if recordings.shape[1] == self.samples:
            return recordings
        longer = recordings.shape[1] > self.samples
        return self.cut(recordings) if longer else self.padded(recordings)

    def padded(self, recordings: Num[Tensor, "b n"]) -> Num[Tensor, "b samples"]:
        """Recordings of at most a clip's length, with as many zeros before as after."""
        missing = self.samples - recordings.shape[1]
        return F.pad(recordings, (missing // 2, missing - missing // 2))

    def cut(self, recordings: Num[Tensor, "b n"]) -> Num[Tensor, "b samples"]:
        """The clip out of longer recordings."""
        start = middle_of_best(sums(recordings.double().square(), self.samples))
        if self.voicing is not None:
            start = self._voiced(recordings, start, self.voicing)
        return recordings.gather(1, start + torch.arange(self.samples, device=start.device))

    def weight(self, clips: Num[Tensor, "b samples"]) -> Float64[Tensor, " b"]:
        """How much each of several clips of a recording says: the voiced sound that it holds, and LEAST."""
        voiced = torch.zeros(len(clips)) if self.voicing is None else self.voicing(clips).sum(1)
        return voiced.double() + LEAST

    def _voiced(
        self, recordings: Num[Tensor, "b n"], loudest: Int64[Tensor, "b 1"], voicing: "Voicing"
    ) -> Int64[Tensor, "b 1"]:
        """The first sample of the clip, given that of the loudest part."""
        hop = voicing.hop
        voiced = sums(voicing(recordings).double(), (self.samples - voicing.frame) // hop + 1)
        there = ((loudest + hop // 2) // hop).clamp(max=voiced.shape[1] - 1)
        enough = voiced.gather(1, there) >= ENOUGH * voiced.amax(1, keepdim=True)
        latest = recordings.shape[1] - self.samples
        return torch.where(enough, loudest, (middle_of_best(voiced) * hop).clamp(max=latest))


class Voicing(nn.Module):
    """Waveforms `(b, n)` → how much voiced sound each frame holds, `(b, frames)`: the fourth root of its
    power, times 0 to 1 for a periodicity of `PERIODIC` to 1. The root keeps a loud vowel from outweighing a
    whole word.

    The periodicity is the highest autocorrelation within `PITCH`, divided by that of the window (Boersma
    1993, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a
    sampled sound"), from the magnitudes within `BAND`. Their squares would let a narrow band of noise, as of
    a slam, look more periodic (compressed spectra: Tolonen and Karjalainen 2000, "A computationally efficient
    multipitch analysis model").
    """

    cosines: Float[Tensor, "frame bins"]
    sines: Float[Tensor, "frame bins"]
    correlations: Float[Tensor, "bins lags"]

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.frame, self.hop = max(1, round(FRAME * rate)), max(1, round(HOP * rate))
        lags = torch.arange(math.ceil(rate / PITCH[1]), math.floor(rate / PITCH[0]) + 1)
        spacing = rate / (self.frame + lags[-1])  # of the bins: no lag in the range is aliased
        bins = torch.arange(math.ceil(BAND[0] / spacing), math.floor(min(BAND[1], rate / 2) / spacing) + 1)
        turns = 2 * math.pi / rate * spacing * bins.double()
        hann = torch.hann_window(self.frame, dtype=torch.float64)
        own = torch.stack([(hann[: self.frame - lag] * hann[lag:]).sum() for lag in lags.tolist()])
        angles = torch.arange(self.frame).double()[:, None] * turns
        basis = {"cosines": hann[:, None] * angles.cos(), "sines": hann[:, None] * angles.sin()}
        basis["correlations"] = (turns[:, None] * lags).cos() * hann.square().sum() / own
        for name, values in basis.items():
            self.register_buffer(name, values.float().contiguous(), persistent=False)

    def forward(self, waveforms: Num[Tensor, "b n"]) -> Float[Tensor, "b frames"]:
        frames = as_float(waveforms).unfold(-1, self.frame, self.hop)
        power = (frames @ self.cosines).square() + (frames @ self.sines).square()
        magnitude = power.sqrt()
        periodicity = (magnitude @ self.correlations).amax(-1) / magnitude.sum(-1).clamp(min=SILENT)
        return power.sum(-1).sqrt().sqrt() * ((periodicity - PERIODIC) / (1 - PERIODIC)).clamp(0, 1)


def sums(values: Float64[Tensor, "b n"], count: int) -> Float64[Tensor, "b places"]:
    """The sum of each `count` adjacent values, from each place where so many follow."""
    running = F.pad(values.cumsum(1), (1, 0))
    return running[:, count:] - running[:, :-count]


def middle_of_best(score: Float64[Tensor, "b places"]) -> Int64[Tensor, "b 1"]:
    """The place of the highest score, or the middle of the adjacent places within `PLATEAU` of it."""
    best = score.argmax(1, keepdim=True)
    worse = score < (1 - PLATEAU) * score.gather(1, best)
    place = torch.arange(score.shape[1], device=score.device)
    first = torch.where(worse & (place < best), place, -1).amax(1, keepdim=True) + 1
    last = torch.where(worse & (place > best), place, score.shape[1]).amin(1, keepdim=True) - 1
    return (first + last) // 2


def as_float(waveforms: Num[Tensor, "b samples"]) -> Float32[Tensor, "b samples"]:
    """Waveforms as float32 in [-1, 1]: int16 is divided by 32768, floats are unchanged."""
    return waveforms.float() if waveforms.is_floating_point() else waveforms.float() / 32_768
