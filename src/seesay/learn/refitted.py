"""A trained classifier's last layers and calibration, refitted to rows whose encodings are known.

Each modality's head comes first, with its temperature and `known`; then the fusion of the refitted opinions.
What held-out rows do not support stays as it was.
"""

import copy

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import log_softmax
from torch import Tensor, nn

from seesay.data.batches import table
from seesay.data.dataset import MISSING, Dataset, subset_with_contents
from seesay.learn.frozen_encoders import encodings_of
from seesay.learn.last_layer import Change, Layer, Parts, higher, refit
from seesay.model.classifier import Classifier
from seesay.model.features import features_of
from seesay.model.fusion import FusionDropout
from seesay.model.known import calibrate_known, negative_energy
from seesay.model.temperature import Evidence, at_least_as_good, distinct, fit_weights, nll


class Outputs:
    """A model's encodings of rows of a data set, what its last layers take, and its evidence."""

    @torch.no_grad()
    def __init__(self, model: Classifier, data: Dataset, rows: np.ndarray) -> None:
        """`data` has only modalities of the model."""
        part = subset_with_contents(data, rows)
        contents = encodings_of(model, features_of(model, part))
        (batch,) = table(part, np.arange(len(part)), contents).in_order(len(part))
        blank = torch.zeros_like(next(iter(batch.inputs.values())))
        absent = torch.zeros(len(part), dtype=torch.bool)
        present = {m: batch.present.get(m, absent) for m in model.modalities}
        encodings = {
            m: torch.where(present[m][:, None], batch.inputs.get(m, blank), 0) for m in model.modalities
        }
        self.model = model
        layers = [_last(model.heads[m]) for m in model.modalities] + [_fusion_layer(model)]
        caught: dict[nn.Module, Tensor] = {}
        hooks = [
            layer.register_forward_pre_hook(lambda layer, given: caught.update({layer: given[0]}))
            for layer in layers
            if layer is not None
        ]
        alone, fused = model.evidence(encodings, present)
        for hook in hooks:
            hook.remove()
        nothing = torch.zeros(len(part), 0)
        self.inputs = [
            (nothing if layer is None else caught.get(layer, nothing)).double().numpy() for layer in layers
        ]
        scores = model.known_scores(encodings)
        missing = np.full(len(rows), MISSING)
        pointers = [data.pointers(m)[rows] if m in data.modalities else missing for m in model.modalities]
        self.evidence = Evidence(
            np.asarray(rows, np.int64),
            np.asarray(data.label[rows], np.int64),
            np.stack(pointers, 1).astype(np.int64),
            torch.stack([alone[m] for m in model.modalities], 1).numpy(),
            fused.numpy(),
            torch.stack([scores[m] for m in model.modalities], 1).numpy(),
        )


def refitted(outputs: Outputs, parts: Parts) -> tuple[Classifier, Evidence, list[str]]:
    """Three values: a refitted copy of the model, its outputs on the rows with changes fitted without each
    row's fold, and a sentence for each thing that was left as it was."""
    old, model, remarks = outputs.evidence, copy.deepcopy(outputs.model), []
    prior = model.log_prior.double().numpy()
    opinions, known, fused = (getattr(old, name).copy() for name in ("opinions", "known", "fused"))
    changed = []
    for i, modality in enumerate(model.modalities):
        rows = distinct(old, old.present[:, i] & (old.label >= 0), [i])
        if not len(rows):
            continue
        temperature = float(model.temperature[i])
        evidence = old.opinions[:, i].astype(np.float64) / temperature
        done = refit(Layer(outputs.inputs[i], evidence, old.label, prior, rows), parts)
        if done.change is None:
            remarks.append(f"{modality} was not changed: {done.reason}.")
            continue
        changed.append(i)
        temperature = _change(_last(model.heads[modality]), done.change, temperature)
        model.temperature[i] = temperature
        opinions[:, i] = np.where(old.present[:, [i]], temperature * (done.logits - prior), 0)
        logits = model.learned[i] + torch.from_numpy(opinions[:, i])
        known[:, i] = negative_energy(logits).numpy()
    new = Evidence(old.rows, old.label, old.pointers, opinions, fused, known)
    _set_known(model, new, changed)
    several = distinct(old, (old.present.sum(1) > 1) & (old.label >= 0), list(range(len(old.pointers[0]))))
    if len(several):
        remarks += _refit_fusion(model, outputs, new, several, parts, bool(changed))
    return model, new, remarks


