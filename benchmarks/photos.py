"""How few photos and sounds are enough: `python -m benchmarks.photos --data ../shared/data`.

`flowers`: some photos of each of five flowers train, all others test; each draw takes other photos. Beside
it, logistic regression on the same vectors where the encoder is frozen. `pairs`: photos of dalmatians,
roosters and helicopters with recordings of dogs, roosters and helicopters, some sources of each to train:
pictures alone, sounds alone, both. `sounds`: the ten classes of ESC-10 by its five folds. Vectors of frozen
encoders are made once for all draws; the seconds are those of training.
"""

import argparse
import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from benchmarks.door import one_line_of_errors, positive
from seesay.config import Config
from seesay.data.batches import table
from seesay.data.dataset import SPLITS, Dataset
from seesay.formats.open import open_data
from seesay.learn.fit import Epoch, fresh
from seesay.learn.learn import learn, prepared
from seesay.metrics.scores import METRICS
from seesay.model.classifier import posteriors
from seesay.model.features import RawFeatures, features_of
from seesay.recipes import recipe
from seesay.search.space import apply, parse_space
from seesay.spec import Spec

TASKS = ("flowers", "pairs", "sounds")

TRAIN, TEST = SPLITS.index("train"), SPLITS.index("test")

PAIRED = {"dalmatian": "dog_bark", "rooster": "rooster", "helicopter": "helicopter"}
"""Classes of photos and of recordings."""

REGULARISATION = 0.1
"""C of logistic regression on standardised vectors: the best of 0.003 to 1 on the flowers (docs/log.md)."""

Scores = Mapping[str, float]


def drawn(data: Dataset, each: int, seed: int) -> Dataset:
    """`each` rows of each class to train on, drawn at random; the others test."""
    random = np.random.default_rng(seed)
    picked = [
        random.permutation(np.flatnonzero(data.label == k))[:each] for k in range(len(data.spec.classes))
    ]
    split = np.full(len(data), TEST, np.int8)
    split[np.concatenate(picked)] = TRAIN
    return data.replace(split=split)


def paired(photos: Dataset, sounds: Dataset, each: int, seed: int) -> Dataset:
    """Rows of a photo and a recording of the same class: `each` of a class to train on, and as many to test
    as there are photos left. A recording's source is on one side alone."""
    random = np.random.default_rng(seed)
    rows, label, split = [], [], []
    source = sounds.groups["audio"]["source"].ids
    for k, (seen, heard) in enumerate(PAIRED.items()):
        pictures = random.permutation(
            photos.pointers("image")[photos.label == photos.spec.classes.index(seen)]
        )
        clips = random.permutation(sounds.pointers("audio")[sounds.label == sounds.spec.classes.index(heard)])
        own = np.isin(source[clips], source[clips[:each]])
        sides = ((pictures[:each], clips[:each], TRAIN), (pictures[each:], clips[~own], TEST))
        for left, right, side in sides:
            rows.append(np.stack([left, np.resize(right, len(left))], 1))
            label.append(np.full(len(left), k))
            split.append(np.full(len(left), side))
    return Dataset(
        name="seen and heard",
        spec=Spec(tuple(PAIRED), {"image": photos.spec["image"], "audio": sounds.spec["audio"]}),
        contents={"image": photos.contents["image"], "audio": sounds.contents["audio"]},
        rows=np.concatenate(rows).astype(np.int32),
        label=np.concatenate(label).astype(np.int64),
        split=np.concatenate(split).astype(np.int8),
        groups=sounds.groups,
        pairing="drawn within class",
        sources=(*photos.sources, *sounds.sources),
    )


def scores_of(data: Dataset, config: Config, seed: int, raw: RawFeatures) -> Scores:
    """Accuracy on the test rows by condition, and CPU seconds of training."""
    seen, splits, config = prepared(data, dataclasses.replace(config, seed=seed))
    for modality in seen.modalities:  # made outside the clock
        raw_of(config, seen, modality, raw)
    began = time.process_time()
    *_, last = (step for step in learn(seen, splits, config, raw=raw) if isinstance(step, Epoch))
    seconds = time.process_time() - began
    assert last.model is not None
    rows = table(seen, splits.test, features_of(last.model, seen, raw))
    accuracy = METRICS["accuracy"].score
    found = {
        str(c): float(accuracy(p, seen.label[splits.test])) for c, p in posteriors(last.model, rows).items()
    }
    return found | {"CPU s": seconds}


