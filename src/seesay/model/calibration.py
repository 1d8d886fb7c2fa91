"""Temperatures: logits divided by one number a condition, so that a probability of 0.9 is right nine times in ten.

Guo et al. 2017. The sum of log-posteriors is the optimum only if they are calibrated, so each modality's own temperature is
found first and the fusion's after it.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from seesay.data.batches import Table

if TYPE_CHECKING:
    from seesay.model.classifier import Classifier

FEWEST = 50
"""Rows below which a temperature is noise and stays 1."""


def fit_temperature(logits: Float[np.ndarray, "n k"], label: Int[np.ndarray, " n"]) -> float:
    """The temperature in 0.05 to 20 under which `softmax(logits / temperature)` gives `label` the highest likelihood."""

    def nll(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(logsumexp(scaled, axis=1) - scaled[np.arange(len(label)), label]))

    return float(np.exp(minimize_scalar(nll, bounds=(np.log(0.05), np.log(20.0)), method="bounded").x))


def calibrate(model: "Classifier", rows: Table) -> None:
    """Sets the model's temperatures from rows that did not train it; the modalities' first, then the fusion's."""
    model.temperature.fill_(1.0)
    for place, name in enumerate(model.conditions):  # modalities come first: the fusion sees them calibrated
        logits, label = _said(model, rows, name)
        if len(label) >= FEWEST:
            model.temperature[place] = fit_temperature(logits, label)


@torch.no_grad()
def _said(model: "Classifier", rows: Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of the rows that have all the condition's modalities."""
    model.eval()
    logits, label = [np.zeros((0, len(model.log_prior)))], [np.zeros(0, np.int64)]
    for batch in rows.in_order(1024):
        present = torch.stack([batch.present[m] for m in name.split("+")]).all(0)
        logits.append(model.classify(batch.inputs, batch.present)[name][present].cpu().numpy())
        label.append(batch.label[present].cpu().numpy())
    return np.concatenate(logits), np.concatenate(label)
