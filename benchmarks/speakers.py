"""How well voices are understood that the model was not trained on: `python -m benchmarks.speakers --data
../shared/data`.

Two of the six speakers of the Free Spoken Digit Dataset are held out, all fifteen pairs in turn, and the
speakers of `open_wsd_test_speakers.txt` with each pair. All other clips train, audio alone, repeated to as
many rows as open-wsd has. Every held-out clip is scored once, the two corpora apart.
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.door import one_line_of_errors, positive
from seesay.condition import Condition
from seesay.config import Config
from seesay.data.dataset import SPLITS, Dataset
from seesay.errors import InputError, nearest
from seesay.files import new_file
from seesay.formats.media import USUAL
from seesay.formats.pairing import read_speech
from seesay.learn.run import begin, train
from seesay.measure.evaluate import evaluate
from seesay.recipes import recipe
from seesay.search.space import apply, parse_space
from seesay.tables import written

CLASSES = tuple(map(str, range(10)))
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
"""Of the Free Spoken Digit Dataset."""

ROWS = 60_000
"""Rows to train and to validate on, as open-wsd has."""

MEASURES = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


class Outcome(NamedTuple):
    """Scores of one training, by corpus and measure; and what it took."""

    pair: tuple[str, str]
    scores: dict[tuple[str, str], float]
    clips: dict[str, int]
    seconds: float


def held_out(heard: Dataset, tested: Sequence[str], rows: int = ROWS, seed: int = 0) -> Dataset:
    """`heard` has a row per clip. The clips of these speakers are test rows, once each; those of the others
    are repeated to `rows` rows to train on, as many of each class, each clip as often as the others of its
    class, give or take one; 0: once each."""
    speaker = heard.groups["audio"]["speaker"]
    test = np.isin(speaker.ids[heard.pointers("audio")], [speaker.names.index(name) for name in tested])
    random, classes = np.random.default_rng(seed), len(heard.spec.classes)
    kept = [np.flatnonzero(~test & (heard.label == k)) for k in range(classes)]
    picked = [np.resize(random.permutation(own), rows // classes) if rows else own for own in kept]
    which = np.concatenate([*picked, np.flatnonzero(test)])
    side = np.where(test[which], SPLITS.index("test"), SPLITS.index("train")).astype(np.int8)
    return heard.select(which).replace(split=side, name=f"without {' and '.join(tested[:2])}")


def outcome(data: Dataset, pair: tuple[str, str], config: Config, folder: Path) -> Outcome:
    """Trains as `seesay train` does, and scores the test clips of the pair and those of all others."""
    began = time.process_time()
    run, seen, splits = begin(data, "benchmarks.speakers", config, "audio-only", folder)
    for _ in train(run, seen, splits):
        pass
    speaker = data.groups["audio"]["speaker"]
    own = np.isin(speaker.ids[data.pointers("audio")[splits.test]], [speaker.names.index(n) for n in pair])
    scores, clips, model = {}, {}, run.model()
    for corpus, rows in (("FSDD", splits.test[own]), ("Speech Commands", splits.test[~own])):
        result = evaluate(model, seen, rows).results[Condition("audio")]
        scores |= {(corpus, name): result[name] for name in MEASURES}
        clips[corpus] = len(rows)
    return Outcome(pair, scores, clips, time.process_time() - began)


def outcomes(
    heard: Dataset,
    others: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    config: Config,
    seeds: int,
    rows: int = ROWS,
) -> Iterator[Outcome]:
    """One for each pair and seed; the seed is that of the training and of the repetition."""
    for pair in pairs:
        for seed in range(seeds):
            data = held_out(heard, [*pair, *others], rows, seed)
            with tempfile.TemporaryDirectory() as folder:
                own = dataclasses.replace(config, seed=seed, modalities=("audio",))
                yield outcome(data, pair, own, Path(folder) / "run")


def table(found: Sequence[Outcome]) -> str:
    """A line for each pair, then mean, standard deviation and range over pairs, in Markdown."""
    columns = [(corpus, name) for corpus in ("FSDD", "Speech Commands") for name in MEASURES]
    heads = [f"{corpus} {MEASURES[name]}" for corpus, name in columns]
    by_pair: dict[tuple[str, str], list[Outcome]] = {}
    for each in found:
        by_pair.setdefault(each.pair, []).append(each)
    rows = [["held out", "clips", *heads]]
    means = []
    for pair, own in by_pair.items():
        values = np.array([[each.scores[column] for column in columns] for each in own])
        means.append(values.mean(0))
        spread = values.std(0, ddof=1) if len(own) > 1 else [None] * len(columns)
        cells = [
            f"{m:.4f}" + ("" if s is None else f" ± {s:.4f}")
            for m, s in zip(values.mean(0), spread, strict=True)
        ]
        rows.append([" + ".join(pair), " + ".join(f"{n:,}" for n in own[0].clips.values()), *cells])
    if len(means) > 1:
        over = np.array(means)
        spread = zip(over.mean(0), over.std(0, ddof=1), strict=True)
        rows.append([f"mean ± std of {len(over)} pairs", "", *(f"{m:.4f} ± {s:.4f}" for m, s in spread)])
        ends = zip(over.min(0), over.max(0), strict=True)
        rows.append(["range", "", *(f"{low:.4f} to {high:.4f}" for low, high in ends)])
    return written(rows, "markdown")


def pair_of(text: str) -> tuple[str, str]:
    """`george+jackson`, in the order of SPEAKERS."""
    names = text.split("+")
    for name in names:
        if name not in SPEAKERS:
            raise InputError(f"{name!r} is no speaker of FSDD", nearest(name, list(SPEAKERS)))
    if len(set(names)) != 2 or len(names) != 2:
        raise InputError(f"expected two different speakers, got {text}", "As in george+jackson.")
    first, second = sorted(names, key=SPEAKERS.index)
    return first, second


def main() -> None:
    """Prints a line for each training on standard error, and the table at the end."""
    parser = argparse.ArgumentParser(
        description="Scores on speakers held out, for all pairs of FSDD speakers."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with fsdd and speech_commands")
    parser.add_argument("--recipe", default="small")
    parser.add_argument(
        "--change", help="settings unlike the recipe's: model.audio.kind=speech,augment.noise=1"
    )
    parser.add_argument("--once", action="store_true", help="a row per clip, instead of 60,000 rows")
    parser.add_argument("--seeds", type=positive, default=1)
    parser.add_argument("--pairs", nargs="+", default=[], help="as in george+jackson; without it all fifteen")
    parser.add_argument("--out", type=Path, help="Markdown file to write the table into")
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = recipe(given.recipe).naming({"audio": "waveform"})
    if given.change:
        config = apply(config, parse_space(given.change).cells()[0])
    pairs = [pair_of(text) for text in given.pairs] or list(combinations(SPEAKERS, 2))
    names = given.data / "open_wsd_test_speakers.txt"
    if not names.is_file():
        raise InputError(f"{names} is not there", "Give a folder with fsdd, speech_commands and that file.")
    others = [name for name in names.read_text().split() if name not in SPEAKERS]
    heard = read_speech([given.data / "fsdd", given.data / "speech_commands"], CLASSES, USUAL)
    found = []
    for each in outcomes(heard, others, pairs, config, given.seeds, 0 if given.once else ROWS):
        found.append(each)
        said = "  ".join(f"{corpus} {name} {score:.4f}" for (corpus, name), score in each.scores.items())
        print(f"{'+'.join(each.pair)}: {said}  ({each.seconds:.0f} s CPU)", file=sys.stderr, flush=True)
    print(table(found))
    if given.out:
        with new_file(given.out, encoding="utf-8") as file:
            file.write(table(found) + "\n")


if __name__ == "__main__":
    one_line_of_errors(main)
