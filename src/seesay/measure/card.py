"""What an evaluation leaves in a run: `metrics.json`, figures, and `README.md`, the model card."""

import numpy as np

from seesay.config import Condition
from seesay.data.dataset import Dataset
from seesay.learn.run import Run
from seesay.measure import plots
from seesay.measure.evaluate import Evaluation
from seesay.measure.metrics import confusion
from seesay.model.classifier import Classifier

MISTAKES = 24
"""Pictures on the sheet of the most confident mistakes."""


def keep(run: Run, model: Classifier, data: Dataset, evaluation: Evaluation) -> None:
    """Writes scores, figures and card into the run's folder."""
    run.write("metrics.json", evaluation.to_json())
    figures = run.folder / "figures"
    if run.epochs():
        plots.save(plots.learning_curves(run.epochs()), figures / "learning_curves.png")
    for condition in evaluation.results:
        there, predicted = _predicted(evaluation, condition)
        matrix = confusion(predicted, evaluation.label[there], len(data.spec.classes))
        name = condition.replace("+", "_")
        plots.save(plots.confusion(matrix, data.spec.classes, condition), figures / f"confusion_{name}.png")
        cells = mistakes(model, data, evaluation, condition)
        plots.save(plots.mistakes(cells), figures / f"mistakes_{name}.png")
    run.write("README.md", card(run, evaluation))


def mistakes(
    model: Classifier, data: Dataset, evaluation: Evaluation, condition: Condition, most: int = MISTAKES
) -> list[plots.Mistake]:
    """The rows that were wrong with the highest probability, as cells of a sheet."""
    there, predicted = _predicted(evaluation, condition)
    sure = evaluation.probabilities[condition][there].max(1)
    wrong = np.flatnonzero(predicted != evaluation.label[there])
    worst = wrong[np.argsort(-sure[wrong], kind="stable")][:most]
    cells = []
    for i in worst:
        row = evaluation.rows[there][i]
        features = row_features(model, data, row)
        said, true = data.spec.classes[predicted[i]], data.spec.classes[evaluation.label[there][i]]
        cells.append(plots.Mistake(features.get("image"), features.get("audio"), true, said, float(sure[i]), condition))
    return cells


def _predicted(evaluation: Evaluation, condition: Condition) -> tuple[np.ndarray, np.ndarray]:
    """Which rows have all the condition's modalities, and what was predicted for them."""
    probabilities = evaluation.probabilities[condition]
    there = ~np.isnan(probabilities[:, 0])
    return there, probabilities[there].argmax(1)
