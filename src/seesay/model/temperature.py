"""Calibration on rows that did not train: probabilities of 0.9 that are right nine times in ten.

Three things are set, in this order. The *prior*: heads learn that of weighted and smoothed labels, answers
are put back to that of the training rows. *Temperatures* (Guo et al. 2017): what a condition adds to the
prior is divided by one number. The fusion's *weights*, and whether it is used at all: a fused answer is
never less likely to be right, on these rows, than that of the best single modality.
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

if TYPE_CHECKING:
    from seesay.model.classifier import Classifier

FEWEST = 50
"""Rows below which a temperature is noise and stays 1."""

TEMPERATURES = (0.05, 20.0)
"""Where the temperature is looked for. Logits without an error among the rows want 0: they get the lower end,
and so stay finite."""

PULL = 4.0
"""Nats that a fusion weight of 0 or 2 costs, whatever the number of rows: few rows leave the weights near 1,
which is right where modalities are independent given the class."""

Rows = Integer[np.ndarray, "n"]


@dataclass(frozen=True)
class Evidence:
    """What a model says of rows that did not train it, before it is calibrated."""

    rows: Rows
    """Which rows of the data set."""
    label: Rows
    pointers: Integer[np.ndarray, "n m"]
    """By modality the content of each row, or -1."""
    opinions: Float[np.ndarray, "n m k"]
    """Log-probability ratios to the learned prior, by modality; 0 where it is missing."""
    fused: Float[np.ndarray, "n k"]
    """The same of the fusion."""

    @property
    def present(self) -> Bool[np.ndarray, "n m"]:
        return self.pointers >= 0

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, rows: Rows) -> "Evidence":
        """These rows of the data set, in this order; all must be there."""
        order = np.argsort(self.rows)
        places = order[np.searchsorted(self.rows, rows, sorter=order)]
        return Evidence(*(array[places] for array in vars(self).values()))

    @staticmethod
    def joined(parts: Sequence["Evidence"]) -> "Evidence":
        """The rows of all parts, one below the other."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return Evidence(*map(np.concatenate, columns))


@torch.no_grad()
def evidence_of(model: "Classifier", rows: Table) -> Evidence:
    """What an uncalibrated model says of these rows, which hold features (`features_of`)."""
    model.eval()
    opinions, fused = [], []
    for batch in rows.in_order(1024):
        alone, together = model.evidence(model.encode(batch.inputs, batch.present), batch.present)
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
    )


def calibrate(model: "Classifier", held: Evidence, log_prior: Float[np.ndarray, " k"] | None = None) -> None:
    """Sets the model's prior, temperatures, fusion weights and stand-in from rows that did not train it.

    `log_prior`: of the classes among the training rows; none: the one that the heads have learned. Each
    content and each pair of them counts once. Rows without an error do not show that there are none: of n,
    one in n + 2 is doubted (Platt 1999, section 2.2), or few rows that are all right would make the model
    certain of everything. Fewer than `FEWEST` leave a temperature at 1.
    """
    model.reset(log_prior)
    prior = model.log_prior.double().cpu().numpy()
    for place in range(len(model.modalities)):
        rows = _distinct(held, held.present[:, place], [place])
        if len(rows) >= FEWEST:
            doubt = 1 / (len(rows) + 2)
            found = fit_temperature(held.opinions[rows, place], held.label[rows], doubt, prior)
            model.temperature[place] = found
    several = _distinct(held, held.present.sum(1) > 1, list(range(len(model.modalities))))
    if len(several):
        _calibrate_fusion(model, held, several, prior)


def _calibrate_fusion(model: "Classifier", held: Evidence, rows: Rows, prior: np.ndarray) -> None:
    """The fusion's weights where it is a weighted sum, its temperature where it is learned; then a fused
    answer that is worse than that of the best single modality gives way to it."""
    label, doubt = held.label[rows], 1 / (len(rows) + 2)
    alone = held.opinions[rows] / model.temperature[:-1].double().cpu().numpy()[:, None]
    whole = held.present[rows].all(1)
    whole = whole if whole.any() else np.ones(len(rows), bool)
    losses = [nll(prior + alone[whole, place], label[whole]) for place in range(len(model.modalities))]
    best = int(np.argmin(losses))
    if (weight := model.fusion_weight) is not None:
        found = fit_weights(alone, label, prior, doubt)
        found = _drawn_to(best, found, alone[whole], label[whole], prior)
        weight.copy_(torch.from_numpy(found).to(weight))
        return
    fused = held.fused[rows].astype(np.float64)
    temperature = fit_temperature(fused, label, doubt, prior) if len(rows) >= FEWEST else 1.0
    model.temperature[-1] = temperature
    model.stand_in[best] = nll(prior + fused[whole] / temperature, label[whole]) > losses[best]


def fit_temperature(
    logits: Float[np.ndarray, "n k"], label: Rows, doubt: float = 0.0, prior: np.ndarray | float = 0.0
) -> float:
    """The T for which softmax(prior + logits / T) has the smallest negative log-likelihood; above 1: too sure
    before.

    `doubt` is the fraction of each row that is taken to be of any class, `prior` what is not divided: (k,).
    All must be finite. In 1/T the loss is convex, so what a bounded search finds is the optimum.
    """
    logits = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        said = log_softmax(prior + logits * np.exp(-log_temperature), axis=1)
        return float(-((1 - doubt) * said[np.arange(len(label)), label] + doubt * said.mean(axis=1)).mean())

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(min((low, found.x, high), key=loss)))


