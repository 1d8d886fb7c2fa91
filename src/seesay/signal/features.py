"""Front ends: modules from a recording's content to the features `(frames, columns)` that an encoder eats.

Spectra are a matrix product with the windowed basis of the discrete Fourier transform, so that a front end is
made of operations that export everywhere and travels inside the model. Everything is computed in float32,
whatever comes in.
"""

import math

import numpy as np
import torch
from jaxtyping import Float, Float32, Num
from torch import Tensor, nn

from seesay.config import AudioSpec
from seesay.errors import ConfigError

FLOOR = 1e-8
"""Mel power that counts as silence: -80 dB, a full-scale sine being 1. It is where a quiet room lies (noise
of -65 dB in all), so the zeros around a trimmed word look like the room around an untrimmed one. Measured on
unseen speakers of 3,338 real clips (SVM on MFCC), accuracy for floors of -60, -70, -80, -90, -100 dB: 0.61,
0.71, 0.77, 0.77, 0.76; of the untrimmed clips alone: 0.49, 0.46, 0.45, 0.38, 0.37."""


class LogMel(nn.Module):
    """Waveforms `(b, samples)` → `ln(1 + mel power / FLOOR)`, `(b, frames, filters)`.

    So digital silence is 0, a full-scale sine about 18, and speech that is twice as loud (6 dB) ln 4 more.
    A waveform is float in [-1, 1] or int16, which is divided by 32768. Frames lie wholly inside it, nothing
    is padded. The window is a periodic Hann; the spectrum's length is the next power of two; a full-scale
    sine has power 1 at its line. The filters are triangles of peak 1 on the HTK mel scale.

    Raises ConfigError for a filter so narrow that it holds no line of the spectrum.
    """

    even: Float[Tensor, "half bins"]
    odd: Float[Tensor, "half bins"]
    filters: Float[Tensor, "bins filters"]

    def __init__(self, spec: AudioSpec) -> None:
        super().__init__()
        self.window = round(spec.rate * spec.window)
        self.shift = round(spec.rate * spec.shift)
        length = 2 ** math.ceil(math.log2(self.window))
        filters = mel_filters(spec, length)
        bins = np.flatnonzero(filters.any(axis=0))
        # Divided by the floor here, since onnxscript 0.7.2 takes the 1e-8 of `mel + 1e-8` for 0 and drops it.
        even, odd = (basis / math.sqrt(FLOOR) for basis in folded_basis(self.window, length, bins))
        for name, values in (("even", even), ("odd", odd), ("filters", filters[:, bins].T)):
            self.register_buffer(name, torch.from_numpy(values).float().contiguous(), persistent=False)

    def mel(self, waveforms: Num[Tensor, "b samples"]) -> Float[Tensor, "b frames filters"]:
        """Mel power / FLOOR, before the logarithm."""
        frames = as_float(waveforms).unfold(-1, self.window, self.shift)
        after = frames[..., (self.window + 1) // 2 :]
        before = frames[..., 1 : self.window // 2 + 1].flip(-1)
        real, imaginary = (after + before) @ self.even, (after - before) @ self.odd
        return (real * real + imaginary * imaginary) @ self.filters

    def forward(self, waveforms: Num[Tensor, "b samples"]) -> Float[Tensor, "b frames filters"]:
        return (1 + self.mel(waveforms)).log()


class Mfcc(nn.Module):
    """Waveforms `(b, samples)` → cepstra 1 to n and then the log energy, `(b, frames, n + 1)`.

    Cepstra are the orthonormal cosine transform (DCT-II) of the log-mel columns. The energy, too, is
    `ln(1 + power / FLOOR)`, of the filters' sum: that of the frame between the lowest and the highest filter,
    so that sound above it, which only sources of higher rates have, is no part of it.
    """

    cosines: Float[Tensor, "filters coefficients"]

    def __init__(self, spec: AudioSpec) -> None:
        super().__init__()
        self.log_mel = LogMel(spec)
        cosines = torch.from_numpy(cosine_basis(spec.filters, spec.coefficients)).float()
        self.register_buffer("cosines", cosines, persistent=False)

    def forward(self, waveforms: Num[Tensor, "b samples"]) -> Float[Tensor, "b frames columns"]:
        mel = self.log_mel.mel(waveforms)
        cepstra = (1 + mel).log() @ self.cosines
        energy = (1 + mel.sum(-1, keepdim=True)).log()
        return torch.cat([cepstra, energy], dim=-1)


class ReadyMade(nn.Module):
    """Feature matrices `(b, t, f)` that were handed over ready-made, as float32; nothing else happens to
    them."""

    def forward(self, features: Num[Tensor, "b t f"]) -> Float32[Tensor, "b t f"]:
        return features.float()


class Normaliser(nn.Module):
    """`(features - mean) / scale`, per column."""

    mean: Float[Tensor, " f"]
    scale: Float[Tensor, " f"]

    def __init__(self, mean: tuple[float, ...], scale: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)

    def forward(self, features: Float[Tensor, "b t f"]) -> Float[Tensor, "b t f"]:
        return (features - self.mean) / self.scale

    @staticmethod
    def fit(features: Float[np.ndarray, "n t f"]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of every column over all frames, for `AudioSpec.mean` and
        `AudioSpec.scale`.

        A column that does not vary (beyond rounding) gets the scale 1, and so becomes zero.
        """
        mean = features.mean(axis=(0, 1), dtype=np.float64)
        scale = features.std(axis=(0, 1), dtype=np.float64)
        varies = scale > np.finfo(np.float32).eps * np.abs(mean)
        return tuple(mean.tolist()), tuple(np.where(varies, scale, 1.0).tolist())


def front_end(spec: AudioSpec) -> nn.Module:
    """The module from contents to features `(b, frames, columns)`; normalised if the spec has mean and scale.

    Raises ConfigError where mean or scale do not have one value for each column.
    """
    makers = {"mfcc": Mfcc, "log-mel": LogMel}
    features = makers[spec.features](spec) if spec.features in makers else ReadyMade()
    if not spec.mean and not spec.scale:
        return nn.Sequential(features)
    if not len(spec.mean) == len(spec.scale) == spec.columns or min(spec.scale) <= 0:
        raise ConfigError(
            f"the normaliser needs a mean and a positive scale for each of {spec.columns} columns, got "
            f"{len(spec.mean)} and {len(spec.scale)}, the smallest scale being {min(spec.scale, default=0):g}"
        )
    return nn.Sequential(features, Normaliser(spec.mean, spec.scale))


@torch.no_grad()
def audio_features(
    contents: Num[np.ndarray, "n ..."], spec: AudioSpec, batch: int = 64
) -> Float32[np.ndarray, "n t f"]:
    """`front_end(spec)` of a table of contents, which may be memory-mapped, `batch` rows at a time."""
    module = front_end(spec)
    features = np.empty((len(contents), *spec.shape), np.float32)
    for start in range(0, len(contents), batch):
        rows = slice(start, start + batch)
        features[rows] = module(torch.tensor(contents[rows])).numpy()
    return features


def as_float(waveforms: Num[Tensor, "b samples"]) -> Float32[Tensor, "b samples"]:
    """float32 in [-1, 1]: int16 contents are divided by 32768, floats keep their values."""
    return waveforms.float() if waveforms.is_floating_point() else waveforms.float() / 32_768


def hertz_to_mel(hertz: float) -> float:
    """The HTK mel scale (The HTK Book 3.4, section 5.4)."""
    return 2595.0 * math.log10(1.0 + hertz / 700.0)


def mel_to_hertz(mel: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Inverse of `hertz_to_mel`."""
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)


def mel_filters(spec: AudioSpec, length: int) -> Float[np.ndarray, "filters bins"]:
    """Triangles of peak 1, straight in Hz, equally far apart in mel, sampled at the lines of a spectrum.

    Each rises from its lower neighbour's peak to its own and falls to its upper neighbour's, so between the
    lowest and the highest peak they add up to 1. Raises ConfigError where a filter lies between two lines.
    """
    corners = mel_to_hertz(np.linspace(hertz_to_mel(spec.low), hertz_to_mel(spec.high), spec.filters + 2))
    lines = np.arange(length // 2 + 1) * spec.rate / length
    rising = (lines - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    falling = (corners[2:, None] - lines) / (corners[2:] - corners[1:-1])[:, None]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    empty = [str(number) for number in np.flatnonzero(filters.sum(axis=1) == 0) + 1]
    if empty:
        raise ConfigError(
            f"mel filter {', '.join(empty[:10])} of {spec.filters} lies between two lines of the spectrum, "
            f"which are {spec.rate / length:g} Hz apart",
            "Use fewer filters, a longer window or a wider band.",
        )
    return filters


def folded_basis(
    window: int, length: int, bins: np.ndarray
) -> tuple[Float[np.ndarray, "half bins"], Float[np.ndarray, "half bins"]]:
    """Cosines and sines under a periodic Hann window, for the sums and the differences of mirrored samples.

    The window is even around its middle (its sample 0 is zero and has no partner), so the real part of the
    spectrum with that middle as origin needs the sums only, and the imaginary part the differences: half the
    multiplications of the plain product. The power does not depend on the origin. Scaled so that a full-scale
    sine on a line has power 1 there.
    """
    positions = np.arange((window + 1) // 2, window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    weights = hann[positions] * 2 / hann.sum()
    weights[positions * 2 == window] /= 2  # the middle of an even window is its own partner
    angles = 2 * np.pi / length * np.outer(positions - window / 2, bins)
    return weights[:, None] * np.cos(angles), weights[:, None] * np.sin(angles)


def cosine_basis(filters: int, coefficients: int) -> Float[np.ndarray, "filters coefficients"]:
    """Columns 1 to `coefficients` of the orthonormal DCT-II."""
    angles = np.pi / filters * np.outer(np.arange(filters) + 0.5, np.arange(1, coefficients + 1))
    return math.sqrt(2 / filters) * np.cos(angles)
