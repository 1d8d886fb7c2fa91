"""The speech embedding: a convolutional network by Google, trained on very many voices, as a torch module.

Every 80 ms it gives 96 numbers that describe the 775 ms around. It takes the log-mel energies of 32 filters,
computed inside the module from waveforms of any rate. The weights are those of the TensorFlow Hub module
`google/speech_embedding/1` (Lin et al. 2020, "Training keyword spotters with limited and synthesized speech
data"), Apache-2.0, as the package pyopen-wakeword 1.1.0 contains them (scripts/make_speech.py); they are in
`assets/`, with the licence.
"""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Num
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from seesay.config import FeaturesConfig
from seesay.errors import InputError
from seesay.signal.clip import as_float
from seesay.spec import WaveformSpec

WEIGHTS = Path(__file__).parent / "assets" / "speech.safetensors"

RATE, WINDOW, SHIFT, FFT = 16_000, 400, 160, 512
"""Samples per second of the original, and its analysis: a Hann window of 25 ms, every 10 ms, in the middle of
a frame of 32 ms."""

SIZE = 96
"""Numbers in an embedding."""

MARGIN = 0.5
"""Seconds of silence added on either side of a clip, so that its edges are seen whole."""

RANGE = 80.0
"""dB below the loudest energy of a clip: what is quieter counts as this."""

DEPTH = 20
"""Convolutions."""

GENERAL = 11
"""Convolutions, from the first, that keep their weights when the others are trained further: no worse on new
speakers (docs/log.md), and what they make of a clip is made once."""

POOLS = {2: (2, 2), 6: (1, 2), 10: (2, 2), 14: (1, 2), 18: (2, 2)}
"""Maximum pooling (time, frequency) after these convolutions."""


class SpeechMel(nn.Module):
    """Waveforms `(b, samples)` of a rate → log-mel energies `(b, frames, 32)` of the clip with `MARGIN` of
    silence on either side.

    The energies are `log10(power) + 2`, the power being that of int16 samples, and lie within `RANGE` of the
    loudest of the clip. At other rates than 16 kHz the same frequencies are analysed with as many samples as
    fit the window, so that nothing is resampled. Filters lie between 60 and 3,800 Hz.
    """

    even: Float[Tensor, "window bins"]
    odd: Float[Tensor, "window bins"]
    filters: Float[Tensor, "bins 32"]

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.rate, self.window, self.margin = rate, round(rate * WINDOW / RATE), round(rate * MARGIN)
        self.before = round(rate * (FFT - WINDOW) / 2 / RATE)
        filters = weights()["filters"]
        within = torch.arange(len(filters)) * RATE / FFT <= rate / 2  # above it a recording holds nothing
        place = np.arange(self.window)
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * place / self.window)
        angles = 2 * np.pi * np.outer(place - self.window / 2, np.arange(len(filters))) * RATE / FFT / rate
        hann *= 32_768 * RATE / rate
        for name, basis in (("even", np.cos(angles)), ("odd", np.sin(angles))):
            values = torch.from_numpy(hann[:, None] * basis).float()
            self.register_buffer(name, values.contiguous(), persistent=False)
        self.register_buffer("filters", filters * within[:, None], persistent=False)

    def forward(self, waveforms: Num[Tensor, "b samples"]) -> Float[Tensor, "b frames 32"]:
        whole = F.pad(as_float(waveforms), (self.margin, self.margin))
        frames = self._frames(whole[:, self.before :])
        power = ((frames @ self.even).square() + (frames @ self.odd).square()) @ self.filters
        decibels = 10 * power.clamp(min=1e-10).log10()
        return decibels.maximum(decibels.amax((1, 2), keepdim=True) - RANGE) / 10 + 2

    def _frames(self, samples: Float[Tensor, "b samples"]) -> Float[Tensor, "b frames window"]:
        """Windows every 10 ms, from the nearest sample where that is none."""
        shift, rest = divmod(self.rate * SHIFT, RATE)
        if not rest:
            return samples.unfold(-1, self.window, shift)
        places = torch.arange((samples.shape[1] - self.window) * RATE // (self.rate * SHIFT) + 1)
        starts = (places * self.rate * SHIFT + RATE // 2) // RATE
        return samples[:, (starts[:, None] + torch.arange(self.window)).to(samples.device)]


class SpeechEmbedding(nn.Module):
    """Log-mel energies `(b, frames, 32)` → embeddings `(b, windows, 96)`, every 8 frames, of 76
    frames each; or a part of the way.

    Twenty convolutions, in turn over frequency and over time, the latter without padding, so that all windows
    are computed at once. Between two of them the columns of a frame are its bands times the channels.
    """

    def __init__(self, first: int = 0, last: int = DEPTH, fixed: bool = False) -> None:
        """`first`, `last`: the convolutions from and before these. `fixed`: the weights are not parameters
        and are not saved with a model, since they are always the published ones."""
        super().__init__()
        self.numbers, tensors = range(first, last), weights()
        for number in self.numbers:
            for part in ("weight", "bias"):
                values = tensors[f"{number}.{part}"].clone()
                if part == "weight":
                    values = values.contiguous(memory_format=torch.channels_last)  # half the time
                if fixed:
                    self.register_buffer(f"{part}_{number}", values, persistent=False)
                else:
                    self.register_parameter(f"{part}_{number}", nn.Parameter(values))

    def forward(self, columns: Float[Tensor, "b frames columns"]) -> Float[Tensor, "b times features"]:
        channels = self.kernels(self.numbers[0]).shape[1]
        maps = columns.unflatten(2, (-1, channels)).permute(0, 3, 1, 2)
        for number in self.numbers:
            kernels = self.kernels(number)
            maps = F.conv2d(
                maps, kernels, getattr(self, f"bias_{number}"), padding=(0, kernels.shape[3] // 2)
            )
            if number < DEPTH - 1:
                maps = F.leaky_relu(maps, 0.2).clamp(min=-0.4)
            if number in POOLS:
                maps = F.max_pool2d(maps, POOLS[number])
        return maps.permute(0, 2, 3, 1).flatten(2)

    def extra_repr(self) -> str:
        """The convolutions, in what `print` shows of a model."""
        return f"convolutions {self.numbers.start} to {self.numbers.stop - 1}"

    def kernels(self, number: int) -> Tensor:
        """(channels after, channels before, height, width): the weights of a convolution."""
        return getattr(self, f"weight_{number}")


@cache
def weights() -> dict[str, Tensor]:
    """The published weights by name, and the mel filters. InputError if the packaged file is damaged."""
    try:
        return load_file(WEIGHTS)
    except Exception as error:  # safetensors raises its own and others
        raise InputError(f"{WEIGHTS} cannot be read ({error})", "Reinstall seesay.") from None


def speech_maps(features: FeaturesConfig, spec: WaveformSpec) -> nn.Module:
    """The module from clips to what the first convolutions make of them, (b, frames, columns)."""
    return nn.Sequential(SpeechMel(spec.rate), SpeechEmbedding(0, GENERAL, fixed=True))


def speech(features: FeaturesConfig, spec: WaveformSpec) -> nn.Module:
    """The module from clips to speech embeddings, (b, windows, 96), with fixed weights."""
    return nn.Sequential(SpeechMel(spec.rate), SpeechEmbedding(fixed=True))
