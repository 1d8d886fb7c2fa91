"""The report, whole: its models trained on a random row split, as it did, and on a split without leaks.

A generator of lines of progress: `for line in reproduce(plan): print(line)`. The folder keeps every run and a
diary (diary.py), so what was stopped goes on where it was.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seesay.condition import Condition
from seesay.config import Config, OptimConfig, PretrainConfig
from seesay.data.batches import table
from seesay.data.dataset import MISSING, SPLITS, Dataset
from seesay.data.splits import By, row_split, split
from seesay.errors import ConfigError, InputError
from seesay.figures.reconstructions import reconstructions
from seesay.figures.scores import score_intervals
from seesay.figures.style import save
from seesay.files import new_file
from seesay.learn.pretrain import Reconstruction
from seesay.learn.run import Run, begin, digest, train
from seesay.measure.embed import distinct, draw, embed, keep_embedding, numbers_of, rows_with, views
from seesay.measure.evaluate import Evaluation, evaluate, resampling_units, shared_with_training
from seesay.measure.model_card import keep
from seesay.model.autoencoder import reconstruct
from seesay.model.features import features_of
from seesay.plain import to_dict
from seesay.recipes import recipe
from seesay.reproduce.leak import Outcome, leak, score
from seesay.reproduce.page import page, series
from seesay.reproduce.progress import Clock, Diary
from seesay.search import search as tune
from seesay.search.report import keep_search, summary
from seesay.search.space import parse_space
from seesay.signal.feature_axes import feature_axes
from seesay.spec import Modality

MODALITIES = ("image", "audio")
"""Those of the report."""

FUSED = Condition.of(MODALITIES)

RECIPES: Mapping[Condition, str] = {
    FUSED: "report",
    Condition("image"): "report-image",
    Condition("audio"): "report-audio",
}
"""What the report trains: the fusion classifier on two autoencoders, and a CNN with labels per modality."""

SPLITTINGS: tuple[By, ...] = ("row", "group")

TEST = 0.2
"""Share of the rows that the random row split holds out. The report does not say how much it held
out."""

STEPS = 150
"""A small data set is gone over more often than the recipe says, until a training has so many steps."""

SEARCH_ROWS = 10_000
"""Rows of the search at most; all of 60,000 would take six times as long."""

FOLDS = 5
"""Of the search. The report says cross-validation, and no more."""

RECONSTRUCTED = 500
"""Contents whose reconstruction is measured for a figure; the first of them are shown."""

PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class Plan:
    """What is reproduced. Same plan, same data: the same numbers."""

    data: Dataset
    source: str
    """Name or path of the data set, as it was given."""
    folder: Path
    configs: Mapping[Condition, Config]
    """`configs_for` the data set."""
    seeds: int = 1
    """Trainings of each model, with seeds 0, 1, ...; the splits stay the same."""
    search: bool = False
    """Whether the report's grid is searched as well."""
    rows: int = 10_000
    """Of the pictures of encodings, at most."""

    def asked(self) -> dict[str, Any]:
        """What has to be the same for a folder to be gone on with."""
        configs = {name: to_dict(config) for name, config in self.configs.items()}
        rows = digest(self.data, np.arange(len(self.data)))
        return {
            "data": f"{self.data.name} ({rows})",
            "configs": configs,
            "seeds": self.seeds,
            "rows": self.rows,
        }


def configs_for(data: Dataset) -> dict[Condition, Config]:
    """The report's recipes; with more epochs where so few rows are trained on that they come to less than
    `STEPS` steps."""
    rows = max(1, int((data.label >= 0).sum() - (data.label[data.rows_of("test")] >= 0).sum()))
    configs = {}
    for name, known in RECIPES.items():
        config = recipe(known)
        parts = {"optim": config.optim} | ({"pretrain": config.pretrain} if config.pretrain.epochs else {})
        more = {part: _with_more_epochs(each, rows) for part, each in parts.items()}
        configs[name] = dataclasses.replace(config, **more)
    return configs


def _with_more_epochs(part: OptimConfig | PretrainConfig, rows: int) -> OptimConfig | PretrainConfig:
    assert part.epochs is not None, "the report's recipes say how many"
    assert part.batch is not None
    return dataclasses.replace(part, epochs=max(part.epochs, math.ceil(STEPS * part.batch / rows)))


def divided(data: Dataset, by: By) -> Dataset:
    """The labelled rows. `row`: those that are not for testing, with a fifth of them held out at random as
    their test split; `group`: with the split that the data set has."""
    data = data.select(data.label >= 0)
    if by == "group":
        return data
    pool = np.flatnonzero(data.split != SPLITS.index("test"))
    side = np.zeros(len(data), np.int8)
    side[row_split(data, pool, test=TEST).test] = SPLITS.index("test")
    return data.replace(split=side).select(pool)


