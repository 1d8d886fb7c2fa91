"""Data that nobody tuned on, with defaults: `python -m benchmarks.strangers TABLE --data FOLDER`.

`pairs`: 460 real pairs of three digits, 400, 40 and 20 of a class, with FSDD's recordings; two speakers and
MNIST's test pictures test. `sounds`: ESC-10, each of its five folds tested once. `flowers`: 20 photos of
each of five kinds, all others tested. `rare`: 400 made pairs of two classes, 5 % of them of one, which
either modality tells apart alone, for every fusion and from 2 to 60 epochs.
"""

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.door import one_line_of_errors, positive
from benchmarks.small_data import pairs_of, trained
from seesay.config import Config
from seesay.data.dataset import SPLITS, Dataset, subset_with_contents
from seesay.formats.open import open_data
from seesay.metrics.scores import measure
from seesay.recipes import USUAL_KINDS, recipe
from seesay.registry import names
from seesay.search.space import apply, parse_space
from seesay.spec import PictureSpec, Spec, WaveformSpec

TEST = SPLITS.index("test")

Scores = Mapping[str, Mapping[str, float]]
"""By condition every metric."""

TRIPLES = (
    ((3, 5, 8), ("theo", "yweweler")),
    ((1, 4, 7), ("george", "jackson")),
    ((0, 6, 9), ("lucas", "nicolas")),
    ((2, 5, 6), ("jackson", "theo")),
)
"""Digits, from frequent to rare, and the speakers who test."""

COUNTS = (400, 40, 20)


def scored(data: Dataset, config: Config) -> Scores:
    """Scores of the test rows."""
    said, label = trained(data, config)
    return {name: measure(each, label) for name, each in said.items()}


def pairs(folder: Path, seeds: int, config: Config) -> Iterator[tuple[str, Scores]]:
    whole = pairs_of(folder)
    group = whole.groups["audio"]["speaker"]
    for digits, speakers in TRIPLES:
        for seed in range(seeds):
            data = _unbalanced(whole, np.array(group.names)[group.ids], digits, speakers, seed)
            scores = scored(data, replace(config, seed=seed))
            yield f"{digits} {'+'.join(speakers)}", scores


def _unbalanced(
    whole: Dataset, speaker: np.ndarray, digits: tuple[int, ...], tested: tuple[str, ...], seed: int
) -> Dataset:
    """COUNTS rows of each digit to train on, 80 of each to test; FSDD's speakers have names of letters
    alone."""
    random = np.random.default_rng([seed, *digits])
    fsdd = np.array([name.isalpha() for name in speaker])
    rows, label, split = [], [], []
    for place, (digit, count) in enumerate(zip(digits, COUNTS, strict=True)):
        own = whole.label == whole.spec.classes.index(str(digit))
        heard = np.unique(whole.pointers("audio")[own])
        heard = heard[fsdd[heard]]
        for part, n in ((0, count), (TEST, 80)):
            seen = np.unique(whole.pointers("image")[own & (whole.split == part)])
            clips = heard[np.isin(speaker[heard], tested) == (part == TEST)]
            rows.append(np.stack([random.permutation(seen)[:n], random.choice(clips, n)], 1))
            label += [place] * n
            split += [TEST if part == TEST else -1] * n
    spec = replace(whole.spec, classes=tuple(map(str, digits)))
    drawn = np.concatenate(rows).astype(np.int32)
    data = whole.replace(
        spec=spec, rows=drawn, label=np.array(label), split=np.array(split, np.int8), pairing="given"
    )
    return subset_with_contents(data, np.arange(len(data)))


def sounds(folder: Path, seeds: int, config: Config) -> Iterator[tuple[str, Scores]]:
    with (folder / "esc10" / "clips.csv").open() as file:
        clips = list(csv.DictReader(file))
    for fold in sorted({clip["fold"] for clip in clips}):
        rows = [
            (folder / "esc10" / c["file"], c["cls"], c["group"], "test" if c["fold"] == fold else "")
            for c in clips
        ]
        data = _manifest(("audio", "label", "speaker", "split"), rows)
        for seed in range(seeds):
            yield f"fold {fold}", scored(data, replace(config, seed=seed))


def flowers(folder: Path, seeds: int, config: Config) -> Iterator[tuple[str, Scores]]:
    photos = sorted((folder / "photos" / "flowers").glob("*/*.jpg"))
    for seed in range(seeds):
        random, rows = np.random.default_rng(seed), []
        for kind in sorted({photo.parent.name for photo in photos}):
            own = [photo for photo in photos if photo.parent.name == kind]
            drawn = set(random.permutation(len(own))[:20].tolist())
            rows += [(photo, kind, "" if i in drawn else "test") for i, photo in enumerate(own)]
        data = _manifest(("image", "label", "split"), rows)
        yield "20 a class", scored(data, replace(config, seed=seed))


