"""What the two axes of a feature matrix are, in units that a reader of a figure knows: seconds, Hz, numbers
of coefficients."""

import math
from dataclasses import dataclass

from seesay.config import AudioSpec

FREQUENCIES = (60, 125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)
"""Hz that an axis may be marked at: octaves."""


@dataclass(frozen=True)
class FeatureAxes:
    """Marks at the two axes of a matrix (frames, columns)."""

    time: str
    """The end of the first axis, which begins at 0: `1 s`."""
    marks: tuple[tuple[float, str], ...]
    """Columns, counted from 0, and what stands at them: `(12.4, "1 kHz")`."""
    what: str
    """What the columns are."""


def feature_axes(spec: AudioSpec) -> FeatureAxes:
    """Of the features that are made of recordings, or of ready-made ones, of which only the numbers are
    known."""
    if spec.features == "unknown":
        ends = ((0.0, "1"), (spec.columns - 1.0, str(spec.columns)))
        return FeatureAxes(f"{spec.frames} frames", ends, "column")
    if spec.features == "log-mel":
        return FeatureAxes(f"{spec.seconds:g} s", _frequencies(spec), "frequency")
    middle = spec.coefficients // 2
    marks = ((0.0, "1"), (middle - 1.0, str(middle)), (float(spec.coefficients), "energy"))
    return FeatureAxes(f"{spec.seconds:g} s", marks, "coefficient")


def _frequencies(spec: AudioSpec) -> tuple[tuple[float, str], ...]:
    """Every other octave, downwards, as long as they do not crowd. Filter j has its peak j + 1 steps above
    the lower edge."""
    low, high = _mel(spec.low), _mel(spec.high)
    step = (high - low) / (spec.filters + 1)
    there = [hertz for hertz in FREQUENCIES if low + step <= _mel(hertz) <= high][::-2]
    marks: list[tuple[float, str]] = []
    for hertz in there:
        place = (_mel(hertz) - low) / step - 1
        if not marks or marks[-1][0] - place > spec.filters / 8:
            marks.append((place, _named(hertz)))
    return tuple(reversed(marks))


def _mel(hertz: float) -> float:
    """HTK's scale."""
    return 2595 * math.log10(1 + hertz / 700)


def _named(hertz: int) -> str:
    return f"{hertz} Hz" if hertz < 1_000 else f"{hertz // 1_000} kHz"
