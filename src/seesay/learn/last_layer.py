"""Refit a trained last linear layer on a few rows, no further from what it was than held-out rows support.

The layer's calibrated logits are `prior + evidence`; refitted, they are `prior + scale * evidence + change`,
with `change` linear in the layer's inputs. A penalty pulls scale and change to 1 and 0 (a Gaussian prior
around the old weights, as in Chelba and Acero 2004), and cross-validation chooses its strength. Not changing
anything is one of the choices, and the one taken in doubt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Integer
from scipy.optimize import minimize
from scipy.special import log_softmax
from scipy.stats import binom

PENALTIES = (np.inf, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)
"""Strengths of the penalty on the change, in nats for a squared norm of 2, strongest first. Inputs are scaled
to a mean squared norm of 1. Infinite: only the scale is fitted."""

SCALE_PENALTY = 1.0
"""Strength of the penalty on the scale."""

SCALES = (0.05, 20.0)
"""Limits of the scale, those of a temperature."""

CHANCE = 0.01
"""Probability by chance of as many right predictions, below which labels follow from contents."""

Rows = Integer[np.ndarray, " _"]
Parts = Sequence[tuple[Rows, Rows]]
"""Folds, as pairs of positions: to fit on, to hold out. Each position is held out once."""


@dataclass(frozen=True)
class Layer:
    """What a last layer takes and gives for some rows."""

    inputs: Float[np.ndarray, "n d"]
    evidence: Float[np.ndarray, "n k"]
    """Its calibrated logits minus the prior."""
    label: Rows
    """Class of each row; anything where the row is not in `fitted`."""
    prior: Float[np.ndarray, " k"]
    fitted: Rows
    """Positions of the rows that it may be fitted to and is judged by."""

    @cached_property
    def truth(self) -> Float[np.ndarray, "n k"]:
        """The labels as probabilities, smoothed by 1 / (n + 2) for n rows fitted (Platt 1999)."""
        smoothing, classes = 1 / (len(self.fitted) + 2), len(self.prior)
        return (1 - smoothing) * np.eye(classes)[self.label.clip(0)] + smoothing / classes

    def logits(self, change: "Change", rows: Rows) -> Float[np.ndarray, "n k"]:
        """The logits of these rows with a change."""
        return (
            self.prior
            + change.scale * self.evidence[rows]
            + self.inputs[rows] @ change.weight.T
            + change.bias
        )


@dataclass(frozen=True)
class Change:
    """A change of a last layer, on the scale of calibrated logits."""

    scale: float
    """Factor on the evidence."""
    weight: Float[np.ndarray, "k d"]
    bias: Float[np.ndarray, " k"]


@dataclass(frozen=True)
class Refit:
    """The result of `refit`."""

    change: Change | None
    """Fitted to all rows; None: nothing is changed."""
    logits: Float[np.ndarray, "n k"]
    """Of each row, with changes fitted without the row's fold."""
    reason: str = ""
    """Why nothing is changed, for people."""


NO_BETTER = "no change helps on held-out rows"
UNPREDICTABLE = "the labels do not follow from the contents"


def refit(layer: Layer, parts: Parts) -> Refit:
    """The smallest change whose cross-validated likelihood is within a standard error of the highest (Breiman
    et al. 1984, section 3.4.3).

    Labels are smoothed as in calibration (model/temperature.py): that n rows are right does not make a model
    certain of the next. Nothing is changed unless held-out rows are likelier by more than a standard error,
    and the result is better than chance: where labels do not follow from contents, as when they were
    shuffled, the best change is to predict nothing, which nobody wants.
    """
    everything = np.arange(len(layer.label))
    before = layer.logits(unchanged(layer), everything)
    rows = layer.fitted
    if len(rows) < 2 or any(not len(np.intersect1d(train, rows)) for train, _ in parts):
        return Refit(None, before, NO_BETTER)
    tried = _cross_validated(layer, parts)
    highest = _likelihood(max(tried, key=lambda logits: _likelihood(logits, layer).mean()), layer)
    number = next(i for i, t in enumerate(tried) if not higher(highest, _likelihood(t, layer), errors=1))
    best, after = tried[number], _likelihood(tried[number], layer)
    if not _predictable(best, layer):
        return Refit(None, before, UNPREDICTABLE)
    worse = _likelihood_of_labels(best, layer) < _likelihood_of_labels(before, layer)
    if worse or not higher(after, _likelihood(before, layer), errors=1):
        return Refit(None, before, NO_BETTER)
    change = unchanged(layer)
    for penalty in PENALTIES[: number + 1]:
        change = fit_change(layer, rows, penalty, change)
    return Refit(change, best)