def _manifest(heading: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Dataset:
    """What a user gets who lists absolute paths in a table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([heading, *((Path(str(row[0])).resolve(), *row[1:]) for row in rows)])
        return open_data(path)


def rare(folder: Path, seeds: int, config: Config) -> Iterator[tuple[str, Scores]]:
    for seed in range(seeds):
        data = made_pairs(seed)
        for fusion in names("fusion"):
            for epochs in (2, 5, 15, 60):
                each = replace(
                    config,
                    seed=seed,
                    model=replace(config.model, fusion=fusion),
                    optim=replace(config.optim, epochs=epochs, batch=32),
                )
                said, label = trained(data, each)
                scores = {name: measure(each, label) for name, each in said.items()}
                right = {name: each.argmax(1) == label for name, each in said.items()}
                both = right["image"] & right["audio"]
                kept = float(right["image+audio"][both].mean()) if both.any() else float("nan")
                yield f"{fusion}, {epochs} epochs", {**scores, "where both are right": {"accuracy": kept}}


def made_pairs(seed: int, rows: int = 400, share: float = 0.05, tested: int = 200) -> Dataset:
    """Bars that lie or stand, tones that are low or high; `tested` rows of each class test."""
    random = np.random.default_rng(seed)
    few = round(rows * share)
    label = np.repeat([0, 1, 0, 1], [rows - few, few, tested, tested])
    split = np.repeat([-1, TEST], [rows, 2 * tested]).astype(np.int8)
    spec = Spec(
        ("common", "rare"), {"image": PictureSpec("photo"), "audio": WaveformSpec(8_000, high=4_000.0)}
    )
    return Dataset(
        spec=spec,
        contents={
            "image": np.stack([_bar(k, random) for k in label]),
            "audio": np.stack([_tone(k, random) for k in label]),
        },
        rows=np.stack([np.arange(len(label))] * 2, 1).astype(np.int32),
        label=label,
        split=split,
    )


def _bar(upright: int, random: np.random.Generator) -> np.ndarray:
    picture = random.integers(0, 80, (28, 28))
    (y, x), (high, wide) = random.integers(6, 22, 2), ((4, 1) if upright else (1, 4))
    picture[y - high : y + high + 1, x - wide : x + wide + 1] += 150
    return picture.clip(0, 255).astype(np.uint8)[None]


def _tone(high: int, random: np.random.Generator) -> np.ndarray:
    time_s, pitch = np.arange(8_000) / 8_000, random.uniform(*((900, 1_300) if high else (300, 500)))
    tone = 8_000 * np.sin(2 * np.pi * pitch * time_s) + 1_500 * random.standard_normal(8_000)
    return tone.clip(-32_768, 32_767).astype(np.int16)


TABLES = {"pairs": pairs, "sounds": sounds, "flowers": flowers, "rare": rare}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=positive, default=5)
    parser.add_argument("--out", type=Path, help="JSON lines, one a training")
    parser.add_argument("--change", help="settings unlike the defaults: model.audio.kind=speech")
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = recipe("small")
    if given.change:
        config = config.naming(USUAL_KINDS, others=True)
        config = apply(config, parse_space(given.change, config=config).cells()[0])
    found: dict[str, list[Scores]] = {}
    began = time.process_time()
    for name, scores in TABLES[given.table](given.data, given.seeds, config):
        found.setdefault(name, []).append(scores)
        print(name, {c: {k: round(v, 4) for k, v in s.items()} for c, s in scores.items()}, flush=True)
        if given.out:
            with given.out.open("a") as file:
                file.write(json.dumps({"table": given.table, "name": name, "scores": scores}) + "\n")
    print(f"\n| {given.table} | " + " | ".join(next(iter(found.values()))[0]) + " |")
    print("|---" * (len(next(iter(found.values()))[0]) + 1) + "|")
    for name, every in found.items():
        print(f"| {name} | " + " | ".join(_told(every, condition) for condition in every[0]) + " |")
    everything = [scores for every in found.values() for scores in every]
    print("| all | " + " | ".join(_told(everything, condition) for condition in everything[0]) + " |")
    print(f"{time.process_time() - began:.0f} s of CPU time")


def _told(every: list[Scores], condition: str) -> str:
    """Macro-F1 and accuracy, mean and standard deviation."""
    measures = [m for m in ("macro_f1", "accuracy") if m in every[0][condition]]
    values = [np.array([scores[condition][m] for scores in every]) for m in measures]
    return " / ".join(f"{each.mean():.3f} ± {each.std():.3f}" for each in values)


if __name__ == "__main__":
    one_line_of_errors(main)
