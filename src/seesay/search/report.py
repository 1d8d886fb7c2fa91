"""The results of a search: a table on the terminal, `search.csv`, `search.json` with the best config,
`search.png`."""

import csv
import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from seesay.condition import Condition
from seesay.config import Config
from seesay.figures.style import save
from seesay.files import new_file
from seesay.metrics.scores import heading, in_order, printed
from seesay.plain import to_dict
from seesay.search.figure import figure_of, short, text_of
from seesay.search.search import Search
from seesay.search.space import flags, shown
from seesay.search.study import FEWEST
from seesay.search.trial import Trial
from seesay.tables import show

MOST = 20
"""Most trials in the table; the files have all."""

MAIN = ("macro_f1", "accuracy")
"""Metrics in the table of trials: the first, and with only one condition the second too. The best trial has a
table of all metrics."""


def keep_search(search: Search, base: Config) -> None:
    """Write table, best config and figure to the folder of the search. `base`: the config of the recipe, for
    the flags."""
    folder = search.study.folder
    write_csv(search, folder / "search.csv")
    with new_file(folder / "search.json") as file:
        file.write(json.dumps(summary(search, base), indent=2) + "\n")
    if search.best is not None:
        save(figure_of(search, _title(search), _fixed(search)), folder / "search.png")


def ranked(search: Search) -> list[Trial]:
    """The trials: finished ones by score, then pruned, running and failed ones."""
    order = ("done", "pruned", "running", "failed")

    def rank(trial: Trial) -> tuple[int, float]:
        score = trial.mean(condition=search.plan.condition) if trial.state == "done" else 0.0
        return order.index(trial.state), -score

    return sorted(search.study.trials(), key=rank)


def conditions_of(trials: Sequence[Trial]) -> tuple[Condition, ...]:
    """The scored conditions, in model order."""
    return tuple(dict.fromkeys(name for trial in trials for fold in trial.folds for name in fold.scores))


def measures_of(trials: Sequence[Trial]) -> list[str]:
    """The metrics in the folds' scores; a search by an earlier version has fewer."""
    return in_order(
        name for t in trials for fold in t.folds for scores in fold.scores.values() for name in scores
    )


# --------------------------------------------------------------------------------------------------- terminal


def print_search(search: Search, console: Console) -> None:
    """Print the trials, best first, with mean ± standard deviation over folds, and the importance of each
    field."""
    trials, varied = ranked(search), search.plan.space.varied
    conditions = conditions_of(trials)
    scores = [(c, m) for c in conditions for m in (MAIN if len(conditions) == 1 else MAIN[:1])]
    heads = (f"{condition}\n{heading(measure)}" for condition, measure in scores)
    rows = [["trial", *short(varied).values(), *heads, "s"]]
    for trial in trials[:MOST]:
        values = [text_of(trial.values.get(name, "")) for name in varied]
        cells = [_plus_minus(trial, measure, condition) for condition, measure in scores]
        if trial.state != "done":
            cells = [trial.state, *[""] * len(scores)][: len(scores)]
        rows.append([str(trial.number), *values, *cells, f"{seconds(trial):.0f}"])
    show(rows, console, "; ".join(filter(None, [_title(search), _fixed(search)])))
    if len(trials) > MOST:
        console.print(f"{len(trials) - MOST} more in search.csv")
    if search.best is not None:
        show(_table_of(search.best), console, f"Trial {search.best.number}, the best")
    for trial in trials[:MOST]:
        if trial.error:
            console.print(f"trial {trial.number} failed: {trial.error}", highlight=False)
    done = sum(trial.state == "done" for trial in trials)
    if search.plan.trials and done < FEWEST:
        trials_done = f"{done} trial{'s' * (done != 1)}"
        console.print(f"Importances need {FEWEST} trials or more, got {trials_done}.", highlight=False)
    if importances := search.study.importances():
        listing = ", ".join(f"{name} {100 * value:.0f} %" for name, value in importances.items())
        console.print(f"Importance (PED-ANOVA): {listing}", highlight=False)


