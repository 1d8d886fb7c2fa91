"""The door for recordings: a file, bytes or an array become a mono waveform, and that a clip around the word.

After this door nobody asks about formats, rates, channels or bit depths again. What comes in is not trusted:
a header is believed only where that is cheap, decoding goes block by block, and whatever cannot be used is
refused in one line.
"""

import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedIOBase, BytesIO
from itertools import chain
from os import PathLike, close, devnull, dup, dup2
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import soundfile
import soxr
from jaxtyping import Float, Int16

from seesay.config import AudioSpec
from seesay.errors import InputError
from seesay.files import check_file

Source = bytes | str | PathLike[str] | tuple[Any, Any]
"""A file's bytes, its path, or `(samples, rate)`: an array `(n,)` or `(n, channels)`, integers or floats in
[-1, 1], and Hz."""

LONGEST = 600
"""Seconds. A spoken word takes one; ten minutes leave room for a careless recording, an hour is a mistake."""
RATES = (1_000, 768_000)  # Hz, lowest and highest believed: below is no speech, above is no sound card
MOST_CHANNELS = 32  # more is a lying header, or an array that lies on its side
LOUDEST = 8.0  # times full scale (18 dB): floats may go above 1; beyond this they are no fractions of it
SILENCE = 2.0**-11
"""Peak, of full scale: sixteen steps of 16 bits, -66 dB. The softest of 3,338 real clips peaks at -54 dB."""
PIPED = 2**31 - 4096  # bytes: lengths from here on are what programs write into a pipe, not knowing it yet
BLOCK = 65_536  # samples of each channel that are decoded at a time, whatever length a header claims
QUIET = 0.01
"""Peak, of full scale, -40 dB: one of 3,337 real clips is below it. Of 150 others brought to -50 dB a
model heard 50 right, and 147 at -40 dB (docs/log.md)."""
PLATEAU = 0.01  # of the most energy: windows that hold all but this much are equally good

FORMATS = "WAV, FLAC, OGG (Vorbis, Opus), MP3 or AIFF"
MAGIC = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS")
"""How those begin, but for MP3."""
ENDIAN = {b"RIFF": "<", b"RF64": "<", b"RIFX": ">", b"FORM": ">"}
"""Of the numbers in files that are made of chunks."""
KINDS = ("uint8", "int16", "int32", "float16", "float32", "float64")  # of samples in an array
UNKNOWN_LENGTH = 2**63 - 1  # libsndfile's count of samples for a stream that does not say

_standard_error = Lock()  # held while file descriptor 2 points elsewhere


def read_audio(source: Source | np.ndarray, spec: AudioSpec) -> Float[np.ndarray, "..."]:
    """The clip `(spec.samples,)` around the loudest part of a recording, in [-1, 1] at `spec.rate`, a very
    quiet one turned up.

    Where the spec's features are `unknown` no recording can be read, since nobody can say how features were
    made from it: InputError, unless `source` is a ready-made feature matrix of `spec.shape`, which is passed
    on as float32. What `read_waveform` refuses is refused here too.
    """
    if spec.features == "unknown":
        return _ready_made(source, spec)
    if isinstance(source, np.ndarray):
        raise InputError("an array alone does not say its rate", "Give the pair (samples, rate).")
    return audible(clip_around_word(read_waveform(source, spec.rate), spec.samples))


def read_waveform(source: Source, rate: int) -> Float[np.ndarray, " samples"]:
    """A whole recording as mono float32 in [-1, 1] at `rate`.

    Channels are averaged, the constant offset of the sound card is subtracted (it differs between microphones
    and would tell them apart), the rate is converted by soxr (quality HQ), and what then peaks above 1 is
    turned down to 1. A WAV of unknown length, as programs write into a pipe, is read as far as it goes.

    Raises InputError, naming the file, for what is missing, empty, no recording, damaged, cut short, longer
    than ten minutes, silent, not a number, or has an impossible rate or number of channels.
    """
    name = _name(source)
    try:
        if isinstance(source, tuple):
            waveform = _read_array(source, rate, name)
        else:
            waveform = _read_file(source, rate, name)
    except soundfile.LibsndfileError as error:
        problem = f"{name} is damaged or of a kind that cannot be decoded ({error.error_string.rstrip('. ')})"
        raise InputError(problem, f"Save it again as {FORMATS}.") from None
    return _checked(waveform, name)


