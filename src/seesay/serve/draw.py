"""The figure of a prediction: a recording, and what was recognised where."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from seesay.errors import InputError, OutputError
from seesay.figures import segments as figure
from seesay.figures.style import save
from seesay.serve.answer import Prediction
from seesay.serve.long_recordings import long_modality
from seesay.serve.predict import Predictor
from seesay.spec import Modality, WaveformSpec

NONE = "none of these"
"""The lane of segments that are rejected."""


def check_drawable(
    predictor: Predictor, sources: Mapping[Modality, Any], path: Path, overwrite: bool = False
) -> None:
    """InputError if no source is a recording, OutputError if the file exists and may not be replaced."""
    if not _recordings(predictor, sources):
        raise InputError("the figure shows a recording, and none is given", "Add --audio, or drop --figure.")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists already", "Choose another name, or add --overwrite.")


def draw_segments(
    predictor: Predictor, prediction: Prediction, sources: Mapping[Modality, Any], path: Path
) -> None:
    """Write the figure of a prediction as a PNG: the recording that it has segments of, or the first one with
    the prediction for all of it."""
    recordings = _recordings(predictor, sources)
    contents = {m: torch.from_numpy(predictor.read(m, source))[None] for m, source in recordings.items()}
    modality = long_modality(predictor.model, predictor.spec, contents) or next(iter(contents))
    waveform, spec = contents[modality][0].numpy(), predictor.spec[modality]
    assert isinstance(spec, WaveformSpec)
    best = prediction.opinions[modality][0]
    whole = figure.Bar(0.0, len(waveform) / spec.rate, best["label"], best["score"])
    heard = [(s, NONE if s.rejected else s.label) for s in prediction.segments]
    bars = [figure.Bar(s.start, s.end, label, s.score) for s, label in heard] or [whole]
    save(
        figure.segments(waveform, spec.rate, bars, _title(sources[modality], len(prediction.segments))), path
    )


def _title(source: Any, count: int) -> str:
    name = Path(source).name if isinstance(source, str | Path) else "recording"
    return f"{name}: {count:,} segments" if count > 1 else name


def _recordings(predictor: Predictor, sources: Mapping[Modality, Any]) -> dict[Modality, Any]:
    spec = predictor.spec
    return {m: x for m, x in sources.items() if m in spec.modalities and isinstance(spec[m], WaveformSpec)}
