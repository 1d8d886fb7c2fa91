"""Read a recording from a file, bytes or an array as a mono waveform.

All later code sees one rate, one channel and float32. Input is not trusted: decoding goes block by block, so
that a false header costs little, and what cannot be used raises a one-line InputError.
"""

from collections.abc import Iterator
from itertools import chain
from os import PathLike
from typing import Any

import numpy as np
import soxr
from jaxtyping import Float, Int16

from seesay.errors import InputError
from seesay.signal.media import BLOCK, Sound
from seesay.signal.sound_files import LONGEST, RATES, Facts, opened
from seesay.signal.sound_files import facts_of as facts_of_file
from seesay.spec import WaveformSpec

Source = bytes | str | PathLike[str] | tuple[Any, Any]
"""A file's bytes, its path, or `(samples, rate)`: an array `(n,)` or `(n, channels)`, integers or floats in
[-1, 1], and Hz."""

MOST_CHANNELS = 32  # more is a false header, or a transposed array
LOUDEST = 8.0  # times full scale (18 dB): floats may exceed 1 a little; beyond this their scale is wrong
SILENCE = 2.0**-11
"""Peak, of full scale: sixteen steps of 16 bits, -66 dB. The softest of 3,338 real clips peaks at -54 dB."""
QUIET = 0.01
"""Peak, of full scale, -40 dB: one of 3,337 real clips is below it. Of 150 others, a model recognised 50 at
-50 dB and 147 at -40 dB (docs/log.md)."""
NOISE_FRAME = 0.04  # seconds
NOISE = 3.0
"""dB between the softest tenth and the loudest of the pre-emphasised frames, below which a recording is only
noise: 2.4 at most for 3,000 noises, white to brown, 0.3 to 10 s. Of 3,338 real words, brought to -50 dB, 6
are as even (docs/log.md)."""
TONE = 0.25  # fraction of the power: with more in one line of the spectrum it is a tone, not noise

KINDS = ("uint8", "int16", "int32", "float16", "float32", "float64")  # dtypes of samples in an array
UNKNOWN_LENGTH = 2**63 - 1  # libsndfile's count of samples for a stream without a length


def read_audio(source: Source | np.ndarray, spec: WaveformSpec) -> Float[np.ndarray, " samples"]:
    """A whole recording in [-1, 1] at `spec.rate`, a very quiet one amplified. InputError as in
    `read_waveform`."""
    if isinstance(source, np.ndarray):
        raise InputError("an array alone has no rate", "Give the pair (samples, rate).")
    return audible(read_waveform(source, spec.rate))


def read_waveform(source: Source, rate: int) -> Float[np.ndarray, " samples"]:
    """A whole recording as mono float32 in [-1, 1] at `rate`.

    Channels are averaged, the constant offset of the sound card is subtracted (it differs between microphones
    and would identify them), the rate is converted by soxr, and a peak above 1 is scaled down to 1. Of soxr's
    qualities it is VHQ, which computes in doubles: a page can then do the same, to the step of 16 bits. A WAV
    of unknown length, as programs write into a pipe, is read to its end.

    Raises InputError, naming the file, if it is missing, empty, no recording, damaged, truncated, longer than
    ten minutes, silent, holds NaN, or has an impossible rate or number of channels.
    """
    name = _name(source)
    if isinstance(source, tuple):
        return _checked(_read_array(source, rate, name), rate, name)
    with opened(source, name) as sound:
        samples = 1 if sound.frames is None else sound.frames  # an unknown length is counted while decoding
        _check_size(samples, sound.samplerate, sound.channels, name)
        return _checked(_joined(_counted(sound, name), sound.samplerate, rate, name), rate, name)


def facts_of(source: Source) -> Facts | None:
    """Rate and length, without decoding. None if unreadable: reading it raises the error."""
    if not isinstance(source, tuple):
        return facts_of_file(source)
    samples, rate = _pair(source)
    return Facts(rate, len(samples) / rate) if RATES[0] <= rate <= RATES[1] and samples.ndim else None


