"""From facts about files to how they are kept: the size and shape of pictures, the length, rate and features
of recordings.

Facts are looked up once (`picture_facts`, `recording_facts`); `picture_settings` and `recording_settings` are
pure functions from them, and say in a sentence what was chosen and why. What a user asks for goes before it.
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
"""Pictures looked at to find out whether they are ink on paper, and whether they have colour."""

INK_SIDE = 28
"""Pixels: height and width of ink, as in MNIST."""

LONGEST_SIDE = 256
"""Pixels that the longer side of a photo is kept with at most."""

PHOTO_SIDE = 64
"""Pixels: a model is given as many of a photo as a square of this side has, or all if they are fewer. Of 32,
64 and 96 the least that was as good as the next (flowers, docs/log.md)."""

STEP = 8
"""Pixels: sides of a photo that is made smaller are multiples of it."""

ALIKE = 0.9
"""Share of pictures whose shape must be the usual one for it to be kept: else a square."""

LONGEST_SHAPE = 4.0
"""Times as long as wide, at most."""

SAME_SHAPE = 0.1
"""By how much of it a shape may differ from another and be as good as the same."""

DEPTHS = (8, 10, 12, 14, 16)
"""Bits of the pictures that cameras and scanners make."""

CLEAR = 2 / 3
"""Share of the pictures looked at that must be ink, for all to be read so: of notes on ruled paper 0.70 are,
of photos 0.18 at most (docs/log.md)."""

OTHER_COLOUR = 0.15
"""Of white, by how much a channel of a pen's colour differs from the usual one."""

EXCEPTION = 0.1
"""Share of drawings with a pen of another colour: fewer do not tell classes apart."""

LOST = 0.75
"""Of its height or width: a photo of which cropping leaves less than this is counted."""

HIGHEST_RATE = 16_000
"""Samples a second that are kept unless asked for otherwise: speech has little above 8 kHz."""

COVERED = 0.95
"""Share of recordings that are no longer than the clip."""

LONGEST_CLIP = 10.0
"""Seconds of a clip, unless asked for otherwise."""

SHORTEST_CLIP = 1.0
"""Seconds. A word that was cut out tightly lasts half of it; one that a microphone hears has a pause around
it."""

HALF = 0.5
"""Seconds: clip lengths are multiples of it."""

TRIFLE = 0.05
"""Seconds, one window: what is longer than the clip by less than this is not cut, as far as it matters."""


@dataclass(frozen=True)
class Chosen(Generic[S]):
    """A spec, why it is this one, and what it cuts off, a sentence each."""

    spec: S
    said: str
    notes: tuple[str, ...] = ()


# --------------------------------------------------------------------------------------------------- pictures


@dataclass(frozen=True)
class PictureFacts:
    """Of the picture files of a data set: of all of them what their headers say, of some what they look
    like."""

    files: Sequence[image.Facts]
    looks: Sequence[Look]


