"""Write `report.md`: the numbers of a reproduction beside those of the report, from `report.json` alone."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seesay.condition import Condition

Values = Mapping[str, Any]

REPORT: Mapping[tuple[str, str], float] = {
    ("audio", "accuracy"): 0.834,
    ("image", "accuracy"): 0.951,
    ("image+audio", "macro_f1"): 0.978,
}
"""Sections 3.1.1 and 3.1.2: fusion on the competition's test rows, one modality on its validation rows."""

SPLIT_NAMES = {"row": "random row split", "group": "split without leaks"}

MODELS = {"audio": "audio alone", "image": "image alone", "image+audio": "fusion"}

MEASURES = {"accuracy": "accuracy", "macro_f1": "macro-F1"}

HEADS = {"audio head": "audio", "image head": "image"}

INTERVALS = (
    "Written by `seesay reproduce`. Scores are for rows that neither trained a model nor chose its epoch. "
    "Intervals are 95 % bootstraps over contents, not rows: a repeated recording is one observation."
)

HEADS_NOTE = (
    "Two linear layers on the encoding of one modality by an autoencoder, which was trained without labels: "
    "what the fusion has to work with."
)

ENCODINGS_NOTE = (
    "Test rows of the split without leaks. Every distinct content is shown once, for a repeated recording "
    "would become a ring of its rows. The probes are trained on encodings of training rows."
)

ENCODING_NUMBERS = {
    "distinct": "distinct contents shown",
    "kmeans_on_picture.matched_accuracy": "k-means of the projection: accuracy, clusters matched to labels",
    "kmeans_on_picture.adjusted_rand": "k-means of the projection: adjusted Rand index",
    "kmeans_on_picture.nmi": "k-means of the projection: NMI",
    "kmeans_on_picture.purity": "k-means of the projection: purity",
    "kmeans_on_picture.silhouette": "k-means of the projection: silhouette",
    "kmeans_on_encodings.matched_accuracy": "k-means of the encodings: accuracy, clusters matched to labels",
    "kmeans_on_encodings.adjusted_rand": "k-means of the encodings: adjusted Rand index",
    "kmeans_on_encodings.nmi": "k-means of the encodings: NMI",
    "kmeans_on_encodings.purity": "k-means of the encodings: purity",
    "kmeans_on_encodings.silhouette": "k-means of the encodings: silhouette",
    "probe.knn_accuracy": "5 nearest neighbours in the encodings: accuracy",
    "probe.linear_accuracy": "linear probe of the encodings: accuracy",
}


