"""What an evaluation leaves in a run: `metrics.json`, figures, and `README.md`, the model card."""

import numpy as np

from seesay.condition import Condition
from seesay.data.dataset import Dataset
from seesay.figures import curves, style
from seesay.figures import mistakes as sheet
from seesay.figures.confusion import confusion as confusion_figure
from seesay.learn.run import Run
from seesay.measure.evaluate import Evaluation, table_of
from seesay.metrics.scores import METRICS, confusion, in_order, lower_is_better
from seesay.model.classifier import Classifier
from seesay.signal.feature_axes import FeatureAxes, feature_axes
from seesay.signal.front_ends import front_of
from seesay.spec import Spec
from seesay.tables import written

MISTAKES = 24
"""Pictures on the sheet of the most confident mistakes."""


def keep(run: Run, model: Classifier, data: Dataset, evaluation: Evaluation) -> None:
    """Writes scores, figures and card into the run's folder."""
    run.write("metrics.json", evaluation.to_json())
    figures = run.folder / "figures"
    if run.epochs():
        epochs = run.epochs()
        if run.config.split.folds:  # scored once, at the end, by other models
            epochs = [{**epoch, "scores": {}} for epoch in epochs]
        style.save(curves.learning_curves(epochs), figures / "learning_curves.png")
    for old in (*figures.glob("confusion_*.png"), *figures.glob("mistakes_*.png")):
        old.unlink()  # of an evaluation that had other conditions
    axes = _axes(run)
    for condition in evaluation.results:
        there, predicted = _predicted(evaluation, condition)
        matrix = confusion(predicted, evaluation.label[there], len(data.spec.classes))
        name = condition.slug
        style.save(confusion_figure(matrix, data.spec.classes, condition), figures / f"confusion_{name}.png")
        cells = mistakes(model, data, evaluation, condition)
        total = int(matrix.sum() - matrix.trace())
        style.save(sheet.mistakes(cells, total, axes), figures / f"mistakes_{name}.png")
    run.write("README.md", card(run, evaluation, data.name))


def mistakes(
    model: Classifier, data: Dataset, evaluation: Evaluation, condition: Condition, most: int = MISTAKES
) -> list[sheet.Mistake]:
    """The rows that were wrong with the highest probability, as cells of a sheet."""
    there, predicted = _predicted(evaluation, condition)
    sure = evaluation.probabilities[condition][there].max(1)
    wrong = np.flatnonzero(predicted != evaluation.label[there])
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:most]
    cells = []
    for i in worst:
        row = int(evaluation.rows[there][i])
        features = {m: x for m, x in row_features(model, data, row).items() if m in condition.modalities}
        said, true = data.spec.classes[predicted[i]], data.spec.classes[evaluation.label[there][i]]
        picture, matrix = (next((x for x in features.values() if x.ndim == n), None) for n in (3, 2))
        cells.append(sheet.Mistake(picture, matrix, true, said, float(sure[i]), condition))
    return cells


def _axes(run: Run) -> FeatureAxes | None:
    """Of the first modality whose features are a matrix; None: there is none."""
    named = run.config.model.named
    axes = (feature_axes(named[m].features, spec) for m, spec in run.spec.contents.items())
    return next((each for each in axes if each is not None), None)


def _predicted(evaluation: Evaluation, condition: Condition) -> tuple[np.ndarray, np.ndarray]:
    """Which rows the condition has, and what was predicted for them."""
    probabilities = evaluation.probabilities[condition]
    there = ~np.isnan(probabilities[:, 0])
    return there, probabilities[there].argmax(1)


def row_features(model: Classifier, data: Dataset, row: int) -> dict[str, np.ndarray]:
    """The features of one row, by modality; what it lacks is not there."""
    features = {}
    for modality in (m for m in model.modalities if m in data.modalities):
        pointer = int(data.pointers(modality)[row])
        if pointer >= 0:
            content = data.contents[modality][[pointer]]
            features[modality] = front_of(model.front_ends[modality], content)[0].numpy()
    return features


def card(run: Run, evaluation: Evaluation, measured: str) -> str:
    """The model card: what the model is, how well it does on the data set `measured`, what it was trained on
    and what to beware of.

    Its head is the metadata that model hubs read.
    """
    spec, config, epochs = run.spec, run.config, run.epochs()
    remarks = epochs[-1].get("remarks", ()) if epochs else ()
    parts = {
        "tags": ", ".join(_tags(spec)),
        "missing": " Any of them may be missing." if len(spec.modalities) > 1 else "",
        "fusion": f"; fusion `{config.model.fusion}`" if len(spec.modalities) > 1 else "",
        "given": " ".join(f"--{m} {spec.noun(m).upper()}" for m in spec.modalities),
        "classes": ", ".join(spec.classes),
        "reads": " and ".join(map(str, spec.contents.values())),
        "scores": _scores(evaluation, measured),
        "meanings": _meanings(evaluation),
        "contents": " and ".join(f"{spec.noun(m)}s" for m in spec.modalities),
        "data": run.data,
        "recipe": run.recipe,
        "seed": config.seed,
        "epochs": len(epochs),
        "n": len(spec.classes),
        "apart": evaluation.apart,
        "notes": "".join(f"- {note}\n" for note in (*remarks, *evaluation.notes)),
        "rows_of": ROWS_OF[evaluation.split],
    }
    return CARD.format(**parts)


def _tags(spec: Spec) -> list[str]:
    found = [content.task for content in spec.contents.values() if content.task]
    return ["multimodal"] * (len(spec.modalities) > 1) + list(dict.fromkeys(found))


ROWS_OF = {"train": "training rows", "valid": "validation rows", "test": "test rows"}

CARD = """---
library_name: seesay
tags: [{tags}]
---

# A seesay model

Recognises {classes} from {reads}.{missing}

{scores}

{meanings}

The interval is a bootstrap over contents, not rows: a repeated content is one observation. {apart}

Trained on `{data}` with the recipe `{recipe}`, seed {seed}, {epochs} epochs{fusion}.
All else stands in `config.json`; the loss and scores of every epoch in `epochs.jsonl`; pictures of what
went wrong in `figures/`.

```console
$ seesay predict . {given}
```

## Beware

{notes}- The scores hold for {contents} like those of the {rows_of}. Try your own before you rely on it.
- It knows these {n} classes and nothing else: anything it is given becomes one of them.
"""


def _scores(evaluation: Evaluation, measured: str) -> str:
    [_, *heads], *rows = table_of(evaluation.results)
    what = f"{evaluation.split} of {measured}, {len(evaluation.rows):,} rows"
    return written([[what, *heads], *rows], "markdown")


def _meanings(evaluation: Evaluation) -> str:
    """What each number is, a line each."""
    names = [n for n in in_order(n for each in evaluation.results.values() for n in each) if n in METRICS]
    lines = [f"- {METRICS[n].heading}: {METRICS[n].meaning}" for n in names if METRICS[n].meaning]
    return "\n".join([*lines, "", lower_is_better(names)]).rstrip()
