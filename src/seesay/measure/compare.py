"""Whether one model is better than another: the same rows, the same resamples, every pair and condition.

Every metric of both is shown. Intervals and p are a paired bootstrap over groups of rows that share contents
or speakers; the p of accuracy is McNemar's, which takes rows as independent. Each metric's p is corrected by
Holm for all pairs and conditions that are looked at. ECE has neither: resampled rows overstate it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from seesay.condition import Condition
from seesay.data.dataset import Dataset
from seesay.data.groups import components, says_speakers, unknown_speakers
from seesay.errors import ConfigError, InputError
from seesay.learn.run import Run
from seesay.measure.evaluate import HeldOut, held_out, resampling_units
from seesay.metrics.scores import METRICS, Metric, heading, in_order, lower_is_better, measure, printed
from seesay.metrics.statistics import holm, mcnemar, paired_bootstrap

FEWEST = 10
"""Groups below which a bootstrap over them says little: contents are drawn instead, and it is said."""

LEVEL = 0.05
"""A corrected p below it counts as a difference."""


@dataclass(frozen=True)
class Side:
    """What a model says of the rows."""

    name: str
    probabilities: Mapping[Condition, np.ndarray]
    """(n, k) by condition; NaN in rows that the condition has not."""


@dataclass(frozen=True)
class Measure:
    """One metric of both sides; the difference is a minus b."""

    a: float
    b: float
    difference: float
    ci: tuple[float, float] | None = None
    """95 %, of the bootstrap over groups. None: the metric has no bootstrap."""
    p: float | None = None
    p_holm: float | None = None
    """Corrected for all pairs and conditions."""


@dataclass(frozen=True)
class Pair:
    """Two sides on the rows of a condition."""

    a: str
    b: str
    condition: Condition
    rows: int
    groups: int
    """What was drawn."""
    only_a: int
    """Rows that only a has right."""
    only_b: int
    scores: Mapping[str, Measure] = field(default_factory=dict)
    """By metric. The p of accuracy is McNemar's, exact; the others' is the bootstrap's."""

    @property
    def macro_f1(self) -> Measure:
        """What the sentences are about."""
        return self.scores["macro_f1"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; metrics by their names, beside the counts."""
        values = asdict(self)
        scores = values.pop("scores")
        return values | scores


def compare(
    sides: Sequence[Side], dataset: Dataset, rows: np.ndarray, seed: int = 0
) -> tuple[list[Pair], list[str]]:
    """Every pair of sides in every condition that both have, and what to know beside it.

    `rows` are labelled rows of the data set, those of the sides' probabilities. No condition in common:
    InputError.
    """
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, got {seed}")
    both = list(combinations(sides, 2))
    asked = [(a, b, name) for a, b in both for name in a.probabilities if name in b.probabilities]
    for a, b in both:
        if not set(a.probabilities) & set(b.probabilities):
            raise InputError(
                f"{a.name} ({', '.join(a.probabilities)}) and {b.name} ({', '.join(b.probabilities)}) "
                "have no condition in common"
            )
    resamples = max(2_000, 200 * len(asked))  # so that a corrected p can be small
    found, notes = [], []
    for a, b, name in asked:
        pair, said = _pair(a, b, name, dataset, rows, resamples, seed)
        found.append(pair)
        notes += said
    return _corrected(found), list(dict.fromkeys(notes))


def held_out_alike(runs: Mapping[str, Run], dataset: Dataset, split: str | None) -> HeldOut:
    """The labelled rows that all runs are scored on; without runs, as if it were other data. Runs whose rows
    differ: InputError."""
    found = {name: held_out(run, dataset, split) for name, run in runs.items()} or {
        "": held_out(None, dataset, split)
    }
    (first, held), *others = found.items()
    for name, other in others:
        if held.split != other.split or not np.array_equal(held.rows, other.rows):
            raise InputError(
                f"{first} is scored on {len(held.rows):,} rows of {held.split}, {name} on others "
                f"({len(other.rows):,} of {other.split}): they were trained on different splits",
                "Train both with the same split, or give --data that neither was trained on.",
            )
    notes = dict.fromkeys(note for each in found.values() for note in each.notes)
    rows = held.rows[dataset.label[held.rows] >= 0]
    return held._replace(rows=rows, notes=(*notes, *says_speakers(*unknown_speakers(dataset))))


def _pair(
    a: Side, b: Side, name: Condition, dataset: Dataset, rows: np.ndarray, resamples: int, seed: int
) -> tuple[Pair, list[str]]:
    there = ~(np.isnan(a.probabilities[name]).any(1) | np.isnan(b.probabilities[name]).any(1))
    if not there.any():
        raise InputError(f"no row has {name}", "Choose another --condition.")
    first, second = (side.probabilities[name][there] for side in (a, b))
    label = np.asarray(dataset.label[rows[there]])
    groups, notes = groups_of(dataset, rows[there], name)
    tested = mcnemar(first, second, label)
    ours, theirs = measure(first, label), measure(second, label)
    scores = {}
    for metric in (each for each in ours if each in theirs):
        scores[metric] = Measure(ours[metric], theirs[metric], ours[metric] - theirs[metric])
        if _has_bootstrap(METRICS[metric]):
            drawn = paired_bootstrap(METRICS[metric], first, second, label, groups, resamples, seed)
            p = tested.p if metric == "accuracy" else drawn.p
            scores[metric] = replace(scores[metric], ci=(drawn.low, drawn.high), p=p)
    counts = (int(there.sum()), len(np.unique(groups)))
    return Pair(a.name, b.name, name, *counts, tested.only_a, tested.only_b, scores), notes


def _has_bootstrap(metric: Metric) -> bool:
    """A metric without `sums` takes long, and has to ask for it."""
    return metric.interval or metric.sums is not None


def groups_of(dataset: Dataset, rows: np.ndarray, name: Condition) -> tuple[np.ndarray, list[str]]:
    """(n,): rows of one number share a content or a speaker; where these are too few to be drawn, a content.
    Fewer than two of either: InputError."""
    seen = dataset.only(*name.modalities)
    groups = components(seen, rows)
    count = len(np.unique(groups))
    if count >= FEWEST:
        return groups, []
    units = resampling_units(dataset, rows, name)
    if len(np.unique(units)) < 2:
        raise InputError(f"all rows of {name} share one content: there is nothing to compare on")
    note = (
        f"{name}: rows that share contents or speakers form {count} group{'s' if count > 1 else ''}, too few "
        "to draw. Contents are drawn instead, so the intervals may be too narrow."
    )
    return units, [note]


def _corrected(pairs: Sequence[Pair]) -> list[Pair]:
    """Holm over all of them, for each metric by itself."""
    corrected: list[dict[str, Measure]] = [dict(pair.scores) for pair in pairs]
    for metric in in_order(name for pair in pairs for name in pair.scores):
        tested = [
            (i, p) for i, each in enumerate(corrected) if metric in each and (p := each[metric].p) is not None
        ]
        for (i, _), p_holm in zip(tested, holm([p for _, p in tested]), strict=True):
            corrected[i][metric] = replace(corrected[i][metric], p_holm=p_holm)
    return [replace(pair, scores=scores) for pair, scores in zip(pairs, corrected, strict=True)]


# ----------------------------------------------------------------------------------------------------- saying


def table_of(pairs: Sequence[Pair]) -> list[list[str]]:
    """A row for each pair, condition and metric."""
    heads = ["a", "b", "condition", "rows", "groups", "score", "of a", "of b", "difference", "95 % interval"]
    table = [[*heads, "p", "p (Holm)"]]
    for pair in pairs:
        about = [pair.a, pair.b, pair.condition, f"{pair.rows:,}", f"{pair.groups:,}"]
        table += [[*about, *_cells(metric, pair.scores[metric])] for metric in in_order(pair.scores)]
    return table


def tables_of(pairs: Sequence[Pair]) -> list[tuple[str, list[list[str]]]]:
    """A title and a table for each pair and condition, narrow enough for a terminal: p is that of Holm."""
    heads = ["", "a", "b", "difference", "95 % interval", "p (Holm)"]
    tables = []
    for pair in pairs:
        title = f"{pair.a} (a), {pair.b} (b) on {pair.condition}: {pair.rows:,} rows, {pair.groups:,} groups"
        rows = [_cells(metric, pair.scores[metric]) for metric in in_order(pair.scores)]
        tables.append((title, [heads, *([*cells, p_holm] for *cells, _, p_holm in rows)]))
    return tables


def lower(pairs: Sequence[Pair]) -> list[str]:
    """A note that names the metrics of which a lower number is better, if there are any."""
    return [note] if (note := lower_is_better(name for pair in pairs for name in pair.scores)) else []


def _cells(metric: str, m: Measure) -> list[str]:
    tested = ["" if p is None else f"{p:.3g}" for p in (m.p, m.p_holm)]
    scores = [printed(metric, m.a), printed(metric, m.b), f"{m.difference:+.4f}"]
    return [heading(metric), *scores, "" if m.ci is None else _interval(m.ci), *tested]


def sentences(pairs: Sequence[Pair]) -> list[str]:
    """One for each pair of sides, over all conditions."""
    by_names: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        by_names.setdefault((pair.a, pair.b), []).append(pair)
    return [_sentence(a, b, own) for (a, b), own in by_names.items()]


def _sentence(a: str, b: str, pairs: Sequence[Pair]) -> str:
    shown = [pair for pair in pairs if (p := pair.macro_f1.p_holm) is not None and p < LEVEL]
    said = []
    for first, second, sign in ((a, b, 1), (b, a, -1)):
        better = [_clause(pair, sign) for pair in shown if pair.macro_f1.difference * sign > 0]
        said += [f"{first} is better than {second} on {'; on '.join(better)}"] if better else []
    unclear = [pair for pair in pairs if pair not in shown]
    if unclear:
        start = "no difference is shown" if said else f"No difference between {a} and {b} is shown"
        said.append(f"{start} on {'; on '.join(_clause(pair, 1) for pair in unclear)}")
    return f"{'; '.join(said)}."


def _clause(pair: Pair, sign: int) -> str:
    """`image: macro-F1 0.98 against 0.95, difference 0.03 (95 % interval 0.01 to 0.05), p = 0.002`."""
    m = pair.macro_f1
    assert m.ci is not None
    ours, theirs, ends = (m.a, m.b, m.ci) if sign > 0 else (m.b, m.a, (-m.ci[1], -m.ci[0]))
    return (
        f"{pair.condition}: macro-F1 {ours:.4f} against {theirs:.4f}, difference {sign * m.difference:.4f} "
        f"(95 % interval {ends[0]:.4f} to {ends[1]:.4f}), p = {m.p_holm:.3g}"
    )


def _interval(ci: tuple[float, float]) -> str:
    return f"{ci[0]:+.4f} to {ci[1]:+.4f}"
