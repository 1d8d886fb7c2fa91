"""Choose how to store pictures (reader, size) and recordings (rate, clip length) from facts about the files.

Facts are collected once (`picture_facts`, `recording_facts`); `picture_settings` and `recording_settings` are
pure functions of them, and explain each choice in a sentence. The user's settings take precedence.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

import numpy as np

from seesay.signal import audio, image
from seesay.signal.looks import Look, look
from seesay.spec import PictureSpec, WaveformSpec

S = TypeVar("S", PictureSpec, WaveformSpec)

Reader = Literal["auto", "ink", "photo"]

LOOKED_AT = 50
"""Number of pictures examined to tell whether they are ink on paper, and coloured."""

INK_SIDE = 28
"""Pixels: height and width of ink, as in MNIST."""

LONGEST_SIDE = 256
"""Pixels: default limit of the longer side of a stored photo."""

PHOTO_SIDE = 64
"""Pixels: a model gets about as many pixels of a photo as a square of this side has. The smallest of 32, 64
and 96 that was as good as the next (flowers, docs/log.md)."""

STEP = 8
"""Pixels: sides of reduced photos are multiples of it."""

ALIKE = 0.9
"""Fraction of pictures that must have the usual shape for it to be used; else a square."""

LONGEST_SHAPE = 4.0
"""Largest ratio of the sides."""

SAME_SHAPE = 0.1
"""Relative difference up to which shapes count as the same."""

DEPTHS = (8, 10, 12, 14, 16)
"""Bit depths of cameras and scanners."""

CLEAR = 2 / 3
"""Fraction of the examined pictures that must be ink for all to be read as ink: 0.70 of notes on ruled paper
are, at most 0.18 of photos (docs/log.md)."""

OTHER_COLOUR = 0.15
"""Difference in a channel, of white, from which a pen's colour counts as another."""

EXCEPTION = 0.1
"""Fraction of drawings with a pen of another colour up to which colour does not matter."""

LOST = 0.75
"""Fraction of height or width: photos that keep less after cropping are counted in a note."""

HIGHEST_RATE = 16_000
"""Hz: highest default rate; speech has little above 8 kHz."""

COVERED = 0.95
"""Fraction of recordings that fit into the clip."""

LONGEST_CLIP = 10.0
"""Seconds: longest default clip."""

SHORTEST_CLIP = 1.0
"""Seconds: shortest default clip. A tightly trimmed word lasts half of it; a live word has pauses around
it."""

HALF = 0.5
"""Seconds: clip lengths are multiples of it."""

TRIFLE = 0.05
"""Seconds, one window: a recording longer than the clip by less than this does not count as cut."""


@dataclass(frozen=True)
class Chosen(Generic[S]):
    """A spec, the reason for it, and notes on what it cuts off."""

    spec: S
    summary: str
    notes: tuple[str, ...] = ()


# --------------------------------------------------------------------------------------------------- pictures


@dataclass(frozen=True)
class PictureFacts:
    """Facts about the picture files of a data set: headers of all, looks of a sample."""

    files: Sequence[image.Facts]
    looks: Sequence[Look]