def reproduce(plan: Plan, overwrite: bool = False) -> Iterator[str]:
    """Trains, scores, draws and searches what is not there yet, and yields a line whenever something is done.

    Data without pictures, recordings or labels: InputError. A folder that holds something else: OutputError.
    """
    _check(plan)
    diary = Diary.open(plan.folder, plan.asked(), overwrite)
    outcomes: dict[By, dict[str, Outcome]] = {}
    for by in SPLITTINGS:
        data = divided(plan.data, by)
        for name in plan.configs:
            for seed in range(plan.seeds):
                yield from _learn(plan, diary, data, by, name, seed)
        outcomes[by] = _outcomes(plan, by)
    yield from _reconstructions(plan, diary)
    yield from _encodings(plan, diary)
    for modality in MODALITIES if plan.search else ():
        yield from _search(plan, diary, modality)
    _conclude(plan, diary, outcomes)
    yield f"{plan.folder / 'report.md'} is written"


def _check(plan: Plan) -> None:
    data = plan.data
    for modality in MODALITIES:
        if modality not in data.modalities:
            raise InputError(
                f"{data.name} has no {modality}, and the report is about pictures and recordings",
                "Pair them with seesay data build.",
            )
    if not len(rows_with(data, np.flatnonzero(data.label >= 0), FUSED)):
        raise InputError(f"{data.name} has no labelled row with picture and recording", "Give other --data.")
    if plan.seeds < 1:
        raise ConfigError(f"expected at least 1 seed, got {plan.seeds}")


# ----------------------------------------------------------------------------------------------------- models


def _config(plan: Plan, by: By, name: Condition, seed: int) -> Config:
    config = plan.configs[name]
    return dataclasses.replace(config, seed=seed, split=dataclasses.replace(config.split, by=by))


def run_folder(folder: Path, by: By, name: Condition, seed: int) -> Path:
    """Where the run of this split, model and seed lies."""
    return folder / "runs" / by / f"{name.replace('+', '_')}-{seed}"


def _learn(plan: Plan, diary: Diary, data: Dataset, by: By, name: Condition, seed: int) -> Iterator[str]:
    """Trains a model, scores it on the rows held out, and keeps what it says of them."""
    folder, clock, what = run_folder(plan.folder, by, name, seed), Clock(diary), f"{by} split, {name}"
    if (folder / PREDICTIONS).is_file():
        return
    config = _config(plan, by, name, seed)
    run, data, splits = begin(data, plan.source, config, RECIPES[name], folder, resume=True)
    rows = {part: len(splits[part]) for part in SPLITS}
    diary.note("splits", by, {"rows": rows, "notes": list(splits.notes)})
    for step in train(run, data, splits):
        first = isinstance(step, Reconstruction)
        clock.charge(f"{by} split, {step.modality} autoencoder" if first else f"{what} classifier")
        yield f"{what}: {step}" if first else f"{what}: epoch {step.number}, loss {step.loss:.4f}"
    model = run.model()
    apart, shared = shared_with_training(data, splits, "test")
    evaluation = evaluate(model, data, splits.test, apart=apart, notes=shared)
    keep(run, model, data, evaluation)
    _keep_predictions(folder, data, evaluation)
    clock.charge(f"{by} split, scores and figures")
    yield f"{what}: macro-F1 {evaluation.results[name]['macro_f1']:.4f} on {len(evaluation.rows):,} rows"


def _keep_predictions(folder: Path, data: Dataset, evaluation: Evaluation) -> None:
    """By condition, of the rows that have all its modalities: prediction, label, and unit of resampling."""
    arrays: dict[str, Any] = {}
    for name in evaluation.results:
        said = evaluation.probabilities[name]
        there = ~np.isnan(said[:, 0])
        arrays[f"{name}.predicted"] = said[there].argmax(1)
        arrays[f"{name}.label"] = evaluation.label[there]
        arrays[f"{name}.unit"] = resampling_units(data, evaluation.rows[there], name)
    with new_file(folder / PREDICTIONS, "wb") as file:
        np.savez_compressed(file, **arrays)


def _outcomes(plan: Plan, by: By) -> dict[str, Outcome]:
    """What each model says, and, as `image head` and `audio head`, what the fusion classifier says of one
    modality."""
    wanted: dict[str, tuple[Condition, Condition]] = {name: (name, name) for name in plan.configs}
    wanted |= {f"{m} head": (FUSED, Condition(m)) for m in MODALITIES}
    return {what: _outcome(plan, by, model, name) for what, (model, name) in wanted.items()}


def _outcome(plan: Plan, by: By, model: Condition, name: Condition) -> Outcome:
    parts = []
    for seed in range(plan.seeds):
        with np.load(run_folder(plan.folder, by, model, seed) / PREDICTIONS, allow_pickle=False) as arrays:
            parts.append({part: arrays[f"{name}.{part}"] for part in ("predicted", "label", "unit")})
    predicted = [part["predicted"] for part in parts]
    return Outcome(predicted, parts[0]["label"], parts[0]["unit"], len(plan.data.spec.classes))


