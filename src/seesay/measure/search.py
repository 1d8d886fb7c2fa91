"""What a search has found: a table on the terminal, `search.csv`, `search.json` with the best config,
`search.png`."""

import csv
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from seesay.config import Condition, Config
from seesay.files import new_file
from seesay.learn.space import flags, shown
from seesay.learn.study import Trial
from seesay.learn.tune import Search
from seesay.measure.plots import CONDITIONS, INK, PALE, RULE, _page, _style, save

MOST = 20
"""Trials in the table and rows in the figure; all are in the files."""

MEASURES = {"macro_f1": "macro-F1", "accuracy": "accuracy"}


def keep_search(found: Search, base: Config) -> None:
    """Writes table, best config and figure into the search's folder. `base`: the recipe's config, for the
    flags."""
    folder = found.study.folder
    write_csv(found, folder / "search.csv")
    with new_file(folder / "search.json") as file:
        file.write(json.dumps(to_dict(found, base), indent=2) + "\n")
    if found.best is not None:
        save(figure_of(found), folder / "search.png")


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


# --------------------------------------------------------------------------------------------------- terminal


def print_search(found: Search, console: Console) -> None:
    """The trials, the best first, with mean ± standard deviation over the folds, and the importances of the
    fields."""
    trials, varied = ranked(found), found.plan.space.varied
    conditions = conditions_of(trials)
    scores = [(c, m) for c in conditions for m in MEASURES if m == "macro_f1" or len(conditions) == 1]
    table = Table(box=SIMPLE_HEAD, title=_title(found), title_justify="left", title_style="bold")
    table.add_column("trial", justify="right")
    for name in short(varied).values():
        table.add_column(name, no_wrap=True)
    for condition, measure in scores:
        table.add_column(f"{condition}\n{MEASURES[measure]}", justify="right", min_width=len(condition))
    table.add_column("s", justify="right")
    for trial in trials[:MOST]:
        values = [_text(trial.values.get(name, "")) for name in varied]
        cells = [_plus_minus(trial, measure, condition) for condition, measure in scores]
        if trial.state != "done":
            cells = [trial.state, *[""] * len(scores)][: len(scores)]
        table.add_row(str(trial.number), *values, *cells, f"{seconds(trial):.0f}")
    console.print(table)
    if len(trials) > MOST:
        console.print(f"{len(trials) - MOST} more in search.csv")
    for trial in trials[:MOST]:
        if trial.error:
            console.print(f"trial {trial.number} failed: {trial.error}", highlight=False)
    if importances := found.study.importances():
        said = ", ".join(f"{name} {100 * share:.0f} %" for name, share in importances.items())
        console.print(f"Importance (PED-ANOVA): {said}", highlight=False)


def _title(found: Search) -> str:
    folds = (
        "the rows that validate" if found.plan.folds is None else f"mean ± std over {found.plan.folds} folds"
    )
    fixed = ", ".join(f"{name} {shown(value)}" for name, value in found.plan.space.fixed.items())
    return f"{len(found.data):,} rows, {folds}" + (f"; always {fixed}" if fixed else "")


def _plus_minus(trial: Trial, measure: str, condition: Condition | None) -> str:
    mean, std = trial.mean(measure, condition), trial.std(measure, condition)
    return f"{mean:.4f}" + ("" if math.isnan(std) else f" ± {std:.4f}")


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else shown(value)


def short(names: Sequence[str]) -> dict[str, str]:
    """The last words of dotted names, as many as tell them apart."""
    told = {}
    for name in names:
        words = name.split(".")
        for n in range(1, len(words) + 1):
            tail = ".".join(words[-n:])
            if sum(f".{other}".endswith(f".{tail}") for other in names) == 1:
                break
        told[name] = tail
    return told


def seconds(trial: Trial) -> float:
    """That its folds took."""
    return sum(fold.seconds for fold in trial.folds)


# ------------------------------------------------------------------------------------------------------ files


def write_csv(found: Search, path: Path) -> None:
    """A line per trial, in order: its values, mean and standard deviation of every score, and macro-F1 fold
    by fold."""
    trials = found.study.trials()
    conditions, names = conditions_of(trials), list(found.plan.space.fields)
    columns = [f"{c}.{m}.{s}" for c in conditions for m in MEASURES for s in ("mean", "std")]
    each = [f"{c}.macro_f1.fold{i + 1}" for c in conditions for i in range(len(found.pairs))]
    with new_file(path, newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "state", *names, *columns, *each, "folds", "seconds"])
        for trial in trials:
            values = [shown(trial.values[name]) if name in trial.values else "" for name in names]
            pairs = [s for c in conditions for m in MEASURES for s in (trial.mean(m, c), trial.std(m, c))]
            single = [_at(trial, i, c) for c in conditions for i in range(len(found.pairs))]
            numbers = ["" if math.isnan(s) else f"{s:.6f}" for s in [*pairs, *single]]
            writer.writerow(
                [trial.number, trial.state, *values, *numbers, len(trial.folds), f"{seconds(trial):.2f}"]
            )


def _at(trial: Trial, fold: int, condition: Condition) -> float:
    scores = trial.scores("macro_f1", condition)
    return float(scores[fold]) if fold < len(scores) else math.nan


def to_dict(found: Search, base: Config) -> dict[str, Any]:
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
        c: {m: {"mean": best.mean(m, c), "std": _plain(best.std(m, c))} for m in MEASURES}
        for c in conditions_of([best])
    }
    return {
        "trial": best.number,
        "values": dict(best.values),
        "scores": scores,
        "flags": flags(config, base),
        "config": dataclasses.asdict(config),
    }


