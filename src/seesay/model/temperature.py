"""Calibration on held-out rows, so that predictions with probability 0.9 are right nine times in ten.

Four things are set, in this order. The *prior*: the heads were trained on weighted and smoothed labels, so
their prior is replaced by the class fractions of the training rows. *Temperatures* (Guo et al. 2017): one per
condition, by which its evidence is divided. The fusion's *weights*, and whether the fusion is used at all: on
these rows, its likelihood is never below that of the best single modality. Last, how scores become `known`
(known.py), the only thing that negatives have a part in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import log_softmax, logsumexp

from seesay.condition import Condition
from seesay.data.batches import Table
from seesay.model.known import calibrate_known

if TYPE_CHECKING:
    from seesay.model.classifier import Classifier

FEWEST = 50
"""Rows below which a fitted temperature would be noise, and stays 1."""

TEMPERATURES = (0.05, 20.0)
"""Search range of temperatures. If no row is wrong the optimum is 0; the lower end keeps
logits finite."""

PULL = 4.0
"""Strength of the penalty on fusion weights: nats for a weight of 0 or 2. It does not grow with the rows, so
few rows leave the weights near 1, which is right where modalities are independent given the class."""

Rows = Integer[np.ndarray, "n"]

Weights = Float[np.ndarray, "n"]


@dataclass(frozen=True)
class Evidence:
    """An uncalibrated model's outputs on rows that did not train it."""

    rows: Rows
    """Indices of the rows in the data set."""
    label: Rows
    pointers: Integer[np.ndarray, "n m"]
    """The content of each row by modality, or -1."""
    opinions: Float[np.ndarray, "n m k"]
    """Logits minus the learned prior, by modality; 0 where it is missing."""
    fused: Float[np.ndarray, "n k"]
    """Logits minus the learned prior, of the fusion."""
    known: Float[np.ndarray, "n m"]
    """The score of each content that `known` is made of (known.py); NaN in older runs."""

    @property
    def present(self) -> Bool[np.ndarray, "n m"]:
        return self.pointers >= 0

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, rows: Rows) -> "Evidence":
        """A copy with these rows of the data set, in this order; all must be present."""
        order = np.argsort(self.rows)
        positions = order[np.searchsorted(self.rows, rows, sorter=order)]
        return Evidence(*(array[positions] for array in vars(self).values()))

    def of_classes(self) -> "Evidence":
        """A copy without negatives."""
        return Evidence(*(array[self.label >= 0] for array in vars(self).values()))

    @staticmethod
    def joined(parts: Sequence["Evidence"]) -> "Evidence":
        """The concatenated rows of all parts."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return Evidence(*map(np.concatenate, columns))


@torch.no_grad()
def evidence_of(model: "Classifier", rows: Table) -> Evidence:
    """The outputs of an uncalibrated model on these rows of features (`features_of`)."""
    model.eval()
    opinions, fused, known = [], [], []
    for batch in rows.in_order(1024):
        encodings = model.encode(batch.inputs, batch.present)
        alone, together = model.evidence(encodings, batch.present)
        scores = model.known_scores(encodings)
        known.append(torch.stack([scores[m] for m in model.modalities], 1).cpu().numpy())
        opinions.append(torch.stack([alone[m] for m in model.modalities], 1).cpu().numpy())
        fused.append(together.cpu().numpy())
    classes, modalities = len(model.log_prior), len(model.modalities)
    pointers = torch.stack([rows.pointers[m] for m in model.modalities], 1)
    return Evidence(
        rows.rows.cpu().numpy(),
        rows.label.cpu().numpy(),
        pointers.cpu().numpy(),
        np.concatenate([np.zeros((0, modalities, classes), np.float32), *opinions]),
        np.concatenate([np.zeros((0, classes), np.float32), *fused]),
        np.concatenate([np.zeros((0, modalities), np.float32), *known]),
    )


def calibrate(
    model: "Classifier",
    held_out: Evidence,
    log_prior: Float[np.ndarray, " k"] | None = None,
    weight: Weights | None = None,
) -> None:
    """Set the model's prior, temperatures, fusion weights, stand-in and `known` from rows that did not train
    it.

    `log_prior`: log class fractions of the training rows; None: the heads' own prior. Each content, or
    pair of contents, counts once, times the `weight`, (rows of the data set,), of the first row that has
    it. Zero errors in n rows does not mean a zero error rate: labels are smoothed
    by 1 / (n + 2) (Platt 1999, section 2.2), or a few rows that are all right would make the model certain of
    everything. With fewer than `FEWEST` rows a temperature stays 1.
    """
    model.reset(log_prior)
    calibrate_known(model, held_out)
    held_out = held_out.of_classes()
    prior = model.log_prior.double().cpu().numpy()
    weights = np.ones(len(held_out)) if weight is None else weight[held_out.rows]
    for i in range(len(model.modalities)):
        rows = distinct(held_out, held_out.present[:, i], [i])
        if len(rows) >= FEWEST:
            model.temperature[i] = fit_temperature(
                held_out.opinions[rows, i], held_out.label[rows], 1 / (len(rows) + 2), prior, weights[rows]
            )
    several = distinct(held_out, held_out.present.sum(1) > 1, list(range(len(model.modalities))))
    if len(several):
        _calibrate_fusion(model, held_out, several, prior, weights[several])


def _calibrate_fusion(
    model: "Classifier", held_out: Evidence, rows: Rows, prior: np.ndarray, weight: Weights
) -> None:
    """Set the weights of a weighted sum, or the temperature of a learned fusion and, if its prediction is
    worse than that of the best single modality, the stand-in. `weight`: of each of these rows."""
    label, smoothing = held_out.label[rows], 1 / (len(rows) + 2)
    alone = held_out.opinions[rows] / model.temperature[:-1].double().cpu().numpy()[:, None]
    complete = held_out.present[rows].all(1)
    complete = complete if complete.any() else np.ones(len(rows), bool)
    those = label[complete], weight[complete]
    losses = [nll(prior + alone[complete, i], *those) for i in range(len(model.modalities))]
    best = int(np.argmin(losses))
    if (of_sum := model.fusion_weight) is not None:
        fitted = fit_weights(alone, label, prior, smoothing, weight)
        fitted = at_least_as_good(best, fitted, alone[complete], *those, prior)
        of_sum.copy_(torch.from_numpy(fitted).to(of_sum))
        return
    fused = held_out.fused[rows].astype(np.float64)
    enough = len(rows) >= FEWEST
    temperature = fit_temperature(fused, label, smoothing, prior, weight) if enough else 1.0
    model.temperature[-1] = temperature
    model.stand_in[best] = nll(prior + fused[complete] / temperature, *those) > losses[best]


def fit_temperature(
    logits: Float[np.ndarray, "n k"],
    label: Rows,
    smoothing: float = 0.0,
    prior: np.ndarray | float = 0.0,
    weight: Weights | None = None,
) -> float:
    """The T for which softmax(prior + logits / T) has the smallest negative log-likelihood; above 1 if the
    logits are overconfident.

    `smoothing`: fraction of each label spread over all classes; `prior`: (k,), not divided by T; `weight`:
    how much each row counts. All must be finite. The loss is convex in 1/T, so a bounded search finds the
    optimum.
    """
    logits = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        log_p = log_softmax(prior + logits * np.exp(-log_temperature), axis=1)
        of_label = log_p[np.arange(len(label)), label]
        return -float(np.average((1 - smoothing) * of_label + smoothing * log_p.mean(axis=1), weights=weight))

    low, high = np.log(TEMPERATURES)
    optimum = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-5}).x
    return float(np.exp(min((low, optimum, high), key=loss)))


def fit_weights(
    evidence: Float[np.ndarray, "n m k"],
    label: Rows,
    prior: Float[np.ndarray, " k"],
    smoothing: float = 0.0,
    weight: Weights | None = None,
    towards: Float[np.ndarray, " m"] | float = 1.0,
) -> Float[np.ndarray, " m"]:
    """The weights w >= 0 of the modalities for which softmax(prior + sum of w times evidence) has the
    smallest negative log-likelihood, with a penalty (`PULL`) towards 1 or other weights. `smoothing` and
    `weight`, of the rows, as in `fit_temperature`. The loss is convex."""
    rows, classes = np.arange(len(label)), evidence.shape[2]
    target = np.full((len(label), classes), smoothing / classes)
    target[rows, label] += 1 - smoothing
    of_row = np.ones((len(label), 1)) if weight is None else weight[:, None]

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        log_p = log_softmax(prior + np.einsum("m,nmk->nk", w, evidence), axis=1)
        gradient = np.einsum("nk,nmk->m", of_row * (np.exp(log_p) - target), evidence)
        penalty = PULL * ((w - towards) ** 2).sum()
        return float(-(of_row * target * log_p).sum() + penalty), gradient + 2 * PULL * (w - towards)

    start = np.ones(evidence.shape[1]) * towards
    return minimize(loss, start, jac=True, bounds=[(0, None)] * len(start), method="L-BFGS-B").x


def at_least_as_good(
    best: int, fitted: np.ndarray, evidence: np.ndarray, label: Rows, weight: Weights, prior: np.ndarray
) -> Float[np.ndarray, " m"]:
    """The fitted weights of the modalities, moved towards the best single one just far enough for the sum to
    be as likely as that modality alone. `weight`: of the rows."""
    alone = np.eye(len(fitted))[best]
    limit = nll(prior + np.einsum("m,nmk->nk", alone, evidence), label, weight)

    def excess(fraction: float) -> float:
        moved = (1 - fraction) * fitted + fraction * alone
        return nll(prior + np.einsum("m,nmk->nk", moved, evidence), label, weight) - limit

    if excess(0.0) <= 0:
        return fitted
    lowest = minimize_scalar(excess, bounds=(0, 1), method="bounded").x
    fraction = float(brentq(excess, 0, lowest)) if excess(lowest) < 0 else 1.0
    return (1 - fraction) * fitted + fraction * alone


def nll(logits: Float[np.ndarray, "n k"], label: Rows, weight: Weights | None = None) -> float:
    """Mean negative log-likelihood of the labels, in nats. `weight`: how much each row counts."""
    losses = logsumexp(logits, axis=1) - logits[np.arange(len(label)), label]
    return float(np.average(losses, weights=weight))


def probabilities(model: "Classifier", held_out: Evidence) -> dict[Condition, Float[np.ndarray, "n k"]]:
    """The calibrated model's probabilities of these rows by condition; NaN in rows outside a condition."""
    prior, temperature = (t.double().cpu().numpy() for t in (model.log_prior, model.temperature))
    alone = held_out.opinions / temperature[:-1, None]
    outputs: dict[Condition, tuple[np.ndarray, np.ndarray]] = {
        Condition(m): (prior + alone[:, i], held_out.present[:, i]) for i, m in enumerate(model.modalities)
    }
    if len(model.modalities) > 1:
        fused = prior + held_out.fused / temperature[-1]
        if (weight := model.fusion_weight) is not None:
            fused = prior + np.einsum("m,nmk->nk", weight.double().cpu().numpy(), alone)
        if model.stand_in.any():
            i = int(model.stand_in.int().argmax())
            fused = np.where(held_out.present[:, [i]], prior + alone[:, i], fused)
        outputs[Condition.of(model.modalities)] = fused, np.asarray(held_out.present.sum(1) > 1)
    return {
        condition: np.where(mask[:, None], np.exp(log_softmax(logits, axis=1)), np.nan)
        for condition, (logits, mask) in outputs.items()
        if mask.any()
    }