def clip_around_word(waveform: Float[np.ndarray, " n"], samples: int) -> Float[np.ndarray, " {samples}"]:
    """The `samples` of a waveform that hold the most energy; a shorter one is centred on silence (zeros).

    Where many windows next to each other hold (nearly) the most, as around a word shorter than the clip, the
    middle one is taken, so that the word is centred.
    """
    missing = samples - len(waveform)
    if missing >= 0:
        return np.pad(waveform, (missing // 2, missing - missing // 2))
    sums = np.concatenate([[0.0], np.cumsum(waveform.astype(np.float64) ** 2)])
    energy = sums[samples:] - sums[:-samples]
    best = int(energy.argmax())
    worse = np.flatnonzero(energy < (1 - PLATEAU) * energy[best])
    first = worse[worse < best].max(initial=-1) + 1
    last = worse[worse > best].min(initial=len(energy)) - 1
    start = (first + last) // 2
    return waveform[start : start + samples]


def audible(clip: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The clip, turned up to a peak of QUIET where it is below that: a microphone far away is no other
    word."""
    return clip * np.float32(max(1.0, QUIET / max(float(np.abs(clip).max(initial=0.0)), SILENCE)))


def as_content(waveform: Float[np.ndarray, "*n samples"]) -> Int16[np.ndarray, "*n samples"]:
    """The waveform as it is kept on disk: `content / 32768` is the waveform, to half a step of 16 bits."""
    return np.clip(np.rint(waveform * 32_768), -32_768, 32_767).astype(np.int16)


def _name(source: Source) -> str:
    """What to call a recording in a message."""
    return str(source) if isinstance(source, str | PathLike) else "the recording"


def _ready_made(source: Source | np.ndarray, spec: AudioSpec) -> Float[np.ndarray, "t f"]:
    """A feature matrix of exactly the spec's shape, or InputError."""
    if not isinstance(source, np.ndarray):
        raise InputError(
            f"{_name(source)} cannot be turned into features: this model's came ready-made, how is not known",
            f"Give a feature matrix of shape {spec.shape}, or use a model that was trained on recordings.",
        )
    if source.shape != spec.shape or source.dtype.kind not in "fiu":
        came = f"{source.dtype} of shape {source.shape}"
        raise InputError(f"expected a feature matrix of numbers of shape {spec.shape}, got {came}")
    if not np.isfinite(source).all():
        raise InputError("the feature matrix holds values that are not a number or infinite")
    return source.astype(np.float32)


# -------------------------------------------------------------------------------------------- files and bytes


def _read_file(source: bytes | str | PathLike[str], rate: int, name: str) -> Float[np.ndarray, " samples"]:
    head = source[:4] if isinstance(source, bytes) else _head(Path(source), name)
    if not head:
        raise InputError(f"{name} is empty (0 bytes)", "Record it again, or leave the recording out.")
    if not (head.startswith(MAGIC) or _is_mpeg(head)):
        raise InputError(f"{name} is not a recording that can be read", f"Convert it to {FORMATS}.")
    if head in ENDIAN or _is_mpeg(head):
        _check_whole(source, head, name)
    file = _Bytes(source) if isinstance(source, bytes) else str(source)
    with _quiet() if _is_mpeg(head) else nullcontext(), soundfile.SoundFile(file) as sound:
        _check_size(sound.frames, sound.samplerate, sound.channels, name)
        return _joined(_blocks(sound, name), sound.samplerate, rate, name)


def _check_whole(source: bytes | str | PathLike[str], head: bytes, name: str) -> None:
    """InputError where a header says more bytes of sound than follow it: of WAV, AIFF, and an MP3 that has
    one (Xing's, which most encoders write). Other formats tell by themselves when they end too early."""
    with BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file:
        said, there = _said_by_chunks(file, ENDIAN[head]) if head in ENDIAN else _said_by_xing(file)
    if 0 < there < said < PIPED:
        problem = f"the header of {name} says {said:,} bytes of sound, and {there:,} follow"
        raise InputError(problem, "It was cut short, or its header is wrong: copy or save it again.")


def _said_by_chunks(file: BufferedIOBase, endian: str) -> tuple[int, int]:
    """Bytes of sound that the header of a WAV or AIFF says, and those that there are; zeros without any."""
    end, large = file.seek(0, SEEK_END), 0
    place = 12  # behind RIFF, the length of the file, WAVE
    while place + 8 <= end:
        file.seek(place)
        kind, said = struct.unpack(f"{endian}4sI", file.read(8))
        if kind == b"ds64" and place + 24 <= end:  # RF64 has its lengths of 64 bits here
            _, large = struct.unpack("<QQ", file.read(16))
        if kind in (b"data", b"SSND"):
            return large if said == 0xFFFFFFFF and large else said, end - place - 8
        place += 8 + said + said % 2
    return 0, 0


def _said_by_xing(file: BufferedIOBase) -> tuple[int, int]:
    """Bytes of an MP3 that the header in its first frame says, and those that there are; zeros without
    one."""
    end, start = file.seek(0, SEEK_END), 0
    file.seek(0)
    tag = file.read(10)
    if tag.startswith(b"ID3") and len(tag) == 10:  # its length has seven bits a byte
        start = 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(tag[6:]))
    file.seek(start)
    frame = file.read(64)
    place = max(frame.find(b"Xing"), frame.find(b"Info"))
    if place < 0 or len(frame) < place + 16:
        return 0, 0
    flags, *numbers = struct.unpack(">III", frame[place + 4 : place + 16])
    bytes_at = flags & 1  # behind the number of frames, if that is there
    return (numbers[bytes_at] if flags & 2 else 0), end - start


class _Bytes(BytesIO):
    """In a damaged file libsndfile seeks to before the beginning, and what that raises would be printed."""

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        start = {SEEK_SET: 0, SEEK_CUR: self.tell(), SEEK_END: len(self.getbuffer())}[whence]
        return super().seek(max(0, start + offset))


def _head(path: Path, name: str) -> bytes:
    """The first four bytes, or InputError where there is no such file."""
    check_file(path)
    if path.suffix.lower() == ".raw":  # soundfile would ask for its rate, whatever it holds
        raise InputError(f"{name} holds raw samples, which do not say their rate", f"Save it as {FORMATS}.")
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise InputError(f"{name} cannot be opened: {error.strerror}", "Check its permissions.") from None


def _is_mpeg(head: bytes) -> bool:
    """An MP3 begins with tags (ID3) or with the eleven set bits of a frame's header."""
    return head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] >= 0xE0)


