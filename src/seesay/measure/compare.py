"""Is one model better than another? Compare every pair in every condition, on the same rows and resamples.

Intervals and p values come from a paired bootstrap over groups of rows that share contents or speakers; the p
of accuracy is McNemar's, which takes rows as independent. The p values of each metric are Holm-corrected for
all pairs and conditions. ECE gets no interval and no p: resampling inflates it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from seesay.condition import Condition
from seesay.data.dataset import Dataset
from seesay.data.groups import components, speaker_notes, unknown_speakers
from seesay.errors import ConfigError, InputError
from seesay.learn.run import Run
from seesay.measure.evaluate import HeldOut, held_out, resampling_units
from seesay.metrics.scores import METRICS, Metric, heading, in_order, lower_is_better, measure, printed
from seesay.metrics.statistics import holm, mcnemar, paired_bootstrap

FEWEST = 10
"""Groups needed for a bootstrap over them; with fewer, contents are drawn instead and a note says so."""

LEVEL = 0.05
"""Significance level of the corrected p."""


@dataclass(frozen=True)
class Side:
    """The predictions of a model."""

    name: str
    probabilities: Mapping[Condition, np.ndarray]
    """(n, k) by condition; NaN in rows that do not count in the condition."""


@dataclass(frozen=True)
class Measure:
    """One metric of both sides; the difference is a minus b."""

    a: float
    b: float
    difference: float
    ci: tuple[float, float] | None = None
    """95 % interval of the difference. None: the metric has no bootstrap."""
    p: float | None = None
    p_holm: float | None = None
    """Holm-corrected for all pairs and conditions."""


@dataclass(frozen=True)
class Pair:
    """Two models compared on the rows of a condition."""

    a: str
    b: str
    condition: Condition
    rows: int
    groups: int
    """Units that the bootstrap draws."""
    only_a: int
    """Rows that only a predicts correctly."""
    only_b: int
    scores: Mapping[str, Measure] = field(default_factory=dict)
    """By metric. The p of accuracy is from McNemar's exact test, that of others from the bootstrap."""

    @property
    def macro_f1(self) -> Measure:
        """The metric that the sentences report."""
        return self.scores["macro_f1"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, metrics by name beside the counts."""
        values = asdict(self)
        scores = values.pop("scores")
        return values | scores


def compare(
    sides: Sequence[Side], dataset: Dataset, rows: np.ndarray, seed: int = 0
) -> tuple[list[Pair], list[str]]:
    """Every pair of sides in every condition that both have, and notes on the comparison.

    `rows` are the labelled rows of the data set that the probabilities are for. No condition in common:
    InputError.
    """
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, got {seed}")
    couples = list(combinations(sides, 2))
    compared = [(a, b, name) for a, b in couples for name in a.probabilities if name in b.probabilities]
    for a, b in couples:
        if not set(a.probabilities) & set(b.probabilities):
            raise InputError(
                f"{a.name} ({', '.join(a.probabilities)}) and {b.name} ({', '.join(b.probabilities)}) "
                "have no condition in common"
            )
    resamples = max(2_000, 200 * len(compared))  # so that a corrected p can be small
    pairs, notes = [], []
    for a, b, name in compared:
        pair, pair_notes = _pair(a, b, name, dataset, rows, resamples, seed)
        pairs.append(pair)
        notes += pair_notes
    return _corrected(pairs), list(dict.fromkeys(notes))


def held_out_alike(runs: Mapping[str, Run], dataset: Dataset, split: str | None) -> HeldOut:
    """The labelled rows that all runs are scored on; without runs, the stored split. Runs whose rows differ:
    InputError."""
    by_run = {name: held_out(run, dataset, split) for name, run in runs.items()} or {
        "": held_out(None, dataset, split)
    }
    (first, shared), *others = by_run.items()
    for name, other in others:
        if shared.split != other.split or not np.array_equal(shared.rows, other.rows):
            raise InputError(
                f"{first} is scored on {len(shared.rows):,} rows of {shared.split}, {name} on others "
                f"({len(other.rows):,} of {other.split}): they were trained on different splits",
                "Train both with the same split, or give --data that neither was trained on.",
            )
    notes = dict.fromkeys(note for rows in by_run.values() for note in rows.notes)
    rows = shared.rows[dataset.label[shared.rows] >= 0]
    return shared._replace(rows=rows, notes=(*notes, *speaker_notes(*unknown_speakers(dataset))))


def _pair(
    a: Side, b: Side, name: Condition, dataset: Dataset, rows: np.ndarray, resamples: int, seed: int
) -> tuple[Pair, list[str]]:
    present = ~(np.isnan(a.probabilities[name]).any(1) | np.isnan(b.probabilities[name]).any(1))
    if not present.any():
        raise InputError(f"no row has {name}", "Choose another --condition.")
    of_a, of_b = (side.probabilities[name][present] for side in (a, b))
    label = np.asarray(dataset.label[rows[present]])
    groups, notes = groups_of(dataset, rows[present], name)
    test = mcnemar(of_a, of_b, label)
    scores_a, scores_b = measure(of_a, label), measure(of_b, label)
    scores = {}
    for metric in (metric for metric in scores_a if metric in scores_b):
        difference = scores_a[metric] - scores_b[metric]
        scores[metric] = Measure(scores_a[metric], scores_b[metric], difference)
        if _has_bootstrap(METRICS[metric]):
            interval = paired_bootstrap(METRICS[metric], of_a, of_b, label, groups, resamples, seed)
            p = test.p if metric == "accuracy" else interval.p
            scores[metric] = replace(scores[metric], ci=(interval.low, interval.high), p=p)
    counts = (int(present.sum()), len(np.unique(groups)))
    return Pair(a.name, b.name, name, *counts, test.only_a, test.only_b, scores), notes


def _has_bootstrap(metric: Metric) -> bool:
    """A metric without `sums` is slow to resample, so it has to ask for an interval."""
    return metric.interval or metric.sums is not None


def groups_of(dataset: Dataset, rows: np.ndarray, name: Condition) -> tuple[np.ndarray, list[str]]:
    """(n,): the group of each row, and notes. Rows of a group share a content or a speaker, or only a content
    if there would be too few groups. Fewer than two groups: InputError."""
    groups = components(dataset.only(*name.modalities), rows)
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
    """The pairs with Holm-corrected p values, for each metric over all pairs."""
    corrected: list[dict[str, Measure]] = [dict(pair.scores) for pair in pairs]
    for metric in in_order(name for pair in pairs for name in pair.scores):
        tested = [
            (i, p)
            for i, scores in enumerate(corrected)
            if metric in scores and (p := scores[metric].p) is not None
        ]
        for (i, _), p_holm in zip(tested, holm([p for _, p in tested]), strict=True):
            corrected[i][metric] = replace(corrected[i][metric], p_holm=p_holm)
    return [replace(pair, scores=scores) for pair, scores in zip(pairs, corrected, strict=True)]


# --------------------------------------------------------------------------------------- tables and sentences


def table_of(pairs: Sequence[Pair]) -> list[list[str]]:
    """One table with a row for each pair, condition and metric."""
    heads = ["a", "b", "condition", "rows", "groups", "score", "of a", "of b", "difference", "95 % interval"]
    table = [[*heads, "p", "p (Holm)"]]
    for pair in pairs:
        start = [pair.a, pair.b, pair.condition, f"{pair.rows:,}", f"{pair.groups:,}"]
        table += [[*start, *_cells(metric, pair.scores[metric])] for metric in in_order(pair.scores)]
    return table


def tables_of(pairs: Sequence[Pair]) -> list[tuple[str, list[list[str]]]]:
    """A title and a table for each pair and condition, narrow enough for a terminal, with the corrected p."""
    heads = ["", "a", "b", "difference", "95 % interval", "p (Holm)"]
    tables = []
    for pair in pairs:
        title = f"{pair.a} (a), {pair.b} (b) on {pair.condition}: {pair.rows:,} rows, {pair.groups:,} groups"
        rows = [_cells(metric, pair.scores[metric]) for metric in in_order(pair.scores)]
        tables.append((title, [heads, *([*cells, p_holm] for *cells, _, p_holm in rows)]))
    return tables


def lower(pairs: Sequence[Pair]) -> list[str]:
    """A note that names the metrics where lower is better, if there are any."""
    return [note] if (note := lower_is_better(name for pair in pairs for name in pair.scores)) else []


def _cells(metric: str, m: Measure) -> list[str]:
    p_values = ["" if p is None else f"{p:.3g}" for p in (m.p, m.p_holm)]
    scores = [printed(metric, m.a), printed(metric, m.b), f"{m.difference:+.4f}"]
    return [heading(metric), *scores, "" if m.ci is None else _interval(m.ci), *p_values]


def sentences(pairs: Sequence[Pair]) -> list[str]:
    """A sentence for each pair of sides, over all conditions."""
    by_names: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        by_names.setdefault((pair.a, pair.b), []).append(pair)
    return [_sentence(a, b, conditions) for (a, b), conditions in by_names.items()]


def _sentence(a: str, b: str, pairs: Sequence[Pair]) -> str:
    significant = [pair for pair in pairs if (p := pair.macro_f1.p_holm) is not None and p < LEVEL]
    clauses = []
    for first, second, sign in ((a, b, 1), (b, a, -1)):
        better = [_clause(pair, sign) for pair in significant if pair.macro_f1.difference * sign > 0]
        clauses += [f"{first} is better than {second} on {'; on '.join(better)}"] if better else []
    unclear = [pair for pair in pairs if pair not in significant]
    if unclear:
        start = "no difference is shown" if clauses else f"No difference between {a} and {b} is shown"
        clauses.append(f"{start} on {'; on '.join(_clause(pair, 1) for pair in unclear)}")
    return f"{'; '.join(clauses)}."


def _clause(pair: Pair, sign: int) -> str:
    """`image: macro-F1 0.98 against 0.95, difference 0.03 (95 % interval 0.01 to 0.05), p = 0.002`."""
    m = pair.macro_f1
    assert m.ci is not None
    first, second, (low, high) = (m.a, m.b, m.ci) if sign > 0 else (m.b, m.a, (-m.ci[1], -m.ci[0]))
    return (
        f"{pair.condition}: macro-F1 {first:.4f} against {second:.4f}, difference {sign * m.difference:.4f} "
        f"(95 % interval {low:.4f} to {high:.4f}), p = {m.p_holm:.3g}"
    )


def _interval(ci: tuple[float, float]) -> str:
    return f"{ci[0]:+.4f} to {ci[1]:+.4f}"