def page(values: Values, source: str) -> str:
    """The page in Markdown, with links to the figures in its folder."""
    parts = [
        f"# The report on `{source}`",
        INTERVALS,
        scores_table(values),
        "![scores with their intervals](figures/scores.png)",
        _rows(values),
        "## Each modality on its own",
        HEADS_NOTE,
        heads_table(values),
        "## Reconstructions",
        *(_reconstruction(modality, each) for modality, each in values["reconstruction"].items()),
        "## Encodings",
        ENCODINGS_NOTE,
        encodings_table(values),
        *(_pictures(name) for name in values["embedding"]),
        *_search(values),
        "## Learning curves and confusions",
        *_run_figures(),
        "## Seconds",
        seconds_table(values),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def scores_table(values: Values) -> str:
    """*The report | random row split | split without leaks*, and the difference of the last two."""
    lines = []
    for name, model in MODELS.items():
        for measure, word in MEASURES.items():
            published = REPORT.get((name, measure))
            lines.append(
                [
                    model,
                    word,
                    "" if published is None else f"{published:.3f}",
                    *_scores(values, name, measure),
                ]
            )
    return _table(["", "", "the report", *SPLIT_NAMES.values(), "leak: difference"], lines)


def heads_table(values: Values) -> str:
    """The same for each modality on its own in the fusion classifier."""
    lines = [
        [model, word, *_scores(values, name, measure)]
        for name, model in HEADS.items()
        for measure, word in MEASURES.items()
    ]
    return _table(["", "", *SPLIT_NAMES.values(), "difference"], lines)


def encodings_table(values: Values) -> str:
    """The numbers of the encodings, a column for each condition."""
    lines = []
    for path, word in ENCODING_NUMBERS.items():
        numbers = [_at(view, path) for view in values["embedding"].values()]
        lines.append(
            [word, *("" if n is None else f"{n:,}" if isinstance(n, int) else f"{n:.3f}" for n in numbers)]
        )
    return _table(["", *values["embedding"]], lines)


def seconds_table(values: Values) -> str:
    """CPU and wall-clock seconds of each stage, and their sum."""
    stages = values["stages"]
    total = {name: sum(stage[name] for stage in stages.values()) for name in ("cpu_seconds", "seconds")}
    lines = [
        [n, f"{s['cpu_seconds']:.0f}", f"{s['seconds']:.0f}"] for n, s in {**stages, "all": total}.items()
    ]
    return _table(["stage", "CPU", "wall"], lines)


def filled(text: str, values: Values) -> str:
    """The page with its numbers updated: between `<!--NAME-->` and `<!---->` goes a table (`TABLES`) or the
    number at a dotted path in `report.json`."""

    def current(place: re.Match[str]) -> str:
        name = place["name"]
        if name in TABLES:
            return f"<!--{name}-->\n\n{TABLES[name](values)}\n\n<!---->"
        number = _at(values, name)
        return (
            f"<!--{name}-->{number:,}<!---->"
            if isinstance(number, int)
            else f"<!--{name}-->{number:.4f}<!---->"
        )

    return re.sub(r"<!--(?P<name>[^>]+?)-->.*?<!---->", current, text, flags=re.S)


TABLES = {
    "scores": scores_table,
    "heads": heads_table,
    "encodings": encodings_table,
    "seconds": seconds_table,
}
"""The tables that `filled` can insert."""


def series(results: Mapping[Any, Any]) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Macro-F1 with its interval, if known, of the report and of each split, for `figures.scores`."""
    published = {name: (f1, math.nan, math.nan) for (name, m), f1 in REPORT.items() if m == "macro_f1"}
    return {"the report": published} | {
        SPLIT_NAMES[by]: {
            name: (each[name]["macro_f1"], *each[name]["macro_f1_ci"]) for name in reversed(MODELS)
        }
        for by, each in results.items()
    }


def _scores(values: Values, name: str, measure: str) -> list[str]:
    """Cells for the score on each split and the difference."""
    cells = []
    for by in SPLIT_NAMES:
        result = values["results"][by][name]
        by_seed = [seed[measure] for seed in result["seeds"]]
        spread = f" (seeds {min(by_seed):.4f} to {max(by_seed):.4f})" if len(by_seed) > 1 else ""
        cells.append(f"{result[measure]:.4f} {_interval(result[f'{measure}_ci'])}{spread}")
    difference = values["leak"][name][measure]
    return [*cells, f"{difference['difference']:+.4f} {_interval(difference['ci'], '+')}"]


def _interval(ci: Sequence[float], sign: str = "") -> str:
    return f"[{ci[0]:{sign}.4f}, {ci[1]:{sign}.4f}]"


def _rows(values: Values) -> str:
    """The number of rows in each split, with the notes of splitting."""
    lines = []
    for by, each in values["splits"].items():
        counts = ", ".join(f"{count:,} {name}" for name, count in each["rows"].items())
        lines.append(f"- {SPLIT_NAMES[by]}: {counts}. {' '.join(each['notes'])}".rstrip())
    return "\n".join(lines)


def _reconstruction(modality: str, each: Values) -> str:
    text = (
        f"{modality}: mean squared error {each['mse']:.5f} over {each['contents']:,} distinct test contents"
    )
    return f"![{text}](figures/reconstructions_{modality}.png)\n\n{text}."


def _pictures(name: str) -> str:
    file = Condition(name).slug
    return (
        f"![{name} encodings by label](embedding/{file}.png)\n"
        f"![{name} encodings by k-means cluster](embedding/{file}_kmeans.png)"
    )


def _search(values: Values) -> Iterable[str]:
    """The best cell of each searched grid."""
    if "search" not in values:
        return
    yield "## Search"
    lines = []
    for modality, search in values["search"].items():
        best = search["best"]
        chosen = ", ".join(f"{name.rsplit('.', 1)[-1]} {value}" for name, value in best["values"].items())
        scores = [_plus_minus(best["scores"][modality][measure]) for measure in MEASURES]
        lines.append(
            [
                modality,
                f"{search['cells']}",
                f"{search['folds']} folds, {search['rows']:,} rows",
                chosen,
                *scores,
            ]
        )
    yield _table(["", "cells", "cross-validation", "best cell", *MEASURES.values()], lines)
    for modality in values["search"]:
        yield f"![cells of the {modality} grid](search-{modality}/search.png)"


def _plus_minus(each: Values) -> str:
    return f"{each['mean']:.4f}" + (f" ± {each['std']:.4f}" if each["std"] is not None else "")


def _run_figures() -> Iterable[str]:
    for by, split in SPLIT_NAMES.items():
        for name, model in MODELS.items():
            file = Condition(name).slug
            folder = f"runs/{by}/{file}-0/figures"
            yield (
                f"{model}, {split}:\n\n![{model}, {split}: learning curves]({folder}/learning_curves.png)\n"
                f"![{model}, {split}: confusion]({folder}/confusion_{file}.png)"
            )


def _at(view: Values, path: str) -> Any:
    """The number at a dotted path; None if there is none."""
    value: Any = view
    for name in path.split("."):
        value = None if value is None else value[name]
    return value


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
