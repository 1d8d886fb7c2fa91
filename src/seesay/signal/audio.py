"""The door for recordings: a file, bytes or an array become a mono waveform.

After this door nobody asks about formats, rates, channels or bit depths again. What comes in is not trusted:
a header is believed only where that is cheap, decoding goes block by block, and whatever cannot be used is
refused in one line.
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

MOST_CHANNELS = 32  # more is a lying header, or an array that lies on its side
LOUDEST = 8.0  # times full scale (18 dB): floats may go above 1; beyond this they are no fractions of it
SILENCE = 2.0**-11
"""Peak, of full scale: sixteen steps of 16 bits, -66 dB. The softest of 3,338 real clips peaks at -54 dB."""
QUIET = 0.01
"""Peak, of full scale, -40 dB: one of 3,337 real clips is below it. Of 150 others brought to -50 dB a
model heard 50 right, and 147 at -40 dB (docs/log.md)."""
NOISE_FRAME = 0.04  # seconds
NOISE = 3.0
"""dB from the tenth part of frames that is softest to the loudest one, pre-emphasised, of what is only noise:
2.4 at most of 3,000 noises, white to brown, 0.3 to 10 s. Of 3,338 real words, brought to -50 dB, 6
are as even (docs/log.md)."""
TONE = 0.25  # of the power: where one line of the spectrum has more, it is no noise

KINDS = ("uint8", "int16", "int32", "float16", "float32", "float64")  # of samples in an array
UNKNOWN_LENGTH = 2**63 - 1  # libsndfile's count of samples for a stream that does not say


def read_audio(source: Source | np.ndarray, spec: WaveformSpec) -> Float[np.ndarray, " samples"]:
    """A whole recording in [-1, 1] at `spec.rate`, a very quiet one turned up. What `read_waveform` refuses:
    InputError."""
    if isinstance(source, np.ndarray):
        raise InputError("an array alone does not say its rate", "Give the pair (samples, rate).")
    return audible(read_waveform(source, spec.rate))


def read_waveform(source: Source, rate: int) -> Float[np.ndarray, " samples"]:
    """A whole recording as mono float32 in [-1, 1] at `rate`.

    Channels are averaged, the constant offset of the sound card is subtracted (it differs between microphones
    and would tell them apart), the rate is converted by soxr (quality HQ), and what then peaks above 1 is
    turned down to 1. A WAV of unknown length, as programs write into a pipe, is read as far as it goes.

    Raises InputError, naming the file, for what is missing, empty, no recording, damaged, cut short, longer
    than ten minutes, silent, not a number, or has an impossible rate or number of channels.
    """
    name = _name(source)
    if isinstance(source, tuple):
        return _checked(_read_array(source, rate, name), rate, name)
    with opened(source, name) as sound:
        samples = 1 if sound.frames is None else sound.frames  # what is not known is counted as it comes
        _check_size(samples, sound.samplerate, sound.channels, name)
        return _checked(_joined(_counted(sound, name), sound.samplerate, rate, name), rate, name)


def facts_of(source: Source) -> Facts | None:
    """Rate and length, found without decoding. None for what cannot be read: reading it will say why."""
    if not isinstance(source, tuple):
        return facts_of_file(source)
    samples, rate = _pair(source)
    return Facts(rate, len(samples) / rate) if RATES[0] <= rate <= RATES[1] and samples.ndim else None


def audible(clip: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The recording, turned up to a peak of QUIET where it is below that: a microphone far away is no other
    word."""
    return clip * np.float32(max(1.0, QUIET / max(float(np.abs(clip).max(initial=0.0)), SILENCE)))


def as_content(waveform: Float[np.ndarray, "*n samples"]) -> Int16[np.ndarray, "*n samples"]:
    """The waveform as it is kept on disk: `content / 32768` is the waveform, to half a step of 16 bits."""
    return np.clip(np.rint(waveform * 32_768), -32_768, 32_767).astype(np.int16)


def _name(source: Source) -> str:
    """What to call a recording in a message."""
    return str(source) if isinstance(source, str | PathLike) else "the recording"


# ----------------------------------------------------------------------------------------------------- arrays


def _read_array(source: tuple[Any, Any], rate: int, name: str) -> Float[np.ndarray, " samples"]:
    samples, own_rate = _pair(source)
    if samples.ndim not in (1, 2) or samples.dtype not in KINDS:
        came = f"{samples.dtype} of shape {samples.shape}"
        raise InputError(f"expected samples of shape (n,) or (n, channels), int16 or floats, got {came}")
    samples = samples.reshape(len(samples), -1)
    _check_size(len(samples), own_rate, samples.shape[1], name)
    blocks = (_scaled(samples[start : start + BLOCK]) for start in range(0, len(samples), BLOCK))
    return _joined(blocks, own_rate, rate, name)