def _table_of(trial: Trial) -> list[list[str]]:
    """Every metric of a trial, one row per condition."""
    measures = measures_of([trial])
    rows = [[c, *(_plus_minus(trial, m, c) for m in measures)] for c in conditions_of([trial])]
    return [["condition", *map(heading, measures)], *rows]


def _title(search: Search) -> str:
    count = len(search.pairs)
    scored = "scored on the validation rows" if count == 1 else f"mean ± std over {count} folds"
    return f"{len(search.data):,} rows, {scored}"


def _fixed(search: Search) -> str:
    """The values that all trials share."""
    fixed = ", ".join(f"{name} {shown(value)}" for name, value in search.plan.space.fixed.items())
    return f"always {fixed}" if fixed else ""


def _plus_minus(trial: Trial, measure: str, condition: Condition | None) -> str:
    mean, std = trial.mean(measure, condition), trial.std(measure, condition)
    if math.isnan(mean):
        return ""
    return printed(measure, mean) + ("" if math.isnan(std) else f" ± {printed(measure, std)}")


def seconds(trial: Trial) -> float:
    """Total seconds over folds."""
    return sum(fold.seconds for fold in trial.folds)


# ------------------------------------------------------------------------------------------------------ files


def write_csv(search: Search, path: Path) -> None:
    """Write one line per trial, in order: its values, mean and standard deviation of every score, and the
    macro-F1 of each fold."""
    trials = search.study.trials()
    conditions, names, measures = conditions_of(trials), list(search.plan.space.fields), measures_of(trials)
    columns = [f"{c}.{m}.{s}" for c in conditions for m in measures for s in ("mean", "std")]
    by_fold = [f"{c}.macro_f1.fold{i + 1}" for c in conditions for i in range(len(search.pairs))]
    with new_file(path, newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "state", *names, *columns, *by_fold, "folds", "seconds"])
        for trial in trials:
            values = [shown(trial.values[name]) if name in trial.values else "" for name in names]
            pairs = [s for c in conditions for m in measures for s in (trial.mean(m, c), trial.std(m, c))]
            single = [_at(trial, i, c) for c in conditions for i in range(len(search.pairs))]
            numbers = ["" if math.isnan(s) else f"{s:.6f}" for s in [*pairs, *single]]
            writer.writerow(
                [trial.number, trial.state, *values, *numbers, len(trial.folds), f"{seconds(trial):.2f}"]
            )


def _at(trial: Trial, fold: int, condition: Condition) -> float:
    scores = trial.scores("macro_f1", condition)
    return float(scores[fold]) if fold < len(scores) else math.nan


def summary(search: Search, base: Config) -> dict[str, Any]:
    """The search as plain values: `best` has its complete `config` and the `flags` that give it from the
    recipe."""
    best, plan = search.best, search.plan
    return {
        "best": None if best is None else _best(search, best, base),
        "space": {name: str(field) for name, field in plan.space.fields.items()},
        "wanted": search.study.total,
        "rows": len(search.data),
        "folds": plan.folds,
        "maximised": f"macro-F1 of {plan.condition or 'every condition, their mean'}",
        "importances": search.study.importances(),
        "trials": [dataclasses.asdict(trial) for trial in search.study.trials()],
    }


def _best(search: Search, best: Trial, base: Config) -> dict[str, Any]:
    config = search.config_of(best)
    scores = {
        c: {m: {"mean": _plain(best.mean(m, c)), "std": _plain(best.std(m, c))} for m in measures_of([best])}
        for c in conditions_of([best])
    }
    return {
        "trial": best.number,
        "values": dict(best.values),
        "scores": scores,
        "flags": flags(config, base, search.data.spec.kinds),
        "config": to_dict(config.naming(search.data.spec.kinds)),
    }


def _plain(number: float) -> float | None:
    """None for NaN, which JSON lacks."""
    return None if math.isnan(number) else number
