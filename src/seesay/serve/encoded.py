"""The encodings of one row, which are what a model's heads take: the answer of `POST /encode`.

A head that is taught elsewhere, as on the page, predicts from them what a model with that head would. A long
recording has one encoding for each window (serve/segments.py); predictions are their mean, by weight.
"""

from dataclasses import asdict, dataclass
from typing import Any

from seesay.spec import Modality


@dataclass(frozen=True)
class EncodedWindow:
    """The encodings of one window of a recording, or of a whole row."""

    start: float
    """Seconds from the beginning of a long recording to that of the part that it speaks for; else 0."""
    end: float
    """Seconds from the beginning to the end of that part; else 0."""
    weight: float
    """How much it counts; the weights of a row sum to 1."""
    encodings: dict[Modality, list[float]]
    """By modality, of those that were given."""


@dataclass(frozen=True)
class Encoded:
    """The encodings of one row."""

    windows: list[EncodedWindow]
    """One, or, of a recording longer than one and a half clips, as many as cover the parts that sound."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)
