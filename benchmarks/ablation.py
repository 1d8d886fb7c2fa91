"""What each choice of a recipe gains: `python -m benchmarks.ablation --data open-wsd`.

A modality is trained alone, with the recipe and then without one choice at a time, by the same seeds, and
scored on the test rows. What a choice gains is the mean of the differences, in points of macro-F1, with
their standard deviation. Alone, a modality is not taught together with the other, which changes its scores
a little (docs/log.md).
"""

import argparse
import dataclasses
import time
from collections.abc import Iterator, Mapping

import numpy as np
import torch

from benchmarks.door import one_line_of_errors, positive
from seesay.config import Config
from seesay.data.batches import table
from seesay.data.dataset import Dataset
from seesay.data.splits import split
from seesay.errors import InputError
from seesay.formats.open import open_data
from seesay.learn.fit import Epoch, validate
from seesay.learn.learn import learn
from seesay.model.features import RawFeatures, features_of
from seesay.recipes import recipe
from seesay.search.space import Value, apply
from seesay.spec import Modality

Change = Mapping[str, Value]
"""Values by dotted name, as options of `seesay train` are called."""

OF_BOTH: Mapping[str, Change] = {
    "label smoothing": {"optim.label_smoothing": 0.0},
    "average of the weights": {"optim.average": 0.0},
    "rate up and down": {"optim.schedule": "constant"},
}

WITHOUT: Mapping[Modality, Mapping[str, Change]] = {
    "image": {
        "moving": {"augment.shift": 0.0},
        "turning": {"augment.rotate": 0.0},
        "zooming": {"augment.zoom": 0.0},
        "all three": {"augment.shift": 0.0, "augment.rotate": 0.0, "augment.zoom": 0.0},
        "dropout": {"model.image.dropout": 0.0},
        "weight decay": {"optim.weight_decay": 0.0, "model.image.weight_decay": 0.0},
        **OF_BOTH,
    },
    "audio": {
        "moving in time": {"augment.delay": 0.0},
        "stretching in time": {"augment.stretch": 0.0},
        "masks of frames": {"augment.mask_frames": 0},
        "masks of columns": {"augment.mask_columns": 0},
        "a constant for each column": {"augment.tilt": 0.0},
        "noise": {"augment.noise": 0.0},
        "dropout": {"model.audio.dropout": 0.0},
        "weight decay": {"optim.weight_decay": 0.0},
        **OF_BOTH,
    },
}
"""By modality and name of a choice: the recipe without it."""


def score(data: Dataset, config: Config) -> float:
    """Macro-F1 on the test rows, of the epoch that the recipe keeps."""
    parts, raw = split(data, config.split.seed, config.split.by, config.split.valid), RawFeatures(data)
    epochs = (step for step in learn(data, parts, config, raw=raw) if isinstance(step, Epoch))
    kept = [epoch.model for epoch in epochs if epoch.model is not None][-1]
    (found,) = validate(kept, table(data, parts.test, features_of(kept, data, raw))).values()
    return found


def gains(
    data: Dataset, modality: Modality, config: Config, seeds: int, choices: Mapping[str, Change]
) -> Iterator[tuple[str, np.ndarray, float]]:
    """A choice, macro-F1 by seed without it, and CPU seconds of a training; first of all, the recipe."""
    alone = data.only(modality)
    config = config.naming(alone.spec.kinds)
    for name, change in {"nothing": {}, **choices}.items():
        began = time.process_time()
        found = [score(alone, apply(config, {**change, "seed": seed})) for seed in range(seeds)]
        yield name, np.array(found), (time.process_time() - began) / seeds


def main() -> None:
    """Prints a table in Markdown, a line when it is known."""
    names = sorted({name for choices in WITHOUT.values() for name in choices})
    parser = argparse.ArgumentParser(description="What each choice of a recipe gains.")
    parser.add_argument("--data", default="digits", help="data set, as seesay train takes it")
    parser.add_argument("--recipe", default="small")
    parser.add_argument("--modalities", nargs="+", default=["image", "audio"], choices=list(WITHOUT))
    parser.add_argument("--choices", nargs="+", default=names, choices=names)
    parser.add_argument("--seeds", type=positive, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = recipe(given.recipe)
    for modality in given.modalities:
        if not WITHOUT[modality].keys() & set(given.choices):
            raise InputError(f"{modality} has none of the choices {', '.join(given.choices)}")
    data = open_data(given.data)
    for modality in given.modalities:
        config = dataclasses.replace(config, modalities=(modality,))
        choices = {name: WITHOUT[modality][name] for name in WITHOUT[modality] if name in given.choices}
        print(f"\n| {modality}, {given.recipe} without | macro-F1 | it gains, points | CPU time |")
        print("|---|---|---|---|")
        whole = np.empty(0)
        for name, found, seconds in gains(data, modality, config, given.seeds, choices):
            whole = whole if len(whole) else found
            gain = 100 * (whole - found)
            told = f"{gain.mean():+.2f} ± {gain.std():.2f}" if name in choices else ""
            score = f"{found.mean():.4f} ± {found.std():.4f}"
            print(f"| {name} | {score} | {told} | {seconds:.0f} s |", flush=True)


if __name__ == "__main__":
    one_line_of_errors(main)