def fit_weights(
    evidence: Float[np.ndarray, "n m k"], label: Rows, prior: Float[np.ndarray, " k"], doubt: float = 0.0
) -> Float[np.ndarray, " m"]:
    """The weights w >= 0 for which softmax(prior + sum of w times evidence) has the smallest negative
    log-likelihood, drawn to 1 by `PULL`. `doubt` as in `fit_temperature`. The loss is convex."""
    rows, classes = np.arange(len(label)), evidence.shape[2]
    target = np.full((len(label), classes), doubt / classes)
    target[rows, label] += 1 - doubt

    def loss(weight: np.ndarray) -> tuple[float, np.ndarray]:
        said = log_softmax(prior + np.einsum("m,nmk->nk", weight, evidence), axis=1)
        slope = np.einsum("nk,nmk->m", np.exp(said) - target, evidence)
        pull = PULL * ((weight - 1) ** 2).sum()
        return float(-(target * said).sum() + pull), slope + 2 * PULL * (weight - 1)

    start = np.ones(evidence.shape[1])
    return minimize(loss, start, jac=True, bounds=[(0, None)] * len(start), method="L-BFGS-B").x


def _drawn_to(
    best: int, weight: np.ndarray, evidence: np.ndarray, label: np.ndarray, prior: np.ndarray
) -> Float[np.ndarray, " m"]:
    """The weights, moved towards those of the best single modality alone only as far as it takes for the
    sum to be as likely as that."""
    alone = np.eye(len(weight))[best]

    def excess(part: float) -> float:
        moved = (1 - part) * weight + part * alone
        return nll(prior + np.einsum("m,nmk->nk", moved, evidence), label) - limit

    limit = 0.0
    limit = excess(1.0)
    if excess(0.0) <= 0:
        return weight
    lowest = minimize_scalar(excess, bounds=(0, 1), method="bounded").x
    part = float(brentq(excess, 0, lowest)) if excess(lowest) < 0 else 1.0
    return (1 - part) * weight + part * alone


def nll(logits: Float[np.ndarray, "n k"], label: Rows) -> float:
    """Mean negative log-likelihood of the labels, in nats."""
    return float((logsumexp(logits, axis=1) - logits[np.arange(len(label)), label]).mean())


def probabilities(model: "Classifier", held: Evidence) -> dict[Condition, Float[np.ndarray, "n k"]]:
    """By condition what the calibrated model says of these rows; NaN in rows that the condition has not."""
    prior, temperature = (t.double().cpu().numpy() for t in (model.log_prior, model.temperature))
    alone = held.opinions / temperature[:-1, None]
    said: dict[Condition, tuple[np.ndarray, np.ndarray]] = {
        Condition(m): (prior + alone[:, i], held.present[:, i]) for i, m in enumerate(model.modalities)
    }
    if len(model.modalities) > 1:
        fused = prior + held.fused / temperature[-1]
        if (weight := model.fusion_weight) is not None:
            fused = prior + np.einsum("m,nmk->nk", weight.double().cpu().numpy(), alone)
        if model.stand_in.any():
            place = int(model.stand_in.int().argmax())
            fused = np.where(held.present[:, [place]], prior + alone[:, place], fused)
        said[Condition.of(model.modalities)] = fused, np.asarray(held.present.sum(1) > 1)
    return {
        name: np.where(there[:, None], np.exp(log_softmax(logits, axis=1)), np.nan)
        for name, (logits, there) in said.items()
        if there.any()
    }


def _distinct(held: Evidence, those: np.ndarray, places: list[int]) -> Rows:
    """Of `those` rows the first of each content, or of each set of contents, of the modalities at
    `places`."""
    rows = np.flatnonzero(those)
    return rows[np.sort(np.unique(held.pointers[rows][:, places], axis=0, return_index=True)[1])]


def remarks(
    model: "Classifier", said: Mapping[Condition, np.ndarray], label: Rows, classes: Sequence[str]
) -> list[str]:
    """What a user should know of the calibrated model, a sentence each: a modality that has learned
    nothing, a fusion that another answer stands in for."""
    found = []
    prior = model.log_prior.double().cpu().numpy()
    usual = classes[int(prior.argmax())]
    for modality in (Condition(m) for m in model.modalities if m in said):
        there = np.flatnonzero(~np.isnan(said[modality][:, 0]))
        gain = np.log(said[modality][there, label[there]]) - prior[label[there]]
        if gain.mean() <= 2 * gain.std() / len(gain) ** 0.5:
            found.append(f"{modality} is no better than always answering {usual!r}.")
    if (place := deciding(model)) is not None:
        alone, together = model.modalities[place], Condition.of(model.modalities)
        found.append(f"{together}: the answer is that of {alone} alone, the fusion is no better.")
    return found


def deciding(model: "Classifier") -> int | None:
    """The place of the modality whose answer is that of all together; None: the fusion's is."""
    if model.stand_in.any():
        return int(model.stand_in.int().argmax())
    weight = model.fusion_weight
    if weight is None or len(weight) < 2 or int((weight > 0).sum()) != 1:
        return None
    return int(weight.argmax())
