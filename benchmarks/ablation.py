"""What each choice of recipe `small` gains: the same training without it, by modality, over seeds.

    python -m benchmarks.ablation open-wsd --out ablation.jsonl

Every line of `--out` is one training; those that are there already are not done again. Prints a table of
macro-F1 on test rows as points (hundredths) lost without the choice, paired by seed, mean ± standard
deviation.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seesay.config import Config
from seesay.data.dataset import Dataset
from seesay.data.layouts import open_data
from seesay.data.splits import split
from seesay.learn.run import begin, train
from seesay.measure.evaluate import evaluate
from seesay.recipes import recipe

CHOICES: dict[str, dict[str, dict[str, Any]]] = {
    "image": {
        "turned, zoomed, moved": {"augment": {"shift": 0.0, "rotate": 0.0, "zoom": 0.0}},
        "label smoothing": {"optim": {"label_smoothing": 0.0}},
        "average of the weights": {"optim": {"average": 0.0}},
        "one cycle of the learning rate": {"optim": {"schedule": "constant", "lr": 1e-3}},
    },
    "audio": {
        "tilt": {"augment": {"tilt": 0.0}},
        "delay and stretch": {"augment": {"delay": 0.0, "stretch": 0.0}},
        "masks": {"augment": {"mask_frames": 0, "mask_columns": 0}},
        "noise": {"augment": {"noise": 0.0}},
        "label smoothing": {"optim": {"label_smoothing": 0.0}},
        "average of the weights": {"optim": {"average": 0.0}},
        "one cycle of the learning rate": {"optim": {"schedule": "constant", "lr": 1e-3}},
    },
}
"""By modality and name, the fields of a config that turn the choice off."""


def without(config: Config, changes: dict[str, dict[str, Any]]) -> Config:
    """The config with these fields of its parts changed."""
    parts = {name: dataclasses.replace(getattr(config, name), **fields) for name, fields in changes.items()}
    return dataclasses.replace(config, **parts)


def score(data: Dataset, config: Config, folder: Path) -> float:
    """Macro-F1 on test rows after training; of the one modality that the config names."""
    run, used, splits = begin(data, data.name, config, "small", folder, overwrite=True)
    for _ in train(run, used, splits):
        pass
    (result,) = evaluate(run.model(), used, split(used).test).results.values()
    return result["macro_f1"]


def main() -> None:
    parser = argparse.ArgumentParser(description="What each choice gains.")
    parser.add_argument("data", help="data set, as seesay train takes it")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation.jsonl"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--modality", choices=tuple(CHOICES), action="append", help="one of them alone")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = open_data(given.data)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    lines = given.out.read_text().splitlines() if given.out.exists() else []
    known = {(m, name, seed): value for m, name, seed, value in map(json.loads, lines)}
    for modality in given.modality or CHOICES:
        choices = {"nothing": {}, **CHOICES[modality]}
        for name, changes in choices.items():
            for seed in range(given.seeds):
                if (modality, name, seed) in known:
                    continue
                usual = dataclasses.replace(recipe("small"), seed=seed, modalities=(modality,))
                value = score(data, without(usual, changes), given.out.with_suffix(".run"))
                known[modality, name, seed] = value
                with given.out.open("a") as file:
                    file.write(json.dumps([modality, name, seed, value]) + "\n")
        usual = np.array([known[modality, "nothing", seed] for seed in range(given.seeds)])
        print(f"{modality}: {usual.mean():.4f} ± {usual.std():.4f}\n\n| without | points lost |\n|---|---|")
        for name in CHOICES[modality]:
            lost = 100 * (usual - [known[modality, name, seed] for seed in range(given.seeds)])
            print(f"| {name} | {lost.mean():.2f} ± {lost.std():.2f} |")
        print(flush=True)


if __name__ == "__main__":
    main()
