"""Audio formats of phones and browsers, and HEIC pictures, read by the extra `media`: PyAV (FFmpeg) and
pillow-heif (libheif).

Used only for what libsndfile and Pillow cannot open. FFmpeg is given the bytes of one file, may open no other
file and no network address, and only the formats in CONTAINERS.
"""

import contextlib
from collections.abc import Generator, Iterator
from functools import cache
from io import BufferedIOBase
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

INSTALL = "pip install 'seesay[media]'"

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "aac",
    "amr",
    "caf",
    "asf",
    "ac3",
    "mp3",
    "ogg",
    "flac",
    "wav",
    "aiff",
    "au",
)
"""FFmpeg's names of the formats allowed. Playlists are not among them: they open other files."""

BLOCK = 65_536  # samples per channel decoded at a time


class Sound(NamedTuple):
    """An open audio track, decoded block by block on demand."""

    samplerate: int
    channels: int
    frames: int | None
    """Samples per channel, by the header; None: not declared."""
    blocks: Iterator[Float[np.ndarray, "_ channels"]]


@cache
def opens_heic() -> bool:
    """Whether Pillow can open HEIC: registers pillow-heif if it is installed."""
    with contextlib.suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
        return True
    return False


@cache
def decodes_sound() -> bool:
    """Whether PyAV is installed."""
    with contextlib.suppress(ImportError):
        from av.logging import set_level

        set_level(None)  # nothing on standard error
        return True
    return False


@contextlib.contextmanager
def opened(file: BufferedIOBase) -> Generator[Sound | None]:
    """The first decodable audio track of a file, or None. A damaged one raises OSError while decoding."""
    import av
    from av.error import FFmpegError

    options = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": ""}
    try:
        container = av.open(file, options=options, metadata_errors="ignore")
    except FFmpegError:
        yield None
        return
    with container:
        decodable = [track for track in container.streams.audio if track.codec_context is not None]
        yield _sound(container, decodable[0]) if decodable else None


def _sound(container: Any, track: Any) -> Sound:
    rate, length = track.rate or 0, track.duration or 0
    frames = int(length * track.time_base * rate) if length > 0 else None
    return Sound(rate, track.codec_context.channels, frames, _blocks(container, track))


def _blocks(container: Any, track: Any) -> Iterator[Float[np.ndarray, "_ channels"]]:
    """Blocks of decoded floats, of BLOCK samples or a little more."""
    parts: list[np.ndarray] = []
    for part in _decoded(container, track):
        parts.append(part)
        if sum(map(len, parts)) >= BLOCK:
            yield np.concatenate(parts)
            parts = []
    if parts:
        yield np.concatenate(parts)


def _decoded(container: Any, track: Any) -> Iterator[Float[np.ndarray, "_ channels"]]:
    import av
    from av.error import FFmpegError

    try:
        as_floats = av.AudioResampler("fltp", track.codec_context.layout, track.rate)
        for frame in chain(container.decode(track), [None]):
            for part in as_floats.resample(frame):
                yield part.to_ndarray().T
    except FFmpegError as error:
        raise OSError(error.strerror) from None
    except ValueError as error:  # the rate or the channels change midway
        raise OSError(str(error)) from None
