"""How much an input is like what the model was trained on: `known`, from 0 (none of its classes) to 1.

Each modality gives its content a score, the negative energy of its logits (Liu et al. 2020). If the training
rows hold negatives (`_none_`), training keeps theirs low: their prediction is pulled to the prior (outlier
exposure, Hendrycks et al. 2019). Held-out rows turn the score into a number that means something:

- *with negatives*: the probability that the content belongs to a class, if half of what comes does (Platt
  1999). It is as good as the negatives are like what will come.
- *without*: 0.5 where one in twenty held-out contents looks less known, 0.95 at their median.

Either way, 0.5 is the natural limit below which to answer "none of these". A row is as known as the least
known of its contents.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from torch import Tensor

from seesay.data.dataset import NONE

if TYPE_CHECKING:
    from seesay.model.classifier import Classifier
    from seesay.model.temperature import Evidence

FEWEST_KNOWN = 20
"""Held-out contents of classes below which there is no `known`: a twentieth of them is less than one."""

FEWEST_NEGATIVES = 10
"""Held-out negatives below which they do not calibrate."""

REFUSED = 0.05
"""Without negatives: the fraction of held-out contents for which `known` is below 0.5."""

Scores = Float[np.ndarray, " n"]


def negative_energy(logits: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
    """The logarithm of the summed exponentials of the logits minus their mean, so that it does not change if
    the same is added to all. The logarithm of k where all are the same; more where something speaks for a
    class."""
    return (logits - logits.mean(1, keepdim=True)).logsumexp(1)


def calibrate_known(model: "Classifier", held_out: "Evidence") -> None:
    """Set how scores of each modality become `known`, from rows that did not train the model. Each content
    counts once; of too few contents (`FEWEST_KNOWN`), there is no `known`."""
    model.known_line.zero_()
    for i in range(len(model.modalities)):
        rows = np.flatnonzero(held_out.pointers[:, i] >= 0)
        rows = rows[np.unique(held_out.pointers[rows, i], return_index=True)[1]]
        score, negative = held_out.known[rows, i].astype(np.float64), held_out.label[rows] == NONE
        if (~negative).sum() < FEWEST_KNOWN or not np.isfinite(score).all():
            continue
        enough = negative.sum() >= FEWEST_NEGATIVES
        line = fit_line(score, negative) if enough else line_through(score[~negative])
        model.known_line[i] = torch.tensor(line)


def line_through(score: Scores) -> tuple[float, float]:
    """Slope and offset for which `known` is 0.5 at the quantile REFUSED of these scores, and 1 - REFUSED at
    their median; zeros if the two are the same."""
    low, middle = np.quantile(score, [REFUSED, 0.5])
    if middle <= low:
        return 0.0, 0.0
    slope = np.log(1 / REFUSED - 1) / (middle - low)
    return float(slope), float(-slope * low)


def fit_line(score: Scores, negative: Bool[np.ndarray, " n"]) -> tuple[float, float]:
    """Slope and offset of a logistic regression that tells classes from negatives, both weighing the same.

    Targets are smoothed as by Platt (1999, section 2.2), so that a perfect separation is not taken for
    certainty. The slope is never negative.
    """
    centre, spread = score.mean(), max(score.std(), 1e-6)
    scaled, counts = (score - centre) / spread, np.array([(~negative).sum(), negative.sum()])
    target = np.where(negative, 1 / (counts[1] + 2), (counts[0] + 1) / (counts[0] + 2))
    weight = 0.5 / counts[negative.astype(int)]

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        logit = line[0] * scaled + line[1]
        error = weight * (expit(logit) - target)
        value = -(weight * (target * log_expit(logit) + (1 - target) * log_expit(-logit))).sum()
        return float(value), np.array([(error * scaled).sum(), error.sum()])

    slope, offset = minimize(loss, [1.0, 0.0], jac=True, bounds=[(0, None), (None, None)]).x
    return float(slope / spread), float(offset - slope * centre / spread)