# ---------------------------------------------------------------------------------------------------- figures


def _leak_free(plan: Plan) -> tuple[Run, Dataset, np.ndarray, np.ndarray]:
    """The fusion run of the split without leaks, its data, its test and its training rows."""
    config, folder = _config(plan, "group", FUSED, 0), run_folder(plan.folder, "group", FUSED, 0)
    data = divided(plan.data, "group")
    run, data, splits = begin(data, plan.source, config, RECIPES[FUSED], folder, resume=True)
    return run, data, splits.test, splits.train


def _reconstructions(plan: Plan, diary: Diary) -> Iterator[str]:
    """Test contents beside what the autoencoders make of them."""
    if set(diary.values.get("reconstruction", ())) == set(MODALITIES):
        return
    clock = Clock(diary)
    run, data, test, _ = _leak_free(plan)
    features = features_of(run.model(), data)
    for modality, autoencoder in run.autoencoders().items():
        alone = Condition(modality)
        rows = draw(distinct(data, rows_with(data, test, alone), alone), RECONSTRUCTED, seed=0)
        rows = np.random.default_rng(0).permutation(rows)
        [batch] = table(data, rows, {modality: features[modality]}).in_order(RECONSTRUCTED)
        before, after = reconstruct(autoencoder, batch.inputs[modality])
        axes = feature_axes(run.config.model.named[modality].features, run.spec[modality])
        figure = reconstructions(before, after, axes=axes)
        save(figure, plan.folder / "figures" / f"reconstructions_{modality}.png")
        error = float(((before - after) ** 2).mean())
        diary.note("reconstruction", modality, {"mse": error, "contents": len(rows)})
    clock.charge("figures of reconstructions")
    yield "reconstructions are drawn"


def _encodings(plan: Plan, diary: Diary) -> Iterator[str]:
    """Pictures of the encodings of the test rows, and the numbers beside them."""
    folder, clock = plan.folder / "embedding", Clock(diary)
    if "embedding" in diary.values:
        return
    run, data, test, learned = _leak_free(plan)
    shown = views(run.model(), data, test, learned, plan.rows)
    fewest = min(len(view.rows) for view in shown)
    perplexity = min(30.0, (fewest - 1) / 3)
    found = []
    for each in embed(shown, len(data.spec.classes), "tsne", perplexity):
        found.append(each)
        yield f"encodings: {len(each.view.rows):,} of {each.view.condition} projected"
    about = {"run": str(run.folder), "data": plan.source, "split": "test", "method": "tsne", "seed": 0}
    keep_embedding(found, data.spec.classes, folder, about | {"perplexity": perplexity}, overwrite=True)
    clock.charge("encodings: t-SNE, k-means, probes, figures")
    diary.values["embedding"] = numbers_of(found)
    diary.save()


def _search(plan: Plan, diary: Diary, modality: Modality) -> Iterator[str]:
    """The report's grid of a CNN of one modality, by cross-validation that no group crosses."""
    if modality in diary.values.get("search", {}):
        return
    clock, config = Clock(diary), _config(plan, "group", Condition(modality), 0)
    data = divided(plan.data, "group")
    parts = split(data, config.split.seed, config.split.by, config.split.valid)
    pool = np.concatenate([parts.train, parts.valid])
    rows = min(SEARCH_ROWS, int((data.pointers(modality)[pool] != MISSING).sum()))
    asked = tune.Plan(parse_space("report", modality), config, folds=FOLDS, rows=rows)
    found = tune.begin(data, asked, plan.folder / f"search-{modality}")
    for trial in tune.search(found):
        clock.charge(f"search, {modality}")
        folds = f"{len(trial.folds)}/{FOLDS} folds"
        yield f"search, {modality}: trial {trial.number + 1}/{found.study.total}, {folds}"
    keep_search(found, config)
    best = summary(found, config)["best"]
    diary.note("search", modality, {"rows": rows, "folds": FOLDS, "cells": found.study.total, "best": best})


# ------------------------------------------------------------------------------------------------- conclusion


def _conclude(plan: Plan, diary: Diary, outcomes: Mapping[By, Mapping[str, Outcome]]) -> None:
    """Scores, intervals, the leak, and the page."""
    diary.values["results"] = {
        by: {name: score(o) for name, o in each.items()} for by, each in outcomes.items()
    }
    rows, groups = (outcomes[by] for by in SPLITTINGS)
    diary.values["leak"] = {name: leak(rows[name], groups[name]) for name in rows}
    diary.save()
    figure = score_intervals(series(diary.values["results"]), "What a random row split adds")
    save(figure, plan.folder / "figures" / "scores.png")
    with new_file(plan.folder / "report.md", encoding="utf-8") as file:
        file.write(page(diary.values, plan.source))
