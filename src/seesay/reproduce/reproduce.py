"""Reproduce the report: train its models on a random row split, as it did, and on a split without leaks.

`reproduce` yields lines of progress: `for line in reproduce(plan): print(line)`. The folder keeps every run
and the progress (progress.py), so an interrupted reproduction can be resumed.
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
from seesay.reproduce.progress import Progress, Stopwatch
from seesay.search import search as hyper_search
from seesay.search.report import keep_search, summary
from seesay.search.space import parse_space
from seesay.signal.feature_axes import feature_axes
from seesay.spec import Modality

MODALITIES = ("image", "audio")
"""The modalities of the report."""

FUSED = Condition.of(MODALITIES)

RECIPES: Mapping[Condition, str] = {
    FUSED: "report",
    Condition("image"): "report-image",
    Condition("audio"): "report-audio",
}
"""The models of the report: the fusion classifier on two autoencoders, and a supervised CNN per modality."""

SPLITTINGS: tuple[By, ...] = ("row", "group")

TEST = 0.2
"""Fraction of rows that the random row split holds out. The report does not say how much it held out."""

STEPS = 150
"""Minimum number of training steps; a small data set gets more epochs than the recipe has."""

SEARCH_ROWS = 10_000
"""Maximum rows of the search; all 60,000 would take six times as long."""

FOLDS = 5
"""Folds of the search. The report only says cross-validation."""

RECONSTRUCTED = 500
"""Contents whose reconstruction error is measured; the figure shows the first of them."""

PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class Plan:
    """What to reproduce. The same plan and data give the same numbers."""

    data: Dataset
    source: str
    """Name or path of the data set, as given."""
    folder: Path
    configs: Mapping[Condition, Config]
    """By model: see `configs_for`."""
    seeds: int = 1
    """Number of trainings of each model, with seeds 0, 1, ...; the splits stay the same."""
    search: bool = False
    """Whether to search the report's grid as well."""
    rows: int = 10_000
    """Maximum contents in a projection of encodings."""

    def identity(self) -> dict[str, Any]:
        """What must be unchanged to resume in a folder."""
        configs = {name: to_dict(config) for name, config in self.configs.items()}
        rows = digest(self.data, np.arange(len(self.data)))
        return {
            "data": f"{self.data.name} ({rows})",
            "configs": configs,
            "seeds": self.seeds,
            "rows": self.rows,
        }


def configs_for(data: Dataset) -> dict[Condition, Config]:
    """The report's recipes, with more epochs if there are too few training rows for `STEPS` steps."""
    rows = max(1, int((data.label >= 0).sum() - (data.label[data.rows_of("test")] >= 0).sum()))
    configs = {}
    for name, recipe_name in RECIPES.items():
        config = recipe(recipe_name)
        parts = {"optim": config.optim} | ({"pretrain": config.pretrain} if config.pretrain.epochs else {})
        more = {field: _with_more_epochs(part, rows) for field, part in parts.items()}
        configs[name] = dataclasses.replace(config, **more)
    return configs


def _with_more_epochs(part: OptimConfig | PretrainConfig, rows: int) -> OptimConfig | PretrainConfig:
    assert part.epochs is not None, "set by the report's recipes"
    assert part.batch is not None
    return dataclasses.replace(part, epochs=max(part.epochs, math.ceil(STEPS * part.batch / rows)))


def divided(data: Dataset, by: By) -> Dataset:
    """The labelled rows with a test split. `group`: the data set's own. `row`: its test rows are dropped, and
    a random fifth of the others becomes the test split."""
    data = data.select(data.label >= 0)
    if by == "group":
        return data
    pool = np.flatnonzero(data.split != SPLITS.index("test"))
    split_ids = np.zeros(len(data), np.int8)
    split_ids[row_split(data, pool, test=TEST).test] = SPLITS.index("test")
    return data.replace(split=split_ids).select(pool)