def unchanged(layer: Layer) -> Change:
    """The change that changes nothing."""
    return Change(1.0, np.zeros((layer.evidence.shape[1], layer.inputs.shape[1])), np.zeros(len(layer.prior)))


def fit_change(layer: Layer, rows: Rows, penalty: float, start: Change) -> Change:
    """The change with the highest penalised likelihood of these rows. The problem is convex; `start` only
    saves time."""
    inputs, evidence = layer.inputs[rows], layer.evidence[rows]
    size = max(float(np.sqrt((layer.inputs[layer.fitted] ** 2).sum(1).mean())), 1e-12)
    inputs = np.hstack([inputs / size, np.ones((len(rows), 1))])
    truth = layer.truth[rows]
    shape = (evidence.shape[1], inputs.shape[1])
    free = np.isfinite(penalty)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scale, weight = values[0], values[1:].reshape(shape) if free else np.zeros(shape)
        log_p = log_softmax(layer.prior + scale * evidence + inputs @ weight.T, axis=1)
        error = np.exp(log_p) - truth
        total = -(truth * log_p).sum() + SCALE_PENALTY / 2 * (scale - 1) ** 2
        slope = [(error * evidence).sum() + SCALE_PENALTY * (scale - 1)]
        if not free:
            return float(total), np.array(slope)
        gradient = error.T @ inputs + penalty * weight
        return float(total + penalty / 2 * (weight**2).sum()), np.concatenate([slope, gradient.ravel()])

    begin = np.hstack([start.weight * size, start.bias[:, None]])
    first = np.concatenate([[start.scale], begin.ravel() if free else []])
    bounds = [SCALES, *[(None, None)] * (len(first) - 1)]
    found = minimize(loss, first, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 200}).x
    weight = found[1:].reshape(shape) if free else np.zeros(shape)
    return Change(float(found[0]), weight[:, :-1] / size, weight[:, -1])


def _cross_validated(layer: Layer, parts: Parts) -> list[np.ndarray]:
    """The held-out logits of all rows for each of `PENALTIES`."""
    tried = [np.empty_like(layer.evidence) for _ in PENALTIES]
    for train, held_out in parts:
        change, rows = unchanged(layer), np.intersect1d(train, layer.fitted)
        for penalty, logits in zip(PENALTIES, tried, strict=True):
            change = fit_change(layer, rows, penalty, change)
            logits[held_out] = layer.logits(change, held_out)
    return tried


def _predictable(logits: np.ndarray, layer: Layer) -> bool:
    """Whether held-out predictions are better than the class fractions: right too often for chance, or
    likelier by three standard errors."""
    rows, label = layer.fitted, layer.label[layer.fitted]
    counts = np.bincount(label, minlength=len(layer.prior))
    right = int((logits[rows].argmax(1) == label).sum())
    if binom.sf(right - 1, len(rows), counts.max() / len(rows)) < CHANCE:
        return True
    fractions = np.broadcast_to(np.log((counts + 1) / (counts + 1).sum()), logits.shape)
    return higher(_likelihood(logits, layer), _likelihood(fractions, layer), errors=3)


def _likelihood(logits: np.ndarray, layer: Layer) -> Float[np.ndarray, " n"]:
    """Log-likelihood of the smoothed labels of the fitted rows."""
    return (layer.truth[layer.fitted] * log_softmax(logits[layer.fitted], axis=1)).sum(1)


def _likelihood_of_labels(logits: np.ndarray, layer: Layer) -> float:
    """Mean log-likelihood of the labels themselves."""
    rows = layer.fitted
    return float(log_softmax(logits[rows], axis=1)[np.arange(len(rows)), layer.label[rows]].mean())


def higher(these: np.ndarray, those: np.ndarray, errors: float) -> bool:
    """Whether these are higher than those, on average and by more than so many standard errors."""
    gain = these - those
    return bool(gain.mean() > max(errors * gain.std(ddof=1) / len(gain) ** 0.5, 1e-9))
