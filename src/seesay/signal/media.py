"""Sound of phones and browsers and pictures of phones, read by libraries that the extra `media` brings: PyAV
(FFmpeg) and pillow-heif (libheif).

They are asked only about what libsndfile and Pillow do not know. FFmpeg gets the bytes of one file, may open
no other file and no address, and knows only the containers of CONTAINERS.
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
"""FFmpeg's names of what may hold sound. Not among them: playlists, which make it open other files."""

BLOCK = 65_536  # samples of each channel that are decoded at a time


class Sound(NamedTuple):
    """A sound track that is open: its blocks are decoded as they are asked for."""

    samplerate: int
    channels: int
    frames: int | None
    """Samples of each channel, as the header says; none: it does not."""
    blocks: Iterator[Float[np.ndarray, "_ channels"]]


@cache
def opens_heic() -> bool:
    """Whether Pillow opens HEIC from here on: it does where pillow-heif is installed."""
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
    """The first sound track of a file that can be decoded, None where FFmpeg finds none. OSError while blocks
    are made: it is damaged."""
    import av
    from av.error import FFmpegError

    options = {"format_whitelist": ",".join(CONTAINERS), "protocol_whitelist": ""}
    try:
        container = av.open(file, options=options, metadata_errors="ignore")
    except FFmpegError:
        yield None
        return
    with container:
        known = [track for track in container.streams.audio if track.codec_context is not None]
        yield _sound(container, known[0]) if known else None


def _sound(container: Any, track: Any) -> Sound:
    rate, length = track.rate or 0, track.duration or 0
    frames = int(length * track.time_base * rate) if length > 0 else None
    return Sound(rate, track.codec_context.channels, frames, _blocks(container, track))


def _blocks(container: Any, track: Any) -> Iterator[Float[np.ndarray, "_ channels"]]:
    """Decoded, as floats, BLOCK samples or a little more at a time."""
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
    except ValueError as error:  # its rate or its channels change
        raise OSError(str(error)) from None
