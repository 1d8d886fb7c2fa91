"""Open recordings, from files or bytes: by libsndfile, else by FFmpeg if the extra `media` is installed.

Headers are not trusted. A file with less sound than its header declares is refused: it was cut short. If
the header declares no length, as when a program writes to a pipe, the file is read to its end.
"""

import struct
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedIOBase, BytesIO
from os import PathLike, close, devnull, dup, dup2
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import soundfile
from jaxtyping import Float

from seesay.errors import InputError
from seesay.files import check_file
from seesay.signal import media
from seesay.signal.media import BLOCK, Sound

Source = bytes | str | PathLike[str]

LONGEST = 600
"""Seconds. A spoken word takes one; ten minutes allow for a careless recording, an hour is a mistake."""
RATES = (1_000, 768_000)  # Hz, lowest and highest accepted: speech needs more, sound cards offer less
PIPED = 2**31 - 4096  # bytes: a declared length from here up is a placeholder, for output to a pipe

FORMATS = "WAV, FLAC, OGG (Vorbis, Opus), MP3 or AIFF"
MAGIC = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS")
"""First bytes of these formats, except MP3. A file that starts with them but cannot be opened is damaged."""
ENDIAN = {b"RIFF": "<", b"RF64": "<", b"RIFX": ">", b"FORM": ">"}
"""Byte order of the numbers in chunked files."""
UNKNOWN = (1, 4, 18)  # libsndfile's numbers: format not recognised, encoding not supported, not implemented

_standard_error = Lock()  # taken while file descriptor 2 is redirected or restored
_decoders = 0  # inside `_quiet`, in any thread
_saved = -1  # file descriptor of standard error while 2 is redirected


class Length(NamedTuple):
    """Length of the sound in a file, in bytes, as declared and as it is."""

    declared: int
    """By the header; 0: unknown."""
    actual: int
    """From the start of the sound to the end of the file."""
    position: int = 0
    """Offset of the header field that holds the length; 0: none that can be corrected."""
    kind: str = "<I"
    """Format of that field (struct)."""


@dataclass(frozen=True)
class Facts:
    """Rate and length of a recording, from its header."""

    rate: int
    """Samples a second."""
    seconds: float | None
    """None: not declared."""


def facts_of(source: Source) -> Facts | None:
    """The rate and length of a recording, from its header; None if it cannot be opened.

    No error is raised here: reading the recording raises it.
    """
    try:
        with opened(source, "the recording") as sound:
            if not RATES[0] <= sound.samplerate <= RATES[1]:
                return None
            seconds = (sound.frames or 0) / sound.samplerate
            return Facts(sound.samplerate, seconds if 0 < seconds <= LONGEST else None)
    except InputError:
        return None


@contextmanager
def opened(source: Source, name: str) -> Generator[Sound]:
    """An open recording, decoded block by block.

    InputError, with `name`, for a missing, empty, damaged or truncated file, or one that is no recording.
    """
    head = source[:4] if isinstance(source, bytes) else _head(Path(source), name)
    if not head:
        raise InputError(f"{name} is empty (0 bytes)", "Record it again, or leave the recording out.")
    with ExitStack() as stack:
        file = stack.enter_context(_binary(source))
        length = _length(file, head)
        _check_whole(length, name)
        if not head.startswith(MAGIC):
            stack.enter_context(_quiet())
        try:
            yield _sound(source, file, length, head, name, stack)
        except soundfile.LibsndfileError as error:
            raise _damaged(name, error.error_string) from None


def _binary(source: Source) -> BufferedIOBase:
    return BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")