def by_fold(sounds: Dataset, fold: int) -> Dataset:
    """The recordings of this fold test, the others train; their files begin with the number of the fold."""
    test = np.array([Path(name).name.startswith(f"{fold}-") for name in sounds.files])
    return sounds.replace(split=np.where(test, TEST, TRAIN).astype(np.int8))


def raw_of(config: Config, data: Dataset, modality: str, raw: RawFeatures) -> torch.Tensor | None:
    """The vectors, (contents, size), that a frozen network makes of a modality's contents; None: no
    vectors."""
    model = fresh(config, data, np.arange(len(data)), raw=raw)
    vectors = features_of(model, data, raw)[modality].values
    return vectors if vectors.dim() == 2 else None


def regression(data: Dataset, vectors: np.ndarray) -> float:
    """Accuracy of logistic regression on standardised vectors of the pictures."""
    x = vectors[data.pointers("image")]
    train, test = data.split == TRAIN, data.split == TEST
    fitted = LogisticRegression(C=REGULARISATION, max_iter=500).fit(x[train], data.label[train])
    return float(fitted.score(x[test], data.label[test]))


def flowers(data: Dataset, config: Config, each: int, draws: int, raw: RawFeatures) -> Iterator[Scores]:
    """The scores of each draw."""
    for seed in range(draws):
        chosen = drawn(data, each, seed)
        found = dict(scores_of(chosen, config, seed, raw))
        settled = prepared(chosen, config)[2]
        if (vectors := raw_of(settled, chosen, "image", raw)) is not None:
            found["logistic regression"] = regression(chosen, vectors.numpy())
        yield found


def line(name: str, found: Sequence[Scores]) -> str:
    """Mean and standard deviation of each score."""
    columns = {key: np.array([each[key] for each in found]) for key in found[0]}
    told = (f"{key} {v.mean():.3f} ± {v.std(ddof=1) if len(v) > 1 else 0:.3f}" for key, v in columns.items())
    return f"{name}: {', '.join(told)}"


def main() -> None:
    """Prints a line for each task and number of rows."""
    parser = argparse.ArgumentParser(description="Accuracy with few photos, and with photos and sounds.")
    parser.add_argument("--data", type=Path, required=True, help="folder with photos and esc10")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument(
        "--each", type=positive, nargs="+", default=[20, 5], help="photos of a flower to train on"
    )
    parser.add_argument("--pairs", type=positive, default=15, help="pairs of a class to train on")
    parser.add_argument("--draws", type=positive, default=5)
    parser.add_argument("--image", default="efficientnet-lite0", help="encoder of pictures")
    parser.add_argument("--audio", default="efficientnet-lite0", help="encoder of recordings")
    parser.add_argument(
        "--change",
        default="",
        help="settings unlike the recipe's and the encoder's: augment.embedding_noise=1",
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    if "flowers" in given.tasks:
        data = open_data(given.data / "photos" / "flowers")
        config, raw = configured(given, image="picture"), RawFeatures(data)
        for each in given.each:
            print(line(f"{each} of each", list(flowers(data, config, each, given.draws, raw))), flush=True)
    if "pairs" in given.tasks:
        photos, sounds = open_data(given.data / "photos" / "caltech"), open_data(given.data / "esc10")
        config, raw = configured(given, image="picture", audio="waveform"), None
        found = []
        for seed in range(given.draws):
            data = paired(photos, sounds, given.pairs, seed)
            raw = RawFeatures(data) if raw is None else raw
            found.append(scores_of(data, config, seed, raw))
        print(line(f"{given.pairs} pairs of each", found), flush=True)
    if "sounds" in given.tasks:
        sounds = open_data(given.data / "esc10")
        config, raw = configured(given, audio="waveform"), RawFeatures(sounds)
        found = [scores_of(by_fold(sounds, fold), config, 0, raw) for fold in range(1, 6)]
        print("by fold:", ", ".join(f"{each['audio']:.3f}" for each in found))
        print(line("five folds", found), flush=True)


def configured(given: argparse.Namespace, **kinds: str) -> Config:
    """The recipe `small` for modalities of these kinds, with the encoders and settings that were given."""
    encoders = ",".join(f"model.{modality}.kind={vars(given)[modality]}" for modality in kinds)
    space = parse_space(f"{encoders},{given.change}" if given.change else encoders)
    return apply(recipe("small").naming(kinds), space.cells()[0])


if __name__ == "__main__":
    one_line_of_errors(main)
