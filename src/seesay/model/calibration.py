"""Temperatures: logits divided by one number a condition, so that a probability of 0.9 is right nine times in
ten.

Guo et al. 2017. The sum of log-posteriors is the optimum only if they are calibrated, so each modality's own
temperature is found first and the fusion's after it.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Integer
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from seesay.data.batches import Table

if TYPE_CHECKING:
    from seesay.model.classifier import Classifier

FEWEST = 50
"""Rows below which a temperature is noise and stays 1."""


TEMPERATURES = (0.05, 20.0)
"""Where the temperature is looked for. Logits without an error among the rows want 0: they get the lower end,
and so stay finite."""


def fit_temperature(
    logits: Float[np.ndarray, "n k"], label: Integer[np.ndarray, "n"], doubt: float = 0.0
) -> float:
    """The T for which softmax(logits / T) has the smallest negative log-likelihood; above 1: too sure before.

    `doubt` is the share of each row that is taken to be of any class. Log-probabilities will do as logits;
    all must be finite. In 1/T the loss is convex, so what a bounded search finds is the optimum.
    """
    logits = logits.astype(np.float64)
    logits -= logits[np.arange(len(label)), label][:, None]  # the label's is 0: a row's loss is its logsumexp

    def loss(log_temperature: float) -> float:
        scaled = logits * np.exp(-log_temperature)
        return float((logsumexp(scaled, axis=1) - doubt * scaled.mean(axis=1)).mean())

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(min((low, found.x, high), key=loss)))


def calibrate(model: "Classifier", rows: Table) -> None:
    """Sets the model's temperatures from rows that did not train it; the modalities' first, then the
    fusion's.

    Rows without an error do not show that there are none: of n, one in n + 2 is doubted (Platt 1999, section
    2.2). Without that, few rows that are all right would make the model certain of everything.
    """
    model.temperature.fill_(1.0)
    for place, name in enumerate(model.conditions):  # modalities come first: the fusion sees them calibrated
        logits, label = _said(model, rows, name)
        if len(label) >= FEWEST:
            model.temperature[place] = fit_temperature(logits, label, doubt=1 / (len(label) + 2))


@torch.no_grad()
def _said(model: "Classifier", rows: Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of the rows that have all the condition's modalities; the same content counts
    once."""
    model.eval()
    logits, label = [np.zeros((0, len(model.log_prior)))], [np.zeros(0, np.int64)]
    modalities = name.split("+")
    pointers = torch.stack([rows.pointers[m] for m in modalities], 1).cpu().numpy()
    _, first = np.unique(pointers, axis=0, return_index=True)
    first = first[(pointers[first] >= 0).all(1)]
    for places in torch.from_numpy(first).to(rows.device).split(1024):
        batch = rows.take(places)
        logits.append(model.classify(batch.inputs, batch.present)[name].cpu().numpy())
        label.append(batch.label.cpu().numpy())
    return np.concatenate(logits), np.concatenate(label)
