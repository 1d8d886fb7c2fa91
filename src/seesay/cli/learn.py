"""Commands that train: `seesay train`, `seesay tune`."""

import sys
from pathlib import Path
from typing import Any

from seesay.cli.arguments import Device, Recipe, Settings, device_for, open_source, use_threads
from seesay.cli.terminal import (
    console,
    print_json,
    print_validation,
    progress_bar,
    say_notes,
    watching,
)
from seesay.config import Config
from seesay.errors import ConfigError, InputError
from seesay.registry import plugin_words


def train(
    data: str,
    out: Path,
    config: Settings,
    recipe: Recipe = "small",
    columns: tuple[str, ...] = (),
    threads: int = 1,
    device: Device = "auto",
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> None:
    """Train a model: a run folder comes out. Any field of the config is a flag.

    Args:
        data: A data set folder, any layout that import reads, digits, or wsd, which is downloaded.
        out: Run folder to make.
        config: What the recipe says, field by field.
        recipe: Where the config starts from.
        columns: What your table calls our columns, as in image=photo label=class group=patient.
        threads: Processor threads. More than one pays only where as many cores are idle, and changes the last
            digits.
        device: Where to compute; auto: on CUDA where there is one.
        resume: Go on with the run in the folder, if it was stopped.
        overwrite: Replace the folder if seesay made it.
        quiet: Print nothing but the scores.
    """
    dataset = open_source(data, columns)
    if Path(data).resolve().is_relative_to(out.resolve()):
        raise InputError(f"--out {out} holds the data to train on", "Choose another folder for the run.")
    run, seen, splits = train_run(
        dataset, data, out, config, recipe, threads, device, resume, overwrite, quiet
    )
    print_validation(run, seen, splits)
    if not quiet:
        scored = any((dataset.label[splits[name]] >= 0).any() for name in ("valid", "test"))
        then = f"evaluate {out}" if scored else f"predict {out} --data DATA --out predictions.csv"
        print(f"Saved to {out}. Next: seesay {then}{plugin_words()}")


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
    json: bool = False,
    quiet: bool = False,
) -> None:
    """Search for better fields of the config: a whole grid, or as many trials as asked. The same command goes
    on.

    Args:
        data: A data set folder, any layout that import reads, digits, or wsd, which is downloaded.
        out: Folder of the search; made, or gone on with. Several processes may share it.
        space: Fields and their values, as in model.dim=32..256:log,model.fusion=concat|gated; or report, a
            grid.
        config: What the recipe says, field by field: all that the space does not name.
        recipe: Where the config starts from.
        modality: Search with this one alone.
        trials: How many sets of values Optuna proposes; without it every combination is tried.
        folds: Of a cross-validation that no group crosses; without it the rows that validate in training.
        rows: Only so many of the rows, drawn at random within each class.
        condition: Whose macro-F1 is to be high, as in image+audio; without it the mean over all conditions.
        threads: Processor threads. More than one pays only where as many cores are idle, and changes the last
            digits.
        device: Where to compute; auto: on CUDA where there is one.
        json: Print JSON.
        quiet: Print nothing but the result.
    """
    import dataclasses

    import optuna

    from seesay.condition import Condition
    from seesay.formats.open import open_data
    from seesay.recipes import recipe as recipe_of
    from seesay.search.report import keep_search, print_search, summary
    from seesay.search.search import Plan, begin
    from seesay.search.space import parse_space

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
    found = begin(dataset, plan, out)
    try:
        _search(found, threads, device, quiet)
    finally:
        keep_search(found, recipe_of(recipe))
    if json:
        print_json(summary(found, recipe_of(recipe)))
        return
    print_search(found, console())
    if found.best is not None and not quiet:
        words = " ".join(summary(found, recipe_of(recipe))["best"]["flags"])
        print(f"search.csv, search.json and search.png lie in {out}")
        print(f"Next: seesay train --data {data} --recipe {recipe} --out RUN {words}{plugin_words()}")


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
) -> Any:
    """Trains a run, with a progress bar or a line an epoch, and returns it with the data as it sees them and
    its splits; one Ctrl-C ends it after the batch at hand and leaves a run that can be used."""
    import torch

    from seesay.learn.defaults import facts_of, said
    from seesay.learn.run import begin, train

    place = device_for(device)
    use_threads(threads)
    run, data, splits = begin(data, source, config, recipe, out, overwrite, resume)
    torch.set_num_threads(run.threads)  # a resumed run goes on with as many as it began with
    if not quiet:
        say_notes(splits.notes)
        facts = facts_of(data, splits.train, splits.valid)
        known = [f"{out} is finished already"] if run.finished else said(run.config, facts)
        print(*known, sep="\n", file=sys.stderr)
    with watching(run.config, len(splits.train), len(data.modalities), quiet) as watch:
        for epoch in train(run, data, splits, watch, place):
            watch.say(epoch)
    if watch.stopped:
        usable = f"{out} can be used as it is" if run.epochs() else f"{out} is not a model yet"
        print(f"Stopped. {usable}; resume with --resume", file=sys.stderr)
        raise KeyboardInterrupt
    return run, data, splits


def _search(found: Any, threads: int, device: Device, quiet: bool) -> None:
    """Works at a search until no trial is left, with a progress bar or a line a trial. Ctrl-C loses no fold
    that is finished."""
    import optuna

    from seesay.search.search import search

    place = device_for(device)
    use_threads(threads)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    total, folds = found.study.total, len(found.pairs)

    def done() -> int:
        return sum(trial.state != "running" for trial in found.study.trials())

    if (before := done()) and not quiet:
        print(f"{found.study.folder}: going on with {before} of {total} trials done", file=sys.stderr)
    with progress_bar(quiet) as progress:
        task = progress.add_task("searching", total=total * folds)
        try:
            for trial in search(found, place):
                best = (
                    ""
                    if found.best is None
                    else f", best {found.best.mean(condition=found.plan.condition):.4f}"
                )
                ended = sum(folds if t.state != "running" else len(t.folds) for t in found.study.trials())
                text = f"trial {trial.number + 1}/{total}"
                progress.update(task, description=text, completed=ended)
                if trial.state in ("done", "pruned"):
                    progress.tell(f"{text}{best}")
        except KeyboardInterrupt:
            print(f"Stopped with {done()} of {total} trials done. The same command goes on.", file=sys.stderr)
            raise
    if not any(trial.state == "done" for trial in found.study.trials()) and done():
        error = next((trial.error for trial in found.study.trials() if trial.error), "all were stopped early")
        raise ConfigError(f"none of the {done()} trials could be trained: {error}")