def _blocks(sound: soundfile.SoundFile, name: str) -> Iterator[Float[np.ndarray, "n channels"]]:
    """The decoded samples, never more than the longest recording allows, whatever the header said."""
    total = 0
    while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
        total += len(block)
        _check_size(total, sound.samplerate, sound.channels, name)
        yield block
    _check_size(total, sound.samplerate, sound.channels, name)


@contextmanager
def _quiet() -> Generator[None]:
    """Nothing is written to file descriptor 2 meanwhile: libsndfile's MP3 decoder complains there and cannot
    be told not to (libsndfile issue 958). For the few milliseconds of decoding one MP3, other threads'
    messages are lost too."""
    with _standard_error, Path(devnull).open("wb") as nowhere:
        saved = dup(2)
        dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            dup2(saved, 2)
            close(saved)


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


def _checked(waveform: Float[np.ndarray, " samples"], name: str) -> Float[np.ndarray, " samples"]:
    """The waveform, turned down where it peaks above 1; InputError where nothing can be heard."""
    peak = float(np.abs(waveform).max(initial=0.0))
    if peak < SILENCE:
        limit = f"{20 * np.log10(SILENCE):.0f} dB of full scale"
        came = f"{name} is silent, the mean of its channels stays below {limit}"
        raise InputError(came, "Record it again, louder, or give one channel.")
    return waveform / np.float32(max(peak, 1.0))