def distinct(held_out: Evidence, mask: np.ndarray, modalities: list[int]) -> Rows:
    """The rows in `mask`, without those whose contents of these modalities repeat an earlier row's."""
    rows = np.flatnonzero(mask)
    return rows[np.sort(np.unique(held_out.pointers[rows][:, modalities], axis=0, return_index=True)[1])]


def remarks(
    model: "Classifier", probabilities: Mapping[Condition, np.ndarray], label: Rows, classes: Sequence[str]
) -> list[str]:
    """What a user should know about the calibrated model, a sentence each: a modality that has learned
    nothing, a fusion that a single modality replaces."""
    sentences = []
    prior = model.log_prior.double().cpu().numpy()
    majority = classes[int(prior.argmax())]
    for modality in (Condition(m) for m in model.modalities if m in probabilities):
        rows = np.flatnonzero(~np.isnan(probabilities[modality][:, 0]))
        right = np.maximum(probabilities[modality][rows, label[rows]], np.finfo(np.float32).tiny)
        gain = np.log(right) - prior[label[rows]]
        if gain.mean() <= 2 * gain.std() / len(gain) ** 0.5:
            sentences.append(f"{modality} is no better than always predicting {majority!r}.")
    if (i := deciding_modality(model)) is not None:
        alone, together = model.modalities[i], Condition.of(model.modalities)
        sentences.append(f"{together}: uses {alone} alone, since the fusion is no better.")
    return sentences


def deciding_modality(model: "Classifier") -> int | None:
    """The index of the modality whose own prediction is that of all together; None if the fusion decides."""
    if model.stand_in.any():
        return int(model.stand_in.int().argmax())
    weight = model.fusion_weight
    if weight is None or len(weight) < 2 or int((weight > 0).sum()) != 1:
        return None
    return int(weight.argmax())
