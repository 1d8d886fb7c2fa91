"""Commands that train models: `seesay train`, `seesay adapt`, `seesay tune`."""

import sys
from pathlib import Path
from shlex import quote
from typing import Any

from seesay.cli.arguments import (
    Device,
    Recipe,
    Settings,
    Track,
    Words,
    device_for,
    open_source,
    reading_for,
    use_threads,
)
from seesay.cli.terminal import (
    console,
    print_adapted,
    print_json,
    print_validation,
    progress_bar,
    say_note,
    say_notes,
    watching,
)
from seesay.config import Config
from seesay.errors import ConfigError, InputError, listed
from seesay.registry import plugin_flags


def train(
    data: str,
    out: Path,
    config: Settings,
    recipe: Recipe = "auto",
    columns: tuple[str, ...] = (),
    threads: int = 1,
    device: Device = "auto",
    track: Track | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> None:
    """Train a model and save it as a run folder. Every config field is an option (--help-all lists them).

    Args:
        data: Data set folder, any source that `seesay data import` accepts, or digits (built in) or wsd
            (downloads it).
        out: Run folder to create.
        config: Fields of the config; defaults: the recipe.
        recipe: Config to start from.
        columns: Which of your columns to read, as NAME=YOUR_COLUMN: image=photo label=class group=patient.
        threads: CPU threads. More than one helps only if as many cores are idle, and changes the last
            digits of results.
        device: Device to train on; auto: CUDA if available.
        track: Experiment tracker that gets the numbers of each epoch too.
        resume: Resume the interrupted run.
        overwrite: Replace the folder, if seesay created it.
        quiet: Print only the scores.
    """
    dataset = open_source(data, columns)
    if Path(data).resolve().is_relative_to(out.resolve()):
        raise InputError(f"--out {out} contains the training data", "Choose another folder for the run.")
    run, seen, splits = train_run(
        dataset, data, out, config, recipe, threads, device, resume, overwrite, quiet, track
    )
    print_validation(run, seen, splits)
    if not quiet:
        scored = any((dataset.label[splits[name]] >= 0).any() for name in ("valid", "test"))
        folder = quote(str(out))
        then = f"evaluate {folder}" if scored else f"predict {folder} --data DATA --out predictions.csv"
        print(f"Saved to {out}/. Next: seesay {then}{plugin_flags()}")


def adapt(
    data: str,
    out: Path,
    run: Words[Path | None] = None,
    columns: tuple[str, ...] = (),
    json: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> None:
    """Adapt a trained model to a few rows of your own: the same classes, but new speakers, pens or devices.

    Args:
        data: Data set of the same classes; all rows are used except those of its test split.
        out: Run folder to create.
        run: Run folder. Without one, the digits model that comes with seesay.
        columns: Which of your columns to read, as NAME=YOUR_COLUMN: image=photo label=class group=patient.
        json: Print JSON.
        overwrite: Replace the folder, if seesay created it.
        quiet: Print only the scores.
    """
    from seesay.files import check_new_folder
    from seesay.learn.adapt import adapt, adaptation_splits, save_adapted
    from seesay.learn.run import Run
    from seesay.serve.predict import check_fits

    check_new_folder(out, overwrite, delete=False)  # fail before the work, not after it
    if Path(data).resolve().is_relative_to(out.resolve()):
        raise InputError(f"--out {out} contains the data", "Choose another folder for the run.")
    opened = Run.open(run)
    dataset = open_source(data, columns, reading=reading_for(opened, adapting=True))
    check_classes(opened, dataset)
    check_fits(opened.spec, dataset)
    splits = adaptation_splits(dataset)
    adapted = adapt(opened.model(), dataset, splits.train)
    save_adapted(opened, adapted, dataset, data, out, overwrite)
    if json:
        print_json(adapted.numbers())
        return
    print_adapted(adapted, len(splits.train))
    if not quiet:
        say_notes(adapted.remarks)
        then = f"predict {quote(str(out))} --data DATA --out predictions.csv"
        then = f"evaluate {quote(str(out))}" if len(splits.test) else then
        print(f"Saved to {out}/. Next: seesay {then}{plugin_flags()}")


def check_classes(run: Any, dataset: Any) -> None:
    """InputError if the data set has other classes than the run."""
    if dataset.spec.classes != run.spec.classes:
        ours, theirs = (listed(map(repr, spec.classes)) for spec in (run.spec, dataset.spec))
        raise InputError(
            f"{dataset.name} has the classes {theirs}, the model {ours}; adapting keeps the classes",
            "For other classes train a model: seesay train --help.",
        )


def tune(
    data: str,
    out: Path,
    space: str,
    config: Settings,
    recipe: Recipe = "small",
    modality: str | None = None,
    trials: int | None = None,
    folds: int | None = None,
    rows: int | None = None,
    condition: str | None = None,
    threads: int = 1,
    device: Device = "auto",
    track: Track | None = None,
    json: bool = False,
    quiet: bool = False,
) -> None:
    """Search for better config values: a whole grid, or a number of trials. Run the same command again to
    resume.

    Args:
        data: Data set folder, any source that `seesay data import` accepts, or digits (built in) or wsd
            (downloads it).
        out: Search folder, created or resumed. Several processes may share it.
        space: Fields and values to try, as in model.dim=32..256:log,model.fusion=concat|gated; or `report`,
            the grid of the report (docs/report.md).
        config: Fields that stay fixed; defaults: the recipe.
        recipe: Config to start from.
        modality: Train on this modality alone.
        trials: Number of trials, with values chosen by Optuna; default: every combination in the grid.
        folds: Folds of a grouped cross-validation; default: one train/validation split.
        rows: Number of rows to use, a stratified random sample; default: all.
        condition: Condition whose macro-F1 is maximised, as in image+audio; default: the mean over all.
        threads: CPU threads. More than one helps only if as many cores are idle, and changes the last
            digits of results.
        device: Device to train on; auto: CUDA if available.
        track: Experiment tracker that gets the scores of each fold too, as one run per trial.
        json: Print JSON.
        quiet: Print only the result.
    """
    import dataclasses

    import optuna

    from seesay.condition import Condition
    from seesay.formats.open import open_data
    from seesay.learn.track import check_tracker
    from seesay.recipes import recipe as recipe_of
    from seesay.search.report import keep_search, print_search, summary
    from seesay.search.search import Plan, begin
    from seesay.search.space import parse_space

    check_tracker(track)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    dataset = open_data(data)
    config = dataclasses.replace(config, modalities=(modality,)) if modality else config
    alone = config.modalities or dataset.modalities
    plan = Plan(
        parse_space(
            space, alone[0] if len(alone) == 1 else None, config.naming(dataset.spec.kinds, others=True)
        ),
        config,
        trials,
        folds,
        rows,
        Condition(condition) if condition else None,
    )
    running = begin(dataset, plan, out)
    try:
        _search(running, threads, device, quiet, track)
    finally:
        keep_search(running, recipe_of(recipe))
    if json:
        print_json(summary(running, recipe_of(recipe)))
        return
    print_search(running, console())
    if running.best is not None and not quiet:
        words = " ".join(summary(running, recipe_of(recipe))["best"]["flags"])
        print(f"Saved search.csv, search.json and search.png to {out}/")
        begun = f"seesay train --data {quote(str(data))} --recipe {recipe} --out RUN"
        print(f"Next: {begun} {words}{plugin_flags()}")


def train_run(
    data: Any,
    source: str,
    out: Path,
    config: Config,
    recipe: str,
    threads: int,
    device: Device,
    resume: bool,
    overwrite: bool,
    quiet: bool = False,
    track: Track | None = None,
) -> Any:
    """Trains a run with a progress bar, and returns the run, its data and its splits. Ctrl-C stops after the
    current batch and leaves a run that can be used and resumed."""
    import torch

    from seesay.learn.defaults import facts_of, settings_notes
    from seesay.learn.run import begin, train
    from seesay.learn.track import check_tracker, parameters_of, steps_of, tracking

    check_tracker(track)
    torch_device = device_for(device)
    use_threads(threads)
    run, data, splits = begin(data, source, config, recipe, out, overwrite, resume)
    torch.set_num_threads(run.threads)  # a resumed run keeps its original number of threads
    if not quiet:
        say_notes(splits.notes)
        facts = facts_of(data, splits.train, splits.valid)
        lines = [f"{out} is already finished"] if run.finished else settings_notes(run.config, facts)
        print(*lines, sep="\n", file=sys.stderr)
    with (
        tracking(track, out, parameters_of(run), say_note) as record,
        watching(run.config, len(splits.train), len(data.modalities), quiet) as watch,
    ):
        record.add(steps_of(run))
        for epoch in train(run, data, splits, watch, torch_device, watch.track):
            watch.say(epoch)
            record.add(steps_of(run))
        record.status = "stopped" if watch.stopped else "finished"
    if watch.stopped:
        usable = f"{out} can be used as it is" if run.epochs() else f"{out} does not contain a model yet"
        print(f"Stopped. {usable}; resume with --resume", file=sys.stderr)
        raise KeyboardInterrupt
    return run, data, splits


def _search(running: Any, threads: int, device: Device, quiet: bool, track: Track | None) -> None:
    """Runs trials until none is left, with a progress bar. Ctrl-C loses no finished fold."""
    import optuna

    from seesay.search.search import search
    from seesay.search.track import tracked

    torch_device = device_for(device)
    use_threads(threads)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    total, folds = running.study.total, len(running.pairs)

    def done() -> int:
        return sum(trial.state != "running" for trial in running.study.trials())

    if (before := done()) and not quiet:
        print(f"{running.study.folder}: resuming with {before} of {total} trials done", file=sys.stderr)
    with progress_bar(quiet) as progress:
        task = progress.add_task("searching", total=total * folds)
        try:
            for trial in tracked(search(running, torch_device), track, running.study.folder, say_note):
                best = (
                    ""
                    if running.best is None
                    else f", best {running.best.mean(condition=running.plan.condition):.4f}"
                )
                ended = sum(folds if t.state != "running" else len(t.folds) for t in running.study.trials())
                text = f"trial {trial.number + 1}/{total}"
                progress.update(task, description=text, completed=ended)
                if trial.state in ("done", "pruned"):
                    progress.tell(f"{text}{best}")
        except KeyboardInterrupt:
            print(
                f"Stopped with {done()} of {total} trials done. Run the same command again to resume.",
                file=sys.stderr,
            )
            raise
    if not any(trial.state == "done" for trial in running.study.trials()) and done():
        error = next(
            (trial.error for trial in running.study.trials() if trial.error), "all were stopped early"
        )
        raise ConfigError(f"none of the {done()} trials could be trained: {error}")
