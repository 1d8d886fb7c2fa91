"""Write an evaluation into a run folder: `metrics.json`, figures, and the model card, `README.md`."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from seesay.condition import Condition
from seesay.data.dataset import Dataset
from seesay.figures.confusion import confusion_matrix
from seesay.figures.curves import learning_curves
from seesay.figures.mistakes import Mistake, mistakes_figure
from seesay.figures.style import save
from seesay.files import new_file
from seesay.learn.encoder_files import copies
from seesay.learn.run import Run
from seesay.measure.card_metadata import front_matter
from seesay.measure.evaluate import Evaluation, table_of
from seesay.metrics.scores import METRICS, confusion, in_order, lower_is_better
from seesay.model.classifier import Classifier
from seesay.signal.feature_axes import FeatureAxes, feature_axes
from seesay.signal.front_ends import features_of_contents
from seesay.signal.onnx_card import card_of
from seesay.spec import Modality, Spec, file_option
from seesay.tables import written

MISTAKES = 24
"""Mistakes in a figure, the most confident ones."""


def keep(run: Run, model: Classifier, data: Dataset, evaluation: Evaluation, out: Path | None = None) -> None:
    """Write `metrics.json`, the figures and the model card into the folder `out`; default: the run folder."""
    out = run.folder if out is None else out
    _write(out / "metrics.json", evaluation.to_json())
    folder = out / "figures"
    if run.epochs():
        epochs = run.epochs()
        if run.config.split.folds:  # scored once, at the end, by other models
            epochs = [{**epoch, "scores": {}} for epoch in epochs]
        save(learning_curves(epochs), folder / "learning_curves.png")
    for old in (*folder.glob("confusion_*.png"), *folder.glob("mistakes_*.png")):
        old.unlink()  # of an earlier evaluation, perhaps with other conditions
    for condition in evaluation.results:
        present, predicted = _predictions(evaluation, condition)
        matrix = confusion(predicted, evaluation.label[present], len(data.spec.classes))
        figure = confusion_matrix(matrix, data.spec.classes, condition)
        save(figure, folder / f"confusion_{condition.slug}.png")
        wrong = int(matrix.sum() - matrix.trace())
        shown = mistakes(model, data, evaluation, condition)
        figure = mistakes_figure(shown, wrong, features_axes(run, condition))
        save(figure, folder / f"mistakes_{condition.slug}.png")
    _write(out / "README.md", card(run, evaluation, data.name))


def folder_of(run: Run, data: str, split: str, usual: bool) -> Path:
    """The folder for scores of a run on a split of the data set named `data`: the run folder for those that
    it is judged by (`usual`), and for others a folder in it, which does not replace them."""
    name = re.sub(r"[^\w.-]+", "-", f"{data}-{split}").strip(".-")
    return run.folder if usual else run.folder / "evaluations" / name


def _write(path: Path, text: str) -> None:
    """Write the text as UTF-8; of the name of a folder that is no text, bytes as in `\\udce9`."""
    with new_file(path, encoding="utf-8") as file:
        file.write(text.encode("utf-8", "backslashreplace").decode())


def mistakes(
    model: Classifier, data: Dataset, evaluation: Evaluation, condition: Condition, most: int = MISTAKES
) -> list[Mistake]:
    """The wrong predictions with the highest probabilities, most confident first."""
    present, predicted = _predictions(evaluation, condition)
    confidence = evaluation.probabilities[condition][present].max(1)
    label, rows = evaluation.label[present], evaluation.rows[present]
    wrong = np.flatnonzero(predicted != label)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:most]
    shown = []
    for i in chosen:
        features = row_features(model, data, int(rows[i]))
        used = [features[m] for m in condition.modalities if m in features]
        mistake = Mistake(
            row=int(rows[i]),
            picture=next((x for x in used if x.ndim == 3), None),
            features=next((x for x in used if x.ndim == 2), None),
            label=data.spec.classes[label[i]],
            prediction=data.spec.classes[predicted[i]],
            probability=float(confidence[i]),
            condition=condition,
            opinions=_opinions(evaluation, condition, int(np.flatnonzero(present)[i]), data.spec.classes),
        )
        shown.append(mistake)
    return shown


def _opinions(
    evaluation: Evaluation, condition: Condition, i: int, classes: Sequence[str]
) -> dict[Modality, tuple[str, float] | None]:
    """What each modality of a fused condition predicts on its own for scored row `i`; None: it is missing."""
    opinions: dict[Modality, tuple[str, float] | None] = {}
    for modality in condition.modalities if len(condition.modalities) > 1 else ():
        probabilities = evaluation.probabilities[Condition(modality)][i]
        missing = np.isnan(probabilities[0])
        top = 0 if missing else int(probabilities.argmax())
        opinions[modality] = None if missing else (classes[top], float(probabilities[top]))
    return opinions


def features_axes(run: Run, condition: Condition) -> FeatureAxes | None:
    """The axes of the condition's first modality whose features are a matrix; None if there is none."""
    named = run.config.model.named
    axes = (feature_axes(named[m].features, run.spec[m]) for m in condition.modalities)
    return next((each for each in axes if each is not None), None)


