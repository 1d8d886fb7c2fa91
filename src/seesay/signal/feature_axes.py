"""What the two axes of a feature matrix are, in units that a reader of a figure knows: seconds, Hz, numbers
of coefficients."""

import math
from dataclasses import dataclass

from seesay.config import FeaturesConfig
from seesay.signal.feature_settings import Analysis, analysis_of
from seesay.spec import ContentSpec, MatrixSpec, WaveformSpec

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


def feature_axes(features: FeaturesConfig, spec: ContentSpec) -> FeatureAxes | None:
    """Of the features that are made of recordings, or of ready-made matrices, of which only the numbers are
    known. Others have no such axes: None."""
    if isinstance(spec, MatrixSpec):
        ends = ((0.0, "1"), (spec.columns - 1.0, str(spec.columns)))
        return FeatureAxes(f"{spec.frames} frames", ends, "column")
    if not isinstance(spec, WaveformSpec):
        return None
    found = analysis_of(features, spec)
    if found.kind not in ("mfcc", "log-mel"):
        return FeatureAxes(f"{found.seconds:g} s", (), "feature")
    if found.kind == "log-mel":
        return FeatureAxes(f"{spec.seconds:g} s", _frequencies(found), "frequency")
    middle = found.coefficients // 2
    marks = ((0.0, "1"), (middle - 1.0, str(middle)), (float(found.coefficients), "energy"))
    return FeatureAxes(f"{spec.seconds:g} s", marks, "coefficient")


def _frequencies(analysis: Analysis) -> tuple[tuple[float, str], ...]:
    """Every other octave, downwards, as long as they do not crowd. Filter j has its peak j + 1 steps above
    the lower edge."""
    low, high = _mel(analysis.low), _mel(analysis.high)
    step = (high - low) / (analysis.filters + 1)
    there = [hertz for hertz in FREQUENCIES if low + step <= _mel(hertz) <= high][::-2]
    marks: list[tuple[float, str]] = []
    for hertz in there:
        place = (_mel(hertz) - low) / step - 1
        if not marks or marks[-1][0] - place > analysis.filters / 8:
            marks.append((place, _named(hertz)))
    return tuple(reversed(marks))


def _mel(hertz: float) -> float:
    """HTK's scale."""
    return 2595 * math.log10(1 + hertz / 700)


def _named(hertz: int) -> str:
    return f"{hertz} Hz" if hertz < 1_000 else f"{hertz // 1_000} kHz"