def audible(clip: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The recording, amplified to a peak of QUIET if below: a distant microphone must not change the word."""
    peak = max(_peak(clip), SILENCE)
    return clip if peak >= QUIET else clip * np.float32(QUIET / peak)


def as_content(waveform: Float[np.ndarray, "*n samples"]) -> Int16[np.ndarray, "*n samples"]:
    """The waveform as int16 for storage: `content / 32768` restores it, to half a 16-bit step."""
    content = np.empty(waveform.shape, np.int16)
    for part, whole in zip(_blocks(content), _blocks(waveform), strict=True):  # a whole copy takes 80 MB
        part[...] = np.clip(np.rint(whole * 32_768), -32_768, 32_767)
    return content


def _blocks(waveform: np.ndarray) -> Iterator[np.ndarray]:
    return (waveform[..., start : start + BLOCK] for start in range(0, waveform.shape[-1], BLOCK))


def _peak(waveform: Float[np.ndarray, " n"]) -> float:
    """The highest absolute sample, without a copy."""
    return float(max(waveform.max(initial=0.0), -waveform.min(initial=0.0)))


def _name(source: Source) -> str:
    """The recording's name in messages."""
    return str(source) if isinstance(source, str | PathLike) else "the recording"


# ----------------------------------------------------------------------------------------------------- arrays


def _read_array(source: tuple[Any, Any], rate: int, name: str) -> Float[np.ndarray, " samples"]:
    samples, source_rate = _pair(source)
    if samples.ndim not in (1, 2) or samples.dtype not in KINDS:
        got = f"{samples.dtype} of shape {samples.shape}"
        raise InputError(f"expected samples of shape (n,) or (n, channels), int16 or floats, got {got}")
    samples = samples.reshape(len(samples), -1)
    _check_size(len(samples), source_rate, samples.shape[1], name)
    blocks = (_scaled(samples[start : start + BLOCK]) for start in range(0, len(samples), BLOCK))
    return _joined(blocks, source_rate, rate, name)


def _pair(source: tuple[Any, Any]) -> tuple[np.ndarray, int]:
    match source:
        case (np.ndarray() as samples, int() | np.integer() as rate):
            return samples, int(rate)
    got = ", ".join(type(part).__name__ for part in source)
    raise InputError(f"expected the pair (samples, rate), an array and a whole number of Hz, got ({got})")


def _scaled(samples: np.ndarray) -> Float[np.ndarray, "n channels"]:
    """Samples as float32 with full scale 1. Integers are divided by their range, uint8 is centred on 128 as
    in WAV; floats are unchanged."""
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # overflow becomes infinite, which is refused later
            return samples.astype(np.float32)
    middle = 128 if samples.dtype == np.uint8 else 0
    return ((samples.astype(np.float64) - middle) / 2.0 ** (8 * samples.itemsize - 1)).astype(np.float32)


# ------------------------------------------------------------------------------------------------------- both


def _check_size(samples: int, rate: int, channels: int, name: str) -> None:
    """InputError for an impossible rate (Hz), number of channels, or number of samples per channel."""
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(f"{name} has {rate:,} samples a second; expected {RATES[0]:,} to {RATES[1]:,}")
    if not 1 <= channels <= MOST_CHANNELS:
        raise InputError(f"{name} has {channels:,} channels; expected 1 to {MOST_CHANNELS}")
    if samples == 0:
        raise InputError(f"{name} holds no samples", "Record it again, or leave it out.")
    if samples > LONGEST * rate:
        problem = f"lasts {samples / rate / 60:,.1f} minutes"
        problem = "has a header without a length" if samples == UNKNOWN_LENGTH else problem
        raise InputError(f"{name} {problem}; expected {LONGEST // 60} minutes at most", "Trim it.")


def _counted(sound: Sound, name: str) -> Iterator[Float[np.ndarray, "_ channels"]]:
    """The decoded blocks; InputError once they exceed the longest recording, whatever the header declares."""
    total = 0
    for block in sound.blocks:
        total += len(block)
        _check_size(total, sound.samplerate, sound.channels, name)
        yield block
    _check_size(total, sound.samplerate, sound.channels, name)


def _joined(
    blocks: Iterator[Float[np.ndarray, "_ channels"]], source_rate: int, rate: int, name: str
) -> Float[np.ndarray, " samples"]:
    """The mono waveform at `rate`: channels averaged, offset subtracted, resampled block by block.

    The offset is that of the first block (seconds long), so that resampling does not smear a step at the
    recording's edges.
    """
    mono = (_averaged(block, name) for block in blocks)
    first = next(mono)
    offset = np.float32(first.mean(dtype=np.float64))
    if source_rate == rate:
        return np.concatenate([first, *mono]) - offset
    stream = soxr.ResampleStream(source_rate, rate, 1, dtype="float32", quality="VHQ")
    parts = [stream.resample_chunk(block - offset) for block in chain([first], mono)]
    return np.concatenate([*parts, stream.resample_chunk(np.zeros(0, np.float32), last=True)])


def _averaged(block: Float[np.ndarray, "n channels"], name: str) -> Float[np.ndarray, " n"]:
    peak = np.abs(block).max()
    if not np.isfinite(peak):
        raise InputError(f"{name} holds NaN or infinite samples", "Export it again.")
    if peak > LOUDEST:
        raise InputError(f"{name} peaks at {peak:g} times full scale", "Give floats in [-1, 1], or int16.")
    return block.mean(axis=1)


def _checked(waveform: Float[np.ndarray, " samples"], rate: int, name: str) -> Float[np.ndarray, " samples"]:
    """The waveform, scaled down if it peaks above 1. InputError for silence or nothing but faint noise."""
    peak = _peak(waveform)
    if peak < SILENCE:
        limit = f"{20 * np.log10(SILENCE):.0f} dB of full scale"
        problem = f"{name} is silent: the mean of its channels stays below {limit}"
        raise InputError(problem, "Record it again, louder, or give one channel.")
    if peak < QUIET and _is_noise(waveform, rate):
        problem = f"{name} holds nothing but faint, steady noise, {20 * np.log10(peak):.0f} dB at most"
        raise InputError(problem, "Check the microphone and record it again, louder.")
    return waveform / np.float32(peak) if peak > 1 else waveform


def _is_noise(waveform: Float[np.ndarray, " samples"], rate: int) -> bool:
    """Whether the waveform is steady noise: equally loud throughout, digital silence aside, and no tone.
    Pre-emphasis removes rumble and hum, which vary over frames this short."""
    frame = min(len(waveform) - 1, round(NOISE_FRAME * rate))
    if frame < 1:
        return True
    steps = np.diff(waveform.astype(np.float64))
    frames = steps[: len(steps) // frame * frame].reshape(-1, frame)
    frames = frames[(frames**2).mean(1) > (0.3 / 32_768) ** 2]
    levels = 10 * np.log10((frames**2).mean(1))
    if not levels.size or levels.max() - np.quantile(levels, 0.1) >= NOISE:
        return False
    spectrum = (np.abs(np.fft.rfft(frames)) ** 2).mean(0)
    return bool(spectrum.max() < TONE * spectrum.sum())