def _predictions(evaluation: Evaluation, condition: Condition) -> tuple[np.ndarray, np.ndarray]:
    """A mask of the rows that were scored in this condition, and the class predicted for each of them."""
    probabilities = evaluation.probabilities[condition]
    present = ~np.isnan(probabilities[:, 0])
    return present, probabilities[present].argmax(1)


def row_features(model: Classifier, data: Dataset, row: int) -> dict[Modality, np.ndarray]:
    """The features of one row by modality, without those it lacks."""
    features = {}
    for modality in (m for m in model.modalities if m in data.modalities):
        pointer = int(data.pointers(modality)[row])
        if pointer >= 0:
            content = data.contents[modality][[pointer]]
            features[modality] = features_of_contents(model.front_ends[modality], content)[0].numpy()
    return features


def card(run: Run, evaluation: Evaluation, measured: str) -> str:
    """The model card in Markdown: what the model does, its scores on the data set `measured`, how it was
    trained, and its limitations. It starts with the metadata that model hubs read."""
    spec, epochs = run.spec, run.epochs()
    remarks = epochs[-1].get("remarks", ()) if epochs else ()
    several = len(spec.modalities) > 1
    parts = {
        "metadata": front_matter(run, evaluation, measured),
        "n": len(spec.classes),
        "classes": ", ".join(spec.classes),
        "inputs": _joined([_input(spec, modality) for modality in spec.modalities]),
        "missing": " Any modality may be missing." if several else "",
        "scores": _scores(evaluation, measured),
        "meanings": _meanings(evaluation),
        "apart": f" {evaluation.apart}" if evaluation.apart else "",
        "origin": _origin(run),
        "encoders": "".join(_encoders(run)),
        "options": " ".join(
            [file_option(m, spec.noun(m).upper()) for m in spec.modalities]
            + [f"--plugin {module}" for module in run.plugins]
        ),
        "notes": "".join(f"- {note}\n" for note in (*remarks, *evaluation.notes)),
        "rows": ROWS_OF[evaluation.split],
        "limits": _limits(run),
    }
    return CARD.format(**parts)


def _origin(run: Run) -> str:
    """A sentence about how the model was trained, or what it was adapted from."""
    if run.adapted_from:
        return (
            f"Adapted to `{run.data}` from {run.adapted_from}: its encoders are unchanged,\n"
            "its last layers and calibration were refitted."
        )
    count = len(run.epochs())
    fusion = f", fusion `{run.config.model.fusion}`" if len(run.spec.modalities) > 1 else ""
    return (
        f"Trained on `{run.data}` with the recipe `{run.recipe}`, seed {run.config.seed}, "
        f"{count} epoch{'s' * (count != 1)}{fusion}."
    )


def _limits(run: Run) -> str:
    """What the model does with inputs of no class."""
    n, knowing = len(run.spec.classes), run.model().knowing
    if not knowing:
        return f"- The model knows only these {n} classes and assigns every input to one of them.\n"
    return (
        f"- The model knows only these {n} classes. How much an input is like them is `known`, 0 to 1;\n"
        '  `seesay predict --reject 0.5` answers "none of these" below that. Without a limit it assigns\n'
        "  every input to a class.\n"
    )


def _encoders(run: Run) -> Iterator[str]:
    """A sentence about each encoder from a file: what its card says of its source and licence."""
    for modality, path in copies(run.config).items():
        card = card_of(path)
        said = "; ".join(filter(None, (card.source, card.licence and f"licence {card.licence}")))
        of = f" ({said})" if said else ""
        yield f" The encoder of {modality} is `{path.relative_to(run.folder)}`{of}, unchanged."


def _input(spec: Spec, modality: Modality) -> str:
    """`pictures (1x28x28)`, or `touch vectors (6)` where the kind alone does not name the modality."""
    return f"{modality} {spec[modality]}" if spec.noun(modality) == modality else str(spec[modality])


def _joined(names: Sequence[str]) -> str:
    """`a, b and c`."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


ROWS_OF = {"train": "training rows", "valid": "validation rows", "test": "test rows"}

CARD = """{metadata}

# A seesay model

Predicts one of {n} classes ({classes}) from {inputs}.{missing}

{scores}

{meanings}

Confidence intervals are bootstrapped over contents, not rows: a repeated content is one observation.{apart}

{origin}{encoders}
All settings are in `config.json`, the loss and scores of each epoch in `epochs.jsonl`, and learning curves,
confusion matrices and the most confident mistakes in `figures/`.

```console
$ seesay predict . {options}
```

## Limitations

{notes}- Expect these scores only on data like the {rows}: evaluate the model on yours before you rely on it.
{limits}"""


def _scores(evaluation: Evaluation, measured: str) -> str:
    [_, *heads], *rows = table_of(evaluation.results)
    scored = f"{evaluation.split} of {measured}, {len(evaluation.rows):,} rows"
    return written([[scored, *heads], *rows], "markdown")


def _meanings(evaluation: Evaluation) -> str:
    """The meaning of each metric in the table, one per line, and which of them are better when lower."""
    names = [n for n in in_order(n for each in evaluation.results.values() for n in each) if n in METRICS]
    lines = [f"- {METRICS[n].heading}: {METRICS[n].meaning}" for n in names if METRICS[n].meaning]
    return "\n".join([*lines, "", lower_is_better(names)]).rstrip()