def _plain(number: float) -> float | None:
    """JSON knows no NaN."""
    return None if math.isnan(number) else number


# ----------------------------------------------------------------------------------------------------- figure


def figure_of(found: Search) -> Figure:
    """Of a grid its cells, sorted; of a Bayesian search how it went and which fields mattered."""
    done = [trial for trial in ranked(found) if trial.state == "done"]
    if found.plan.trials is None:
        return cells_figure(done, found.plan.space.varied, found.plan.condition, _title(found))
    return course_figure(found.study.trials(), found.study.importances(), found.plan.condition, _title(found))


def cells_figure(
    trials: Sequence[Trial], names: Sequence[str], condition: Condition | None, title: str, most: int = MOST
) -> Figure:
    """The best trials first: their values as columns of text; the mean as a dot, the standard deviation as a
    bar, and every fold as a faint dot."""
    shown_here = trials[:most]
    figure, (left, right) = _page(
        10.5, 1.5 + 0.32 * len(shown_here), ncols=2, width_ratios=[1.1 * len(names) + 0.2, 7]
    )
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    _style(right, "", f"macro-F1{f' of {condition}' if condition else ''}", grid="x")
    _columns(
        left,
        [[_text(trial.values[name]) for name in names] for trial in shown_here],
        list(short(names).values()),
    )
    for y, trial in enumerate(shown_here):
        mean, std = trial.mean(condition=condition), trial.std(condition=condition)
        colour = CONDITIONS["image"] if y == 0 else INK
        folds = trial.scores(condition=condition)
        right.plot(folds, np.full(len(folds), y), "o", color=PALE, markersize=4, alpha=0.5, markeredgewidth=0)
        right.plot(
            [mean - std, mean + std], [y, y], color=colour, linewidth=5, alpha=0.3, solid_capstyle="round"
        )
        right.plot(mean, y, "o", color=colour, markersize=7)
        text = f"{mean:.4f}" + ("" if math.isnan(std) else f" ± {std:.4f}")
        place = {"xycoords": ("axes fraction", "data"), "va": "center"}
        right.annotate(text, (1.02, y), color=colour, fontsize=9, **place)
    for axes in (left, right):
        axes.set_ylim(len(shown_here) - 0.4, -0.8)
    right.set_yticks([])
    right.spines["left"].set_visible(False)
    right.margins(x=0.06)
    return figure


def _columns(axes: Axes, cells: Sequence[Sequence[str]], heads: Sequence[str]) -> None:
    """Text in columns, a row at every whole height."""
    axes.set(xticks=[], yticks=[], xlim=(-0.5, len(heads) - 0.5))
    axes.spines[:].set_visible(False)
    for x, head in enumerate(heads):
        axes.text(x, -0.75, head, ha="center", va="bottom", fontsize=9, fontweight="bold", color=INK)
    for y, row in enumerate(cells):
        axes.axhline(y + 0.5, color=RULE, linewidth=0.6)
        for x, text in enumerate(row):
            axes.text(x, y, text, ha="center", va="center", fontsize=9, color=INK)


def course_figure(
    trials: Sequence[Trial], importances: Mapping[str, float], condition: Condition | None, title: str
) -> Figure:
    """Left, every trial that is done in the order in which they began, the best so far as a line, and the
    pruned ones as marks at the foot; right, how much each field matters."""
    figure, (left, right) = _page(11, 4.6, ncols=2, width_ratios=[3, 2])
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    done = [trial for trial in trials if trial.state == "done"]
    pruned = [trial.number for trial in trials if trial.state == "pruned"]
    numbers, scores = [t.number for t in done], np.array([t.mean(condition=condition) for t in done])
    words = f"{len(done)} trials done" + (f", {len(pruned)} stopped early (below)" if pruned else "")
    _style(left, words, "trial", f"macro-F1{f' of {condition}' if condition else ''}")
    best = np.maximum.accumulate(scores)
    left.step(numbers, best, where="post", color=CONDITIONS["image"], linewidth=2)
    left.errorbar(
        numbers, scores, yerr=np.nan_to_num([t.std(condition=condition) for t in done]),
        fmt="o", color=INK, ecolor=PALE, markersize=5,
    )  # fmt: skip
    foot = {"transform": left.get_xaxis_transform(), "clip_on": False}
    left.plot(pruned, np.full(len(pruned), 0.02), "|", color=CONDITIONS["audio"], markersize=9, **foot)
    left.annotate(
        f"best {best[-1]:.4f}", (1, best[-1]), xycoords=("axes fraction", "data"), xytext=(0, 6),
        textcoords="offset points", ha="right", color=CONDITIONS["image"], fontweight="bold",
    )  # fmt: skip
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    _importances(right, importances)
    return figure


def _importances(axes: Axes, importances: Mapping[str, float]) -> None:
    _style(axes, "Which fields matter", "share of what tells the best trials apart", grid="x")
    if not importances:
        axes.text(0.5, 0.5, "too few trials to say", ha="center", color=PALE, transform=axes.transAxes)
        axes.set_yticks([])
        return
    names, shares = list(importances), list(importances.values())
    axes.barh(names, shares, color=INK, height=0.6)
    for name, share in importances.items():
        axes.annotate(f" {100 * share:.0f} %", (share, name), va="center", fontsize=9, color=INK)
    axes.set_xlim(0, 1.15 * max(shares))
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