def _sound(
    source: Source, file: BufferedIOBase, length: Length, head: bytes, name: str, stack: ExitStack
) -> Sound:
    patch = _patch(length)
    opened_from: Any = _Bytes(file, patch) if patch or isinstance(source, bytes) else str(source)
    try:
        sound = stack.enter_context(soundfile.SoundFile(opened_from))
        return Sound(sound.samplerate, sound.channels, sound.frames, _blocks(sound))
    except soundfile.LibsndfileError as error:
        if error.code not in UNKNOWN:
            raise
        file.seek(0)
        by_ffmpeg = stack.enter_context(media.opened(file)) if media.decodes_sound() else None
        if by_ffmpeg is not None:
            return by_ffmpeg._replace(blocks=_checked(by_ffmpeg.blocks, name))
        if head.startswith(MAGIC) or _is_mpeg(head):
            raise
    remedy = f"Convert it to {FORMATS}"
    if not media.decodes_sound():
        remedy += f", or install support for the formats of phones and browsers: {media.INSTALL}"
    raise InputError(f"{name} is not a recording that can be read", f"{remedy}.")


def _damaged(name: str, why: str) -> InputError:
    problem = f"{name} is damaged or of a kind that cannot be decoded ({why.rstrip('. ')})"
    return InputError(problem, f"Save it again as {FORMATS}.")


def _blocks(sound: soundfile.SoundFile) -> Iterator[Float[np.ndarray, "n channels"]]:
    while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
        yield block


def _checked(
    blocks: Iterator[Float[np.ndarray, "_ channels"]], name: str
) -> Iterator[Float[np.ndarray, "_ channels"]]:
    """Decoded blocks; a decoding error becomes InputError."""
    try:
        yield from blocks
    except OSError as error:
        raise _damaged(name, str(error)) from None


def _head(path: Path, name: str) -> bytes:
    """The first four bytes. A missing file, or raw samples: InputError."""
    check_file(path)
    if path.suffix.lower() == ".raw":  # soundfile would require a rate, whatever the file holds
        raise InputError(f"{name} holds raw samples without a rate", f"Save it as {FORMATS}.")
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise InputError(f"{name} cannot be opened: {error.strerror}", "Check its permissions.") from None


def _is_mpeg(head: bytes) -> bool:
    """Whether a file is MP3: it begins with tags (ID3) or with the eleven set bits of a frame header."""
    return head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] >= 0xE0)


# ------------------------------------------------------------------------------------------- declared length


def _check_whole(length: Length, name: str) -> None:
    """InputError where a header declares more bytes of sound than follow it."""
    if 0 < length.actual < length.declared < PIPED:
        problem = (
            f"the header of {name} declares {length.declared:,} bytes of sound, but {length.actual:,} follow"
        )
        raise InputError(problem, "It was truncated, or its header is wrong: copy or save it again.")


def _length(file: BufferedIOBase, head: bytes) -> Length:
    """The length of WAV, AIFF, AU, CAF, W64, and of an MP3 with a Xing header, which most encoders write.

    Decoders of other formats notice by themselves when a file ends too early.
    """
    if head in ENDIAN:
        return _by_chunks(file, ENDIAN[head])
    if _is_mpeg(head):
        return _by_xing(file)
    readers = {b".snd": _by_au, b"caff": _by_caf, b"riff": _by_w64}
    return readers[head](file) if head in readers else Length(0, 0)


def _by_chunks(file: BufferedIOBase, endian: str) -> Length:
    end, large = file.seek(0, SEEK_END), Length(0, 0)
    place = 12  # after RIFF, the file's length and WAVE
    while place + 8 <= end:
        file.seek(place)
        kind, size = struct.unpack(f"{endian}4sI", file.read(8))
        if kind == b"ds64" and place + 24 <= end:  # RF64 keeps its 64-bit lengths here
            _, large_size = struct.unpack("<QQ", file.read(16))
            large = Length(large_size, 0, place + 16, "<Q")
        if kind in (b"data", b"SSND"):
            actual = end - place - 8
            if large.position and size == 0xFFFFFFFF:
                return large._replace(actual=actual)
            if size == 0 and _are_chunks(file, place + 8, end, endian):
                return Length(0, 0)
            return Length(size, actual, place + 4, f"{endian}I")
        place += 8 + size + size % 2
    return Length(0, 0)


def _are_chunks(file: BufferedIOBase, place: int, end: int, endian: str) -> bool:
    """Whether well-formed chunks follow to the end of the file, so that a length of 0 is meant."""
    while place + 8 <= end:
        file.seek(place)
        kind, size = struct.unpack(f"{endian}4sI", file.read(8))
        if not kind.isascii() or not kind.decode().isprintable():
            return False
        place += 8 + size + size % 2
    return abs(end - place) <= 1