def picture_facts(sources: Sequence[Path | bytes]) -> PictureFacts:
    """Facts about these pictures, without unreadable ones: reading those raises the error."""
    files = [facts for source in sources if (facts := image.facts_of(source)) is not None]
    some = sources[:: len(sources) // LOOKED_AT + 1]
    return PictureFacts(files, [seen for source in some if (seen := look(source)) is not None])


def picture_settings(
    facts: PictureFacts,
    reader: Reader = "auto",
    side: int | None = None,
    max_side: int = LONGEST_SIDE,
) -> Chosen[PictureSpec]:
    """How to store these pictures. `auto`: detect the reader. `side`: of ink, in pixels, default 28;
    `max_side`: of photos."""
    which, reason, notes = _reader(facts.looks, reader)
    if which == "ink":
        spec = PictureSpec("ink", 1, side or INK_SIDE, side or INK_SIDE)
        return Chosen(spec, f"{reason}, {spec.width}x{spec.height} grey", notes)
    channels = 3 if any(seen.colour for seen in facts.looks) else 1
    size = _at_most(_photo_size(facts.files), max_side)
    white, bits = _white(facts.files)
    spec = PictureSpec("photo", channels, *size, max_side=max_side, white=white)
    colours = "RGB" if channels == 3 else "grey"
    summary = f"{reason}, {colours}, {max_side} pixels at most on the longer side"
    return Chosen(spec, summary, (*notes, *bits, *_cropping_note(facts.files, spec)))


def _reader(looks: Sequence[Look], wanted: Reader) -> tuple[Literal["ink", "photo"], str, tuple[str, ...]]:
    """The reader, the reason, and a note on how to choose the other. Ink needs clear evidence, since it
    discards colour, size and position."""
    if wanted != "auto":
        return wanted, f"read as {wanted}", ()
    ink = sum(seen.pen is not None for seen in looks)
    reason = f"since {ink} of {len(looks)} examined are strokes on an even ground"
    enough = ink > CLEAR * len(looks)
    if enough and _colours_differ(looks):
        enough, reason = False, f"{reason}, but their colours differ"
    if enough:
        return (
            "ink",
            f"read as ink, {reason}",
            (f"Pictures are read as ink, {reason}; --reader photo keeps them as they are.",),
        )
    return (
        "photo",
        f"read as photo, {reason}",
        (f"Pictures are read as photos, {reason}; --reader ink takes them for drawings.",),
    )


def _colours_differ(looks: Sequence[Look]) -> bool:
    """Whether more than a few drawings have a pen of another colour."""
    pens = np.stack([seen.pen for seen in looks if seen.pen is not None])
    return bool((np.abs(pens - np.median(pens, 0)).max(1) > OTHER_COLOUR).mean() > EXCEPTION)


def _photo_size(files: Sequence[image.Facts]) -> tuple[int, int]:
    """Height and width for a model: the usual shape if most have it, else a square; at most the usual number
    of pixels."""
    if not files:
        return PHOTO_SIDE, PHOTO_SIDE
    sides = np.array([(facts.height, facts.width) for facts in files], float)
    shapes = np.log(sides[:, 1] / sides[:, 0])
    usual = float(np.median(shapes))
    if (np.abs(shapes - usual) < np.log(1 + SAME_SHAPE)).mean() < ALIKE or abs(usual) > np.log(LONGEST_SHAPE):
        side = min(PHOTO_SIDE, int(np.median(sides.min(1))))
        return side, side
    height, width = np.median(sides, 0).tolist()
    if height * width <= PHOTO_SIDE**2:
        return round(height), round(width)
    half = math.exp(usual / 2)
    return _in_steps(PHOTO_SIDE / half), _in_steps(PHOTO_SIDE * half)


def _at_most(sides: tuple[int, int], longest: int) -> tuple[int, int]:
    """The sides scaled down in proportion, to at most `longest`."""
    factor = min(1.0, longest / max(sides))
    return max(1, round(sides[0] * factor)), max(1, round(sides[1] * factor))


def _in_steps(side: float) -> int:
    return max(STEP, STEP * round(side / STEP))


def _white(files: Sequence[image.Facts]) -> tuple[float | None, tuple[str, ...]]:
    """The white value, with a note, of files of more than 8 bits that do not state it, from the brightest of
    all; None: the maximum of their type."""
    deep = [facts for facts in files if facts.peak is not None]
    if not deep or len({facts.whole for facts in deep}) > 1:
        return None, ()
    peak = max(facts.peak or 0 for facts in deep)
    depths = DEPTHS if deep[0].whole else (1, *DEPTHS)
    white = next((2.0**bits - 1 for bits in depths if peak <= 2**bits - 1 + image.OVERSHOOT - 1), peak)
    if white == (65_535 if deep[0].whole else 1):
        return None, ()
    return white, (
        f"{len(deep):,} pictures have more than 8 bits, the brightest value of all is {peak:,g}: "
        f"{white:,g} is white in each.",
    )


def _cropping_note(files: Sequence[image.Facts], spec: PictureSpec) -> tuple[str, ...]:
    """A note on the number of photos that lose much to cropping, if any."""
    shapes = np.array([facts.width / facts.height for facts in files]) * spec.height / spec.width
    lost = int((np.minimum(shapes, 1 / shapes) < LOST).sum())
    if not lost:
        return ()
    return (
        f"Models get photos of {spec.width}x{spec.height}; {lost:,} of {len(files):,} lose more than a "
        "quarter of their height or width to cropping; train with features.fit pad to keep all of it.",
    )


# ------------------------------------------------------------------------------------------------- recordings


def recording_facts(sources: Sequence[audio.Source]) -> list[audio.Facts]:
    """Facts from the headers of recordings, without unreadable ones: reading those raises the error."""
    return [facts for source in sources if (facts := audio.facts_of(source)) is not None]


def recording_settings(
    facts: Sequence[audio.Facts],
    rate: int | None = None,
    of_classes: Sequence[audio.Facts] | None = None,
) -> Chosen[WaveformSpec]:
    """How to store these recordings, at `rate` if given. The length of a clip follows from those of classes,
    if given, else from all.

    The default rate is the lowest among them, so that bandwidth carries no information; half of that is the
    highest frequency that all of them have, whichever rate is stored.
    """
    lowest = min((recording.rate for recording in facts), default=HIGHEST_RATE)
    kept = rate or min(lowest, HIGHEST_RATE)
    timed = facts if of_classes is None else of_classes
    lengths = np.array([recording.seconds for recording in timed if recording.seconds is not None])
    clip = _clip(lengths)
    spec = WaveformSpec(kept, clip, high=min(kept, lowest) / 2)
    summary = f"the lowest rate {lowest} Hz, kept at {kept} Hz"
    return Chosen(spec, summary, (*_clip_note(spec, lengths), *_cutting_note(lengths, clip)))


def _clip(lengths: np.ndarray) -> float:
    """Clip length in seconds that fits most recordings, in half seconds."""
    if not len(lengths):
        return SHORTEST_CLIP
    halves = np.ceil((np.quantile(lengths, COVERED) - TRIFLE) / HALF)
    return float(np.clip(halves * HALF, SHORTEST_CLIP, LONGEST_CLIP))


def _clip_note(spec: WaveformSpec, lengths: np.ndarray) -> tuple[str, ...]:
    if not len(lengths):
        return ()
    covered = np.quantile(lengths, COVERED)
    return (
        f"Clips are {spec.seconds:g} s: {100 * COVERED:.0f} % of the recordings last {covered:.2g} s or less "
        "(features.seconds sets it in training).",
    )


def _cutting_note(lengths: np.ndarray, clip: float) -> tuple[str, ...]:
    longer = int((lengths > clip + TRIFLE).sum())
    if not longer:
        return ()
    return (
        f"{longer:,} of {len(lengths):,} recordings are longer than {clip:g} s: models get the loudest "
        f"{clip:g} s; train with more features.seconds to use more.",
    )
