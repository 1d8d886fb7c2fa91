"""What a search has found: a table on the terminal, `search.csv`, `search.json` with the best config,
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
"""Trials in the table, the best; all are in the files."""

MAIN = ("macro_f1", "accuracy")
"""Of every trial the table has the first, and the second where there is only one condition; the best trial
has a table of all metrics."""


def keep_search(found: Search, base: Config) -> None:
    """Writes table, best config and figure into the search's folder. `base`: the recipe's config, for the
    flags."""
    folder = found.study.folder
    write_csv(found, folder / "search.csv")
    with new_file(folder / "search.json") as file:
        file.write(json.dumps(summary(found, base), indent=2) + "\n")
    if found.best is not None:
        save(figure_of(found, _title(found), _always(found)), folder / "search.png")


def ranked(found: Search) -> list[Trial]:
    """Done ones by their score, then the pruned, those that are not over, and the failed."""
    order = ("done", "pruned", "running", "failed")

    def place(trial: Trial) -> tuple[int, float]:
        score = trial.mean(condition=found.plan.condition) if trial.state == "done" else 0.0
        return order.index(trial.state), -score

    return sorted(found.study.trials(), key=place)


def conditions_of(trials: Sequence[Trial]) -> tuple[Condition, ...]:
    """Those that were scored, the wanted order: as the models give them."""
    return tuple(dict.fromkeys(name for trial in trials for fold in trial.folds for name in fold.scores))


def measures_of(trials: Sequence[Trial]) -> list[str]:
    """The metrics that their folds were scored with; a search of an earlier version has fewer."""
    return in_order(
        name for t in trials for fold in t.folds for each in fold.scores.values() for name in each
    )


# --------------------------------------------------------------------------------------------------- terminal


def print_search(found: Search, console: Console) -> None:
    """The trials, the best first, with mean ± standard deviation over the folds, and the importances of the
    fields."""
    trials, varied = ranked(found), found.plan.space.varied
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
    show(rows, console, "; ".join(filter(None, [_title(found), _always(found)])))
    if len(trials) > MOST:
        console.print(f"{len(trials) - MOST} more in search.csv")
    if found.best is not None:
        show(_table_of(found.best), console, f"Trial {found.best.number}, the best")
    for trial in trials[:MOST]:
        if trial.error:
            console.print(f"trial {trial.number} failed: {trial.error}", highlight=False)
    done = sum(trial.state == "done" for trial in trials)
    if found.plan.trials and done < FEWEST:
        few = f"Which fields matter is not known from {done} trial{'s' * (done != 1)}"
        console.print(f"{few}: {FEWEST} or more are needed.", highlight=False)
    if importances := found.study.importances():
        said = ", ".join(f"{name} {100 * share:.0f} %" for name, share in importances.items())
        console.print(f"Importance (PED-ANOVA): {said}", highlight=False)


def _table_of(trial: Trial) -> list[list[str]]:
    """Every metric of a trial, a row for each condition."""
    measures = measures_of([trial])
    rows = [[c, *(_plus_minus(trial, m, c) for m in measures)] for c in conditions_of([trial])]
    return [["condition", *map(heading, measures)], *rows]


def _title(found: Search) -> str:
    fold = (
        "scored on those that validate"
        if len(found.pairs) == 1
        else f"mean ± std over {len(found.pairs)} folds"
    )
    return f"{len(found.data):,} rows, {fold}"


def _always(found: Search) -> str:
    """The values that are the same in all trials."""
    fixed = ", ".join(f"{name} {shown(value)}" for name, value in found.plan.space.fixed.items())
    return f"always {fixed}" if fixed else ""


def _plus_minus(trial: Trial, measure: str, condition: Condition | None) -> str:
    mean, std = trial.mean(measure, condition), trial.std(measure, condition)
    if math.isnan(mean):
        return ""
    return printed(measure, mean) + ("" if math.isnan(std) else f" ± {printed(measure, std)}")


def seconds(trial: Trial) -> float:
    """That its folds took."""
    return sum(fold.seconds for fold in trial.folds)


# ------------------------------------------------------------------------------------------------------ files


def write_csv(found: Search, path: Path) -> None:
    """A line per trial, in order: its values, mean and standard deviation of every score, and macro-F1 fold
    by fold."""
    trials = found.study.trials()
    conditions, names, measures = conditions_of(trials), list(found.plan.space.fields), measures_of(trials)
    columns = [f"{c}.{m}.{s}" for c in conditions for m in measures for s in ("mean", "std")]
    each = [f"{c}.macro_f1.fold{i + 1}" for c in conditions for i in range(len(found.pairs))]
    with new_file(path, newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "state", *names, *columns, *each, "folds", "seconds"])
        for trial in trials:
            values = [shown(trial.values[name]) if name in trial.values else "" for name in names]
            pairs = [s for c in conditions for m in measures for s in (trial.mean(m, c), trial.std(m, c))]
            single = [_at(trial, i, c) for c in conditions for i in range(len(found.pairs))]
            numbers = ["" if math.isnan(s) else f"{s:.6f}" for s in [*pairs, *single]]
            writer.writerow(
                [trial.number, trial.state, *values, *numbers, len(trial.folds), f"{seconds(trial):.2f}"]
            )


def _at(trial: Trial, fold: int, condition: Condition) -> float:
    scores = trial.scores("macro_f1", condition)
    return float(scores[fold]) if fold < len(scores) else math.nan


def summary(found: Search, base: Config) -> dict[str, Any]:
    """Everything as plain values: `best` with its complete `config` and the `flags` that make it from the
    recipe."""
    best, plan = found.best, found.plan
    return {
        "best": None if best is None else _best(found, best, base),
        "space": {name: str(field) for name, field in plan.space.fields.items()},
        "wanted": found.study.total,
        "rows": len(found.data),
        "folds": plan.folds,
        "maximised": f"macro-F1 of {plan.condition or 'every condition, their mean'}",
        "importances": found.study.importances(),
        "trials": [dataclasses.asdict(trial) for trial in found.study.trials()],
    }


def _best(found: Search, best: Trial, base: Config) -> dict[str, Any]:
    config = found.config_of(best)
    scores = {
        c: {m: {"mean": _plain(best.mean(m, c)), "std": _plain(best.std(m, c))} for m in measures_of([best])}
        for c in conditions_of([best])
    }
    return {
        "trial": best.number,
        "values": dict(best.values),
        "scores": scores,
        "flags": flags(config, base, found.data.spec.kinds),
        "config": to_dict(config.naming(found.data.spec.kinds)),
    }


def _plain(number: float) -> float | None:
    """JSON knows no NaN."""
    return None if math.isnan(number) else number