def _by_au(file: BufferedIOBase) -> Length:
    end = file.seek(0, SEEK_END)
    file.seek(4)
    start, size = struct.unpack(">II", file.read(8).ljust(8, b"\0"))
    return Length(size, max(0, end - start), 8, ">I")


def _by_caf(file: BufferedIOBase) -> Length:
    end, place = file.seek(0, SEEK_END), 8
    while place + 12 <= end:
        file.seek(place)
        kind, size = struct.unpack(">4sq", file.read(12))
        if kind == b"data":
            return Length(max(size, 0), end - place - 12, place + 4, ">q")
        place += 12 + max(size, 0)
    return Length(0, 0)


def _by_w64(file: BufferedIOBase) -> Length:
    end, place = file.seek(0, SEEK_END), 40  # after riff, the file's length and wave: 16, 8 and 16 bytes
    while place + 24 <= end:
        file.seek(place)
        kind, _, size = struct.unpack("<4s12sq", file.read(24))  # the length includes these 24 bytes
        if kind == b"data":
            return Length(max(size - 24, 0), end - place - 24)
        place += max(24, size + -size % 8)
    return Length(0, 0)


def _by_xing(file: BufferedIOBase) -> Length:
    end, start = file.seek(0, SEEK_END), 0
    file.seek(0)
    tag = file.read(10)
    if tag.startswith(b"ID3") and len(tag) == 10:  # its length has seven bits per byte
        start = 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(tag[6:]))
    file.seek(start)
    frame = file.read(64)
    place = max(frame.find(b"Xing"), frame.find(b"Info"))
    if place < 0 or len(frame) < place + 16:
        return Length(0, 0)
    flags, *numbers = struct.unpack(">III", frame[place + 4 : place + 16])
    bytes_at = flags & 1  # after the number of frames, if present
    return Length(numbers[bytes_at] if flags & 2 else 0, end - start)


def _patch(length: Length) -> tuple[int, bytes] | None:
    """Offset and bytes that correct a header without a length; None: nothing to correct."""
    limit = 2 ** (8 * struct.calcsize(length.kind) - 1)
    if not length.position or not 0 < length.actual < limit or 0 < length.declared < PIPED:
        return None
    return length.position, struct.pack(length.kind, length.actual)


class _Bytes:
    """A file for libsndfile to read through Python, with some bytes of its header patched.

    In a damaged file libsndfile seeks to before the beginning; raising there would print a traceback.
    """

    def __init__(self, file: BufferedIOBase, patch: tuple[int, bytes] | None) -> None:
        self.file = file
        self.place, self.patch = patch or (0, b"")
        self.end = file.seek(0, SEEK_END)
        file.seek(0)

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        start = {SEEK_SET: 0, SEEK_CUR: self.file.tell(), SEEK_END: self.end}[whence]
        return self.file.seek(max(0, start + offset))

    def tell(self) -> int:
        return self.file.tell()

    def read(self, count: int) -> bytes:
        at = self.file.tell()
        data = self.file.read(count)
        skip = max(0, at - self.place)  # bytes of the patch that lie before these
        start = max(0, self.place - at)
        piece = self.patch[skip : skip + max(0, len(data) - start)]
        return data[:start] + piece + data[start + len(piece) :] if piece else data


# -------------------------------------------------------------------------------------------- standard error


@contextmanager
def _quiet() -> Generator[None]:
    """Silence file descriptor 2: libsndfile's MP3 decoder prints warnings there that cannot be turned off
    (libsndfile issue 958). Until the last decoder in here is done, other threads' messages are lost too."""
    global _decoders, _saved
    with _standard_error:
        if _decoders == 0:
            _saved = dup(2)
            with Path(devnull).open("wb") as nowhere:
                dup2(nowhere.fileno(), 2)
        _decoders += 1
    try:
        yield
    finally:
        with _standard_error:
            _decoders -= 1
            if _decoders == 0:
                dup2(_saved, 2)
                close(_saved)