def picture_facts(sources: Sequence[Path | bytes]) -> PictureFacts:
    """Looked up. What cannot be read is left out: reading it will say why."""
    files = [facts for source in sources if (facts := image.facts_of(source)) is not None]
    some = sources[:: len(sources) // LOOKED_AT + 1]
    return PictureFacts(files, [seen for source in some if (seen := look(source)) is not None])


def picture_settings(
    facts: PictureFacts,
    reader: Reader = "auto",
    side: int | None = None,
    max_side: int = LONGEST_SIDE,
) -> Chosen[PictureSpec]:
    """How these pictures are kept. `auto`: as the facts have it. `side`: pixels of ink, none: 28; `max_side`:
    of photos."""
    which, why, notes = _reader(facts.looks, reader)
    if which == "ink":
        spec = PictureSpec("ink", 1, side or INK_SIDE, side or INK_SIDE)
        return Chosen(spec, f"{why}, {spec.width}x{spec.height} grey", notes)
    channels = 3 if any(seen.colour for seen in facts.looks) else 1
    own = _at_most(_photo_size(facts.files), max_side)
    white, bits = _white(facts.files)
    spec = PictureSpec("photo", channels, *own, max_side=max_side, white=white)
    colours = "RGB" if channels == 3 else "grey"
    said = f"{why}, {colours}, {max_side} pixels at most on the longer side"
    return Chosen(spec, said, (*notes, *bits, *_says_cropped(facts.files, spec)))


def _reader(looks: Sequence[Look], wanted: Reader) -> tuple[Literal["ink", "photo"], str, tuple[str, ...]]:
    """Which, why, and how to choose the other: ink only where the evidence is clear, since ink loses colour,
    size and place."""
    if wanted != "auto":
        return wanted, f"read as {wanted}", ()
    ink = sum(seen.pen is not None for seen in looks)
    why = f"since {ink} of {len(looks)} looked at are strokes on an even ground"
    enough = ink > CLEAR * len(looks)
    if enough and _colours_differ(looks):
        enough, why = False, f"{why}, but their colours differ"
    if enough:
        return (
            "ink",
            f"read as ink, {why}",
            (f"Pictures are read as ink, {why}; --reader photo keeps them as they are.",),
        )
    return (
        "photo",
        f"read as photo, {why}",
        (f"Pictures are read as photos, {why}; --reader ink takes them for drawings.",),
    )


def _colours_differ(looks: Sequence[Look]) -> bool:
    """Whether pens of other colours than the usual one are more than an exception."""
    pens = np.stack([seen.pen for seen in looks if seen.pen is not None])
    return bool((np.abs(pens - np.median(pens, 0)).max(1) > OTHER_COLOUR).mean() > EXCEPTION)


def _photo_size(files: Sequence[image.Facts]) -> tuple[int, int]:
    """Height and width: of the usual shape if most have it, else a square; no more pixels than the usual
    picture has."""
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
    """The sides in their proportion, none longer than that."""
    factor = min(1.0, longest / max(sides))
    return max(1, round(sides[0] * factor)), max(1, round(sides[1] * factor))


def _in_steps(side: float) -> int:
    return max(STEP, STEP * round(side / STEP))


def _white(files: Sequence[image.Facts]) -> tuple[float | None, tuple[str, ...]]:
    """The value that is white in files of more than 8 bits that do not say it, found from the brightest of
    all; None where it is that of their type."""
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


def _says_cropped(files: Sequence[image.Facts], spec: PictureSpec) -> tuple[str, ...]:
    """How many lose much of their height or width by default, if any do."""
    shapes = np.array([facts.width / facts.height for facts in files]) * spec.height / spec.width
    lost = int((np.minimum(shapes, 1 / shapes) < LOST).sum())
    if not lost:
        return ()
    return (
        f"A model is given photos of {spec.width}x{spec.height}; {lost:,} of {len(files):,} lose more than a "
        "quarter of their height or width to cropping; train with features.fit pad to keep all of it.",
    )


# ------------------------------------------------------------------------------------------------- recordings


def recording_facts(sources: Sequence[audio.Source]) -> list[audio.Facts]:
    """What the headers of recordings say. What cannot be read is left out: reading it will say why."""
    return [facts for source in sources if (facts := audio.facts_of(source)) is not None]


def recording_settings(
    facts: Sequence[audio.Facts],
    rate: int | None = None,
) -> Chosen[WaveformSpec]:
    """How these recordings are kept. None, and `auto`: as the facts have it.

    The rate is the lowest among them, so that bandwidth tells nothing; half of that is the highest frequency
    that all have, whichever rate is kept.
    """
    lowest = min((each.rate for each in facts), default=HIGHEST_RATE)
    kept = rate or min(lowest, HIGHEST_RATE)
    lengths = np.array([each.seconds for each in facts if each.seconds is not None])
    clip = _clip(lengths)
    spec = WaveformSpec(kept, clip, high=min(kept, lowest) / 2)
    said = f"the lowest rate {lowest} Hz, kept at {kept} Hz"
    return Chosen(spec, said, (*_says_chosen(spec, lengths), *_says_cut(lengths, clip)))


def _clip(lengths: np.ndarray) -> float:
    """Seconds: as long as most recordings are, in half seconds."""
    if not len(lengths):
        return SHORTEST_CLIP
    halves = np.ceil((np.quantile(lengths, COVERED) - TRIFLE) / HALF)
    return float(np.clip(halves * HALF, SHORTEST_CLIP, LONGEST_CLIP))


def _says_chosen(spec: WaveformSpec, lengths: np.ndarray) -> tuple[str, ...]:
    if not len(lengths):
        return ()
    covered = np.quantile(lengths, COVERED)
    return (
        f"Clips are {spec.seconds:g} s: {100 * COVERED:.0f} % of the recordings last {covered:.2g} s or less "
        "(features.seconds sets it in training).",
    )


def _says_cut(lengths: np.ndarray, clip: float) -> tuple[str, ...]:
    longer = int((lengths > clip + TRIFLE).sum())
    if not longer:
        return ()
    return (
        f"{longer:,} of {len(lengths):,} recordings are longer than {clip:g} s: a model hears that "
        "much, where they are loudest; train with more features.seconds to hear more.",
    )
