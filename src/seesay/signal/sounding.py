"""Which parts of a long recording sound, and the windows of a clip's length that cover them.

A part is where the level stands out of the recording's own background. Pauses end a part, so each word of a
dictation is one; steady sounds, such as rain, are one part from beginning to end.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int16

LONG = 1.5
"""Clips: a longer recording may hold more than one word."""

FRAME = 0.02
"""Seconds over which a level is measured."""

BACKGROUND = 0.1
"""Quantile of the levels that is the background."""

STEADY = 10.0
"""dB between background and the loudest frame, below which a recording is one part."""

RISE, EDGE = 0.2, 0.1
"""Fractions of the way, in dB, from the background to the loudest frame: a part sounds above the first, and
begins and ends where the level falls below the second (docs/log.md)."""

DEEPEST = 50.0
"""dB below the loudest frame: a background below this, such as digital silence, counts as this."""

PAUSE, SHORTEST = 0.2, 0.06
"""Seconds: a shorter gap belongs to the word, as the closure in "eight" does; a shorter part, such as a
click, is none. Beginnings and ends are looked for as far as a pause."""

ROOM = 1.25
"""Windows: a part up to this length has one window, since its edges are faint and a frame or two too wide."""

BLOCK = 2**20
"""Samples whose levels are computed at a time."""


class Window(NamedTuple):
    """A window of a clip's length in a recording, and the part that it speaks for, in samples."""

    first: int
    """The first sample of the window."""
    start: int
    """The first sample that it speaks for."""
    end: int
    """One after the last."""


def windows(recording: Int16[np.ndarray, " n"], rate: int, samples: int) -> list[Window]:
    """The windows of this many samples over the parts that sound, in order of time.

    A part that (nearly) fits in a window has one, around its middle. Of longer ones, windows overlap by half
    or more and each speaks for what is nearest to its middle. At least one window; the recording is no
    shorter.
    """
    found = []
    for start, end in sounding(recording, rate):
        count = 1 if end - start <= ROOM * samples else 1 + -(-2 * (end - start - samples) // samples)
        middle = (start + end - samples) // 2
        ends = (middle, middle) if count == 1 else (start, end - samples)
        firsts = np.linspace(*ends, count).round().astype(int)
        borders = [start, *((firsts[:-1] + firsts[1:] + samples) // 2).tolist(), end]
        places = firsts.clip(0, len(recording) - samples).tolist()
        found += [Window(*each) for each in zip(places, borders[:-1], borders[1:], strict=True)]
    return found


def sounding(recording: Int16[np.ndarray, " n"], rate: int) -> list[tuple[int, int]]:
    """The first sample of each part that sounds and the one after its last, in order; the whole recording if
    it is steady."""
    frame = max(1, round(FRAME * rate))
    level = levels(recording, frame)
    loudest = level.max(initial=-np.inf)
    floor = max(float(np.quantile(level, BACKGROUND)), loudest - DEEPEST) if len(level) else 0.0
    if not len(level) or loudest - floor < STEADY:
        return [(0, len(recording))]
    loud = np.flatnonzero(level > floor + RISE * (loudest - floor))
    gaps = np.flatnonzero(np.diff(loud) > PAUSE / FRAME)
    starts, ends = loud[[0, *(gaps + 1)]], loud[[*gaps, -1]] + 1
    if (long := ends - starts >= SHORTEST / FRAME).any():
        starts, ends = starts[long], ends[long]
    faint = np.flatnonzero(level <= floor + EDGE * (loudest - floor))
    between = [0, *((ends[:-1] + starts[1:]) // 2), len(level)]
    parts = []
    for start, end, least, most in zip(starts, ends, between, between[1:], strict=False):
        before, after = faint[faint < start].max(initial=-1) + 1, faint[faint >= end].min(initial=len(level))
        first = max(before, least, start - round(PAUSE / FRAME))
        last = min(after, most, end + round(PAUSE / FRAME))
        parts.append((int(first) * frame, int(last) * frame))
    return parts


def levels(recording: Int16[np.ndarray, " n"], frame: int) -> Float[np.ndarray, " frames"]:
    """The level of each whole frame in dB of a 16-bit step, after pre-emphasis: hum and rumble count less."""
    step = max(1, BLOCK // frame) * frame
    parts = []
    for start in range(0, len(recording) - frame, step):
        block = np.diff(recording[start : start + step + 1].astype(np.float64))
        frames = block[: len(block) // frame * frame].reshape(-1, frame)
        parts.append(10 * np.log10((frames**2).mean(1) + 1e-3))
    return np.concatenate([np.zeros(0), *parts])