def _last(layers: nn.Module) -> nn.Linear:
    """The last linear layer."""
    *_, last = (layer for layer in layers.modules() if isinstance(layer, nn.Linear))
    return last


def _fusion_layer(model: Classifier) -> nn.Linear | None:
    """The layer of a learned fusion that makes its logits; None if it cannot be found."""
    fusion = model.fusion.get_submodule("fusion") if isinstance(model.fusion, FusionDropout) else model.fusion
    layers = getattr(fusion, "layers", None)
    linear = (
        [m for m in layers.modules() if isinstance(m, nn.Linear)] if isinstance(layers, nn.Module) else []
    )
    return linear[-1] if linear and linear[-1].out_features == len(model.log_prior) else None


@torch.no_grad()
def _change(layer: nn.Linear, change: Change, temperature: float) -> float:
    """The new temperature, after changing the layer."""
    temperature = temperature / change.scale
    layer.weight.add_(torch.from_numpy(temperature * change.weight).to(layer.weight))
    layer.bias.add_(torch.from_numpy(temperature * change.bias).to(layer.bias))
    return temperature


def _set_known(model: Classifier, held_out: Evidence, changed: list[int]) -> None:
    """Calibrate `known` of the changed modalities; of too few contents it stays as it was."""
    before = model.known_line.clone()
    calibrate_known(model, held_out)
    for i in range(len(before)):
        if i not in changed or model.known_line[i, 0] <= 0:
            model.known_line[i] = before[i]


def _refit_fusion(
    model: Classifier, outputs: Outputs, new: Evidence, rows: np.ndarray, parts: Parts, changed: bool
) -> list[str]:
    """Refit the fusion to rows of several modalities, and see that it is at least as good as the best of
    them; writes the held-out outputs of a learned fusion into `new`. Returns remarks."""
    prior = model.log_prior.double().numpy()
    alone = new.opinions / model.temperature[:-1].double().numpy()[:, None]
    complete = rows[new.present[rows].all(1)]
    complete = complete if len(complete) else rows
    losses = [nll(prior + alone[complete, i], new.label[complete]) for i in range(len(model.modalities))]
    best = int(np.argmin(losses))
    if (weight := model.fusion_weight) is not None:
        fitted = _weights(alone, new.label, prior, rows, parts, weight.double().numpy())
        remarks = [] if fitted is not None else ["The fusion weights were not changed: no others are better."]
        if changed or fitted is not None:
            fitted = weight.double().numpy() if fitted is None else fitted
            equal = np.ones(len(complete))
            fitted = at_least_as_good(best, fitted, alone[complete], new.label[complete], equal, prior)
            weight.copy_(torch.from_numpy(fitted).to(weight))
        return remarks
    temperature = float(model.temperature[-1])
    layer = _fusion_layer(model)
    if layer is None:
        return ["The fusion was not changed: it has no last layer of a known name."]
    evidence = new.fused.astype(np.float64) / temperature
    done = refit(Layer(outputs.inputs[-1], evidence, new.label, prior, rows), parts)
    if done.change is not None:
        temperature = _change(layer, done.change, temperature)
        model.temperature[-1] = temperature
        new.fused[:] = temperature * (done.logits - prior)
    if changed or done.change is not None:
        model.stand_in.fill_(False)
        fused = prior + new.fused[complete].astype(np.float64) / temperature
        model.stand_in[best] = nll(fused, new.label[complete]) > losses[best]
    return [] if done.change is not None else [f"The fusion was not changed: {done.reason}."]


def _weights(
    alone: Float[np.ndarray, "n m k"],
    label: np.ndarray,
    prior: np.ndarray,
    rows: np.ndarray,
    parts: Parts,
    before: Float[np.ndarray, " m"],
) -> Float[np.ndarray, " m"] | None:
    """Fusion weights that are better on held-out rows; None if there are none."""

    def likelihood(weights: np.ndarray) -> np.ndarray:
        """Of the rows, with the weights of each."""
        logits = prior + np.einsum("nm,nmk->nk", weights[rows], alone[rows])
        return log_softmax(logits, axis=1)[np.arange(len(rows)), label[rows]]

    held_out = np.tile(before, (len(label), 1))
    for train, positions in parts:
        used = np.intersect1d(train, rows)
        if len(used):
            held_out[positions] = fit_weights(alone[used], label[used], prior, towards=before)
    if not higher(likelihood(held_out), likelihood(np.tile(before, (len(label), 1))), errors=1):
        return None
    return fit_weights(alone[rows], label[rows], prior, towards=before)
