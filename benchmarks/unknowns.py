"""How well `known` tells digits from what is none: `python -m benchmarks.unknowns --data ../shared/data RUN`.

The digits are MNIST's test pictures and the clips of two speakers of the Free Spoken Digit Dataset, which are
held out only if the run was not trained on them. The rest is made by unknown_kinds.py, of kinds and makers
that no training has seen, and ESC-10's animals. Printed per kind: AUROC (0.5 by chance, 1 at best), and the
fraction whose `known` is below 0.5, which `--reject 0.5` turns away.
"""

import argparse
from collections.abc import Callable, Iterable
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


def measured(predictor: Predictor, data: Path, modality: str, count: int, seed: int) -> list[list[str]]:
    """A line per kind: its name, number, AUROC and the fraction that 0.5 turns away."""
    usual = known(predictor, modality, digits(data, modality, 5 * count))
    makers: dict[str, Callable[[str], Iterable[Any]]] = {
        "image": lambda kind: unknown_kinds.pictures(kind, count, seed),
        "audio": lambda kind: unknown_kinds.recordings(kind, count, data / "esc10", seed),
    }
    kinds = {"image": unknown_kinds.PICTURES, "audio": unknown_kinds.RECORDINGS}[modality]
    lines = [[f"{modality}: digits", f"{len(usual):,}", "", f"{np.mean(usual < 0.5):.3f}"]]
    of_kinds = {kind: known(predictor, modality, makers[modality](kind)) for kind in kinds}
    if modality == "audio":
        lines += _of_same_voices(predictor, of_kinds[unknown_kinds.RECORDINGS[0]], makers["audio"])
    for kind, values in [*of_kinds.items(), ("all kinds", np.concatenate(list(of_kinds.values())))]:
        truth = np.repeat([1, 0], [len(usual), len(values)])
        score = roc_auc_score(truth, np.concatenate([usual, values]))
        line = [f"{modality}: {kind}", f"{len(values):,}", f"{score:.4f}", f"{np.mean(values < 0.5):.3f}"]
        lines.append(line)
    return lines


def _of_same_voices(
    predictor: Predictor, words: np.ndarray, maker: Callable[[str], Iterable[Any]]
) -> list[list[str]]:
    """The line for number words against digits of the same synthetic voices: what a voice gives away does not
    help there."""
    usual = known(predictor, "audio", maker(unknown_kinds.SAME_VOICES))
    score = roc_auc_score(np.repeat([1, 0], [len(usual), len(words)]), np.concatenate([usual, words]))
    name = f"audio: {unknown_kinds.SAME_VOICES}, against numbers above nine"
    return [[name, f"{len(usual):,}", f"{score:.4f}", f"{np.mean(usual < 0.5):.3f}"]]


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