def _pair(source: tuple[Any, Any]) -> tuple[np.ndarray, int]:
    match source:
        case (np.ndarray() as samples, int() | np.integer() as rate):
            return samples, int(rate)
    came = ", ".join(type(part).__name__ for part in source)
    raise InputError(f"expected the pair (samples, rate), an array and a whole number of Hz, got ({came})")


def _scaled(samples: np.ndarray) -> Float[np.ndarray, "n channels"]:
    """float32, full scale at 1: whole numbers by their width, unsigned 8 bits around 128 as in WAV; floats as
    they are."""
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # becomes infinite, and is refused
            return samples.astype(np.float32)
    middle = 128 if samples.dtype == np.uint8 else 0
    return ((samples.astype(np.float64) - middle) / 2.0 ** (8 * samples.itemsize - 1)).astype(np.float32)


# ------------------------------------------------------------------------------------------------------- both


def _check_size(samples: int, rate: int, channels: int, name: str) -> None:
    """InputError where samples of each channel, rate in Hz or channels are not those of a recording."""
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(f"{name} has {rate:,} samples a second; expected {RATES[0]:,} to {RATES[1]:,}")
    if not 1 <= channels <= MOST_CHANNELS:
        raise InputError(f"{name} has {channels:,} channels; expected 1 to {MOST_CHANNELS}")
    if samples == 0:
        raise InputError(f"{name} holds no samples", "Record it again, or leave the recording out.")
    if samples > LONGEST * rate:
        said = f"lasts {samples / rate / 60:,.1f} minutes"
        said = "does not say how long it lasts" if samples == UNKNOWN_LENGTH else said
        raise InputError(f"{name} {said}; expected {LONGEST // 60} minutes at most", "Cut out the word.")


def _counted(sound: Sound, name: str) -> Iterator[Float[np.ndarray, "_ channels"]]:
    """The decoded samples, never more than the longest recording allows, whatever the header said."""
    total = 0
    for block in sound.blocks:
        total += len(block)
        _check_size(total, sound.samplerate, sound.channels, name)
        yield block
    _check_size(total, sound.samplerate, sound.channels, name)


def _joined(
    blocks: Iterator[Float[np.ndarray, "_ channels"]], own_rate: int, rate: int, name: str
) -> Float[np.ndarray, " samples"]:
    """Channels averaged, offset subtracted and the rate converted, block by block.

    The offset is that of the first block (seconds), so that conversion does not smear a step at the
    recording's edges.
    """
    mono = (_averaged(block, name) for block in blocks)
    first = next(mono)
    offset = np.float32(first.mean(dtype=np.float64))
    if own_rate == rate:
        return np.concatenate([first, *mono]) - offset
    stream = soxr.ResampleStream(own_rate, rate, 1, dtype="float32", quality="HQ")
    parts = [stream.resample_chunk(block - offset) for block in chain([first], mono)]
    return np.concatenate([*parts, stream.resample_chunk(np.zeros(0, np.float32), last=True)])


def _averaged(block: Float[np.ndarray, "n channels"], name: str) -> Float[np.ndarray, " n"]:
    peak = np.abs(block).max()
    if not np.isfinite(peak):
        raise InputError(f"{name} holds samples that are not a number or infinite", "Export it again.")
    if peak > LOUDEST:
        raise InputError(f"{name} peaks at {peak:g} times full scale", "Give floats in [-1, 1], or int16.")
    return block.mean(axis=1)


def _checked(waveform: Float[np.ndarray, " samples"], rate: int, name: str) -> Float[np.ndarray, " samples"]:
    """The waveform, turned down where it peaks above 1; InputError where nothing can be heard."""
    peak = float(np.abs(waveform).max(initial=0.0))
    if peak < SILENCE:
        limit = f"{20 * np.log10(SILENCE):.0f} dB of full scale"
        came = f"{name} is silent, the mean of its channels stays below {limit}"
        raise InputError(came, "Record it again, louder, or give one channel.")
    if peak < QUIET and _is_noise(waveform, rate):
        came = f"{name} holds nothing but faint noise, even throughout, {20 * np.log10(peak):.0f} dB at most"
        raise InputError(came, "Check the microphone and record it again, louder.")
    return waveform / np.float32(max(peak, 1.0))


def _is_noise(waveform: Float[np.ndarray, " samples"], rate: int) -> bool:
    """Whether it is about as loud from beginning to end, digital silence aside, and no tone. Pre-emphasis
    takes off rumble and hum, which are uneven in frames this short."""
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