def reproduce(plan: Plan, overwrite: bool = False) -> Iterator[str]:
    """Train, score, draw and search what is not done yet, and yield a line for each step.

    InputError if the data lack pictures, recordings or labels. OutputError if the folder has another plan or
    other files.
    """
    _check(plan)
    progress = Progress.open(plan.folder, plan.identity(), overwrite)
    outcomes: dict[By, dict[str, Outcome]] = {}
    for by in SPLITTINGS:
        data = divided(plan.data, by)
        for name in plan.configs:
            for seed in range(plan.seeds):
                yield from _learn(plan, progress, data, by, name, seed)
        outcomes[by] = _outcomes(plan, by)
    yield from _reconstructions(plan, progress)
    yield from _encodings(plan, progress)
    for modality in MODALITIES if plan.search else ():
        yield from _search(plan, progress, modality)
    _conclude(plan, progress, outcomes)
    yield f"Saved {plan.folder / 'report.md'}"


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
    """The folder of the run with this split, model and seed."""
    return folder / "runs" / by / f"{name.replace('+', '_')}-{seed}"


def _learn(
    plan: Plan, progress: Progress, data: Dataset, by: By, name: Condition, seed: int
) -> Iterator[str]:
    """Train a model, score it on the held-out rows, and keep its predictions for them."""
    folder, stopwatch = run_folder(plan.folder, by, name, seed), Stopwatch(progress)
    prefix = f"{by} split, {name}"
    if (folder / PREDICTIONS).is_file():
        return
    config = _config(plan, by, name, seed)
    run, data, splits = begin(data, plan.source, config, RECIPES[name], folder, resume=True)
    rows = {part: len(splits[part]) for part in SPLITS}
    progress.record("splits", by, {"rows": rows, "notes": list(splits.notes)})
    for step in train(run, data, splits):
        pretraining = isinstance(step, Reconstruction)
        stopwatch.lap(f"{by} split, {step.modality} autoencoder" if pretraining else f"{prefix} classifier")
        yield f"{prefix}: {step}" if pretraining else f"{prefix}: epoch {step.number}, loss {step.loss:.4f}"
    model = run.model()
    apart, leaked = shared_with_training(data, splits, "test")
    evaluation = evaluate(model, data, splits.test, apart=apart, notes=leaked)
    keep(run, model, data, evaluation)
    _keep_predictions(folder, data, evaluation)
    stopwatch.lap(f"{by} split, scores and figures")
    yield f"{prefix}: macro-F1 {evaluation.results[name]['macro_f1']:.4f} on {len(evaluation.rows):,} rows"


def _keep_predictions(folder: Path, data: Dataset, evaluation: Evaluation) -> None:
    """Save the prediction, label and bootstrap unit of the rows scored in each condition."""
    arrays: dict[str, Any] = {}
    for name in evaluation.results:
        probabilities = evaluation.probabilities[name]
        present = ~np.isnan(probabilities[:, 0])
        arrays[f"{name}.predicted"] = probabilities[present].argmax(1)
        arrays[f"{name}.label"] = evaluation.label[present]
        arrays[f"{name}.unit"] = resampling_units(data, evaluation.rows[present], name)
    with new_file(folder / PREDICTIONS, "wb") as file:
        np.savez_compressed(file, **arrays)


def _outcomes(plan: Plan, by: By) -> dict[str, Outcome]:
    """The predictions of each model and, as `image head` and `audio head`, those of the fusion classifier for
    a single modality."""
    wanted: dict[str, tuple[Condition, Condition]] = {name: (name, name) for name in plan.configs}
    wanted |= {f"{m} head": (FUSED, Condition(m)) for m in MODALITIES}
    return {key: _outcome(plan, by, model, name) for key, (model, name) in wanted.items()}


def _outcome(plan: Plan, by: By, model: Condition, name: Condition) -> Outcome:
    parts = []
    for seed in range(plan.seeds):
        with np.load(run_folder(plan.folder, by, model, seed) / PREDICTIONS, allow_pickle=False) as arrays:
            parts.append({part: arrays[f"{name}.{part}"] for part in ("predicted", "label", "unit")})
    predicted = [part["predicted"] for part in parts]
    return Outcome(predicted, parts[0]["label"], parts[0]["unit"], len(plan.data.spec.classes))


# ---------------------------------------------------------------------------------------------------- figures


def _leak_free(plan: Plan) -> tuple[Run, Dataset, np.ndarray, np.ndarray]:
    """The fusion run of the split without leaks, its data, its test rows and its training rows."""
    config, folder = _config(plan, "group", FUSED, 0), run_folder(plan.folder, "group", FUSED, 0)
    data = divided(plan.data, "group")
    run, data, splits = begin(data, plan.source, config, RECIPES[FUSED], folder, resume=True)
    return run, data, splits.test, splits.train


