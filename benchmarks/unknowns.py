"""How well `known` tells digits from what is none: `python -m benchmarks.unknowns --data ../shared/data RUN`.

The digits are MNIST's test pictures and the clips of two speakers of the Free Spoken Digit Dataset, which are
held out only if the run was not trained on them. The rest is made by unknown_kinds.py, of kinds and makers
that no training has seen, and ESC-10's animals. Printed per kind: AUROC (0.5 by chance, 1 at best), and the
fraction whose `known` is below 0.5, which `--reject 0.5` turns away.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from benchmarks import unknown_kinds
from benchmarks.door import one_line_of_errors, positive
from seesay.errors import InputError
from seesay.formats.folders import read_pictures
from seesay.formats.media import Reading
from seesay.serve.predict import Predictor
from seesay.tables import written

SPEAKERS = ("lucas", "theo")
COUNT = 400
"""Pictures or recordings of a kind."""


def known(predictor: Predictor, modality: str, sources: Iterable[Any]) -> np.ndarray:
    """(n,): how known each of these is, a row each; 0 for what the reader refuses, such as a blank page."""
    contents, refused = [], 0
    for source in sources:
        try:
            contents.append(predictor.read(modality, source))
        except InputError:
            refused += 1
    values = [np.zeros(refused)]
    model = predictor.model
    with torch.inference_mode():
        for content in contents:  # recordings differ in length
            inputs = {modality: torch.from_numpy(content)[None]}
            score = model.known_scores(model.encode(model.features(inputs)))[modality]
            slope, offset = model.known_line[model.modalities.index(modality)].double()
            values.append((slope * score + offset).sigmoid().numpy())
    return np.concatenate(values)


def digits(data: Path, modality: str, count: int) -> list[Any]:
    """So many digits that a model of the report's kind is not trained on."""
    if modality == "image":
        read = read_pictures(data / "mnist", Reading(reader="ink"))
        rows = read.rows_of("test")[:: max(1, 10_000 // count)]
        return list(np.asarray(read.contents["image"])[read.pointers("image")[rows]])
    files = [file for name in SPEAKERS for file in sorted((data / "fsdd").glob(f"*_{name}_*.wav"))]
    if not files:
        raise InputError(f"{data / 'fsdd'} holds no recordings of {' and '.join(SPEAKERS)}")
    return files


def of_kinds(predictor: Predictor, data: Path, modality: str, count: int, seed: int) -> dict[str, np.ndarray]:
    """How known so many of each kind that is no digit are."""
    if modality == "image":
        made = {kind: unknown_kinds.pictures(kind, count, seed) for kind in unknown_kinds.PICTURES}
    else:
        made = {
            kind: unknown_kinds.recordings(kind, count, data / "esc10", seed)
            for kind in unknown_kinds.RECORDINGS
        }
    return {kind: known(predictor, modality, each) for kind, each in made.items()}


def measured(predictor: Predictor, data: Path, modality: str, count: int, seed: int) -> list[list[str]]:
    """A line per kind: its name, number, AUROC and the fraction that 0.5 turns away. Of recordings, digits of
    Speech Commands are a further line."""
    usual = known(predictor, modality, digits(data, modality, 5 * count))
    lines = [[f"{modality}: digits", f"{len(usual):,}", "", f"{np.mean(usual < 0.5):.3f}"]]
    values = of_kinds(predictor, data, modality, count, seed)
    every = np.concatenate(list(values.values()))
    if modality == "audio":
        files = sorted((data / "speech_commands").glob("*/*.wav"))
        lines.append(_against("digits of Speech Commands", known(predictor, modality, files), every))
        made = unknown_kinds.recordings(unknown_kinds.SAME_VOICES, count, data / "esc10", seed)
        words = values[unknown_kinds.RECORDINGS[0]]  # what a voice gives away does not help there
        name = f"{unknown_kinds.SAME_VOICES}, against numbers above nine"
        lines.append(_against(name, known(predictor, modality, made), words))
    for kind, each in [*values.items(), ("all kinds", every)]:
        score = auroc(usual, each)
        lines.append([f"{modality}: {kind}", f"{len(each):,}", f"{score:.4f}", f"{np.mean(each < 0.5):.3f}"])
    return lines


def auroc(digits: np.ndarray, others: np.ndarray) -> float:
    """Of `known` of digits and of what is none."""
    truth = np.repeat([1, 0], [len(digits), len(others)])
    return float(roc_auc_score(truth, np.concatenate([digits, others])))


def _against(name: str, usual: np.ndarray, others: np.ndarray) -> list[str]:
    """The line of further digits, recorded, against others."""
    return [f"audio: {name}", f"{len(usual):,}", f"{auroc(usual, others):.4f}", f"{np.mean(usual < 0.5):.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description="How well `known` tells digits from what is none.")
    parser.add_argument("run", type=Path, nargs="?", help="run folder; without one, the packaged model")
    parser.add_argument("--data", type=Path, required=True, help="folder with mnist, fsdd and esc10")
    parser.add_argument("--count", type=positive, default=COUNT, help="pictures or recordings of a kind")
    parser.add_argument("--seed", type=int, default=0, help="of what is made")
    given = parser.parse_args()
    torch.set_num_threads(1)
    predictor = Predictor.open(given.run)
    modalities = [m for m in ("image", "audio") if m in predictor.model.knowing]
    if not modalities:
        raise InputError(f"{given.run or 'the packaged model'} says nothing of `known`", "Train it again.")
    lines = [["kind", "number", "AUROC", "known below 0.5"]]
    for modality in modalities:
        lines += measured(predictor, given.data, modality, given.count, given.seed)
    print(written(lines, "markdown"))


if __name__ == "__main__":
    one_line_of_errors(main)
