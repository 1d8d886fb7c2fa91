"""Axis labels of feature matrices for figures: seconds, Hz, numbers of coefficients."""

import math
from dataclasses import dataclass

from seesay.config import FeaturesConfig
from seesay.signal.feature_settings import Analysis, analysis_of
from seesay.spec import ContentSpec, MatrixSpec, WaveformSpec

FREQUENCIES = (60, 125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)
"""Hz: possible tick marks, octaves apart."""


@dataclass(frozen=True)
class FeatureAxes:
    """Tick marks and labels for the axes of a matrix (frames, columns)."""

    time: str
    """Label at the end of the time axis, which begins at 0: `1 s`."""
    marks: tuple[tuple[float, str], ...]
    """Tick marks of the columns: position, from 0, and label, as `(12.4, "1 kHz")`."""
    what: str
    """Name of the column axis."""


def feature_axes(features: FeaturesConfig, spec: ContentSpec) -> FeatureAxes | None:
    """The axes of features of recordings or, as mere numbers, of ready-made matrices. Others: None."""
    if isinstance(spec, MatrixSpec):
        ends = ((0.0, "1"), (spec.columns - 1.0, str(spec.columns)))
        return FeatureAxes(f"{spec.frames} frames", ends, "column")
    if not isinstance(spec, WaveformSpec):
        return None
    analysis = analysis_of(features, spec)
    if analysis.kind not in ("mfcc", "log-mel"):
        return FeatureAxes(f"{analysis.seconds:g} s", (), "feature")
    if analysis.kind == "log-mel":
        return FeatureAxes(f"{spec.seconds:g} s", _frequencies(analysis), "frequency")
    middle = analysis.coefficients // 2
    marks = ((0.0, "1"), (middle - 1.0, str(middle)), (float(analysis.coefficients), "energy"))
    return FeatureAxes(f"{spec.seconds:g} s", marks, "coefficient")


def _frequencies(analysis: Analysis) -> tuple[tuple[float, str], ...]:
    """Marks at every other octave, from the top, skipping crowded ones. Filter j peaks j + 1 mel steps above
    the lower edge."""
    low, high = _mel(analysis.low), _mel(analysis.high)
    step = (high - low) / (analysis.filters + 1)
    marked = [hertz for hertz in FREQUENCIES if low + step <= _mel(hertz) <= high][::-2]
    marks: list[tuple[float, str]] = []
    for hertz in marked:
        column = (_mel(hertz) - low) / step - 1
        if not marks or marks[-1][0] - column > analysis.filters / 8:
            marks.append((column, _text(hertz)))
    return tuple(reversed(marks))


def _mel(hertz: float) -> float:
    """Mel of a frequency (HTK's scale)."""
    return 2595 * math.log10(1 + hertz / 700)


def _text(hertz: int) -> str:
    return f"{hertz} Hz" if hertz < 1_000 else f"{hertz // 1_000} kHz"