def _reconstructions(plan: Plan, progress: Progress) -> Iterator[str]:
    """Draw test contents and their reconstructions by the autoencoders."""
    if set(progress.values.get("reconstruction", ())) == set(MODALITIES):
        return
    stopwatch = Stopwatch(progress)
    run, data, test, _ = _leak_free(plan)
    features = features_of(run.model(), data)
    for modality, autoencoder in run.autoencoders().items():
        condition = Condition(modality)
        rows = draw(distinct(data, rows_with(data, test, condition), condition), RECONSTRUCTED, seed=0)
        rows = np.random.default_rng(0).permutation(rows)
        [batch] = table(data, rows, {modality: features[modality]}).in_order(RECONSTRUCTED)
        before, after = reconstruct(autoencoder, batch.inputs[modality])
        axes = feature_axes(run.config.model.named[modality].features, run.spec[modality])
        figure = reconstructions(before, after, axes=axes)
        save(figure, plan.folder / "figures" / f"reconstructions_{modality}.png")
        error = float(((before - after) ** 2).mean())
        progress.record("reconstruction", modality, {"mse": error, "contents": len(rows)})
    stopwatch.lap("figures of reconstructions")
    yield "reconstructions drawn"


def _encodings(plan: Plan, progress: Progress) -> Iterator[str]:
    """Project, cluster and probe the encodings of the test rows."""
    folder, stopwatch = plan.folder / "embedding", Stopwatch(progress)
    if "embedding" in progress.values:
        return
    run, data, test, train_rows = _leak_free(plan)
    shown = views(run.model(), data, test, train_rows, plan.rows)
    fewest = min(len(view.rows) for view in shown)
    perplexity = min(30.0, (fewest - 1) / 3)
    embedded = []
    for each in embed(shown, len(data.spec.classes), "tsne", perplexity):
        embedded.append(each)
        yield f"encodings: {len(each.view.rows):,} of {each.view.condition} projected"
    about = {"run": str(run.folder), "data": plan.source, "split": "test", "method": "tsne", "seed": 0}
    keep_embedding(embedded, data.spec.classes, folder, about | {"perplexity": perplexity}, overwrite=True)
    stopwatch.lap("encodings: t-SNE, k-means, probes, figures")
    progress.values["embedding"] = numbers_of(embedded)
    progress.save()


def _search(plan: Plan, progress: Progress, modality: Modality) -> Iterator[str]:
    """Search the report's grid for the CNN of one modality, by grouped cross-validation."""
    if modality in progress.values.get("search", {}):
        return
    stopwatch, config = Stopwatch(progress), _config(plan, "group", Condition(modality), 0)
    data = divided(plan.data, "group")
    parts = split(data, config.split.seed, config.split.by, config.split.valid)
    pool = np.concatenate([parts.train, parts.valid])
    rows = min(SEARCH_ROWS, int((data.pointers(modality)[pool] != MISSING).sum()))
    search_plan = hyper_search.Plan(parse_space("report", modality), config, folds=FOLDS, rows=rows)
    search = hyper_search.begin(data, search_plan, plan.folder / f"search-{modality}")
    for trial in hyper_search.search(search):
        stopwatch.lap(f"search, {modality}")
        folds = f"{len(trial.folds)}/{FOLDS} folds"
        yield f"search, {modality}: trial {trial.number + 1}/{search.study.total}, {folds}"
    keep_search(search, config)
    best = summary(search, config)["best"]
    progress.record(
        "search", modality, {"rows": rows, "folds": FOLDS, "cells": search.study.total, "best": best}
    )


# ------------------------------------------------------------------------------------------------- conclusion


def _conclude(plan: Plan, progress: Progress, outcomes: Mapping[By, Mapping[str, Outcome]]) -> None:
    """Compute scores, intervals and the leak, and write the page."""
    progress.values["results"] = {
        by: {name: score(o) for name, o in by_model.items()} for by, by_model in outcomes.items()
    }
    rows, groups = (outcomes[by] for by in SPLITTINGS)
    progress.values["leak"] = {name: leak(rows[name], groups[name]) for name in rows}
    progress.save()
    figure = score_intervals(series(progress.values["results"]), "What a random row split adds")
    save(figure, plan.folder / "figures" / "scores.png")
    with new_file(plan.folder / "report.md", encoding="utf-8") as file:
        file.write(page(progress.values, plan.source))
