"""The training loop, as a generator of epochs: `for epoch in fit(model, data, splits, config): ...`

Pruning, logging and saving are left to the caller.

All randomness of an epoch is drawn from (seed, epoch), so a run
resumed at the end of an epoch reaches exactly the same weights as an uninterrupted one.
"""

import copy
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from seesay.condition import Condition
from seesay.config import AugmentConfig, Config
from seesay.data.batches import Batch, Table, table
from seesay.data.dataset import NONE, Dataset
from seesay.data.splits import Splits
from seesay.errors import ConfigError, InputError
from seesay.learn.defaults import class_weights, facts_of, learned_prior, repeats, settled
from seesay.learn.frozen_encoders import encodings_of, frozen, with_encoders, without_encoders
from seesay.learn.hardware import channels_last, uses_bfloat16
from seesay.learn.seeds import seed_of
from seesay.learn.waveform_views import resample_views
from seesay.metrics.scores import METRICS
from seesay.model.classifier import Classifier, build
from seesay.model.encoders import Pretrained
from seesay.model.features import RawFeatures, features_of, fit_normalisers
from seesay.model.temperature import Evidence, calibrate, evidence_of, probabilities, remarks
from seesay.signal.registered import augmentation
from seesay.spec import Spec

EXPOSURE = 0.5
"""Weight of the loss of negatives, as for pictures in Hendrycks et al. (2019)."""

Watch = Callable[[Iterable[Batch]], Iterable[Batch]]
"""A wrapper around an epoch's batches: a progress bar, or something that stops early."""


@dataclass(frozen=True)
class Epoch:
    """The result of one pass over the training rows."""

    number: int
    """From 1."""
    loss: float
    """Mean over the batches: the sum over the conditions of the cross-entropy, in nats, with EXPOSURE times
    that of negatives."""
    scores: Mapping[Condition, float]
    """Macro-F1 of the averaged weights on the validation rows; with cross-fitting, in the last epoch only."""
    remarks: tuple[str, ...]
    """Warnings for the user from the validation results, one sentence each."""
    seconds: float
    whole: bool
    """False: the epoch was stopped before its last batch."""
    last: bool
    """Whether training ends with it."""
    model: Classifier | None
    """The averaged weights, calibrated; None if `optim.keep` is best and an earlier epoch scored higher."""
    training: "Training"
    """The training state."""

    @property
    def score(self) -> float:
        """The mean score over the conditions, by which the best epoch is chosen. NaN without validation
        rows."""
        return float(np.mean(list(self.scores.values()))) if self.scores else float("nan")


@dataclass
class Patience:
    """Early stopping: when training no longer improves, the learning rate decays linearly to 0 over a quarter
    of the steps so far, and training ends."""

    score: float = -1.0
    """Best score so far."""
    loss: float = float("inf")
    """Lowest loss so far."""
    since: float = 0
    """Epochs since either improved."""
    start: float = 0
    """Step at which the decay started; 0: not yet."""

    def update(self, score: float, loss: float, epochs: int, done: int) -> None:
        """Record an epoch. The decay starts after `epochs` without improvement (0: never), at step `done`."""
        better = score > self.score or loss < self.loss
        self.score, self.loss = max(score, self.score), min(loss, self.loss)
        self.since = 0 if better else self.since + 1
        if epochs and self.since >= epochs and not self.start:
            self.start = done

    def factor(self, done: int) -> float:
        """The factor on the learning rate at step `done`; 0: training is over."""
        return max(0.0, 1 - 4 * (done - self.start) / self.start) if self.start else 1.0


class Training:
    """The training state: the weights, their EMA, the optimiser, the number of epochs done."""

    def __init__(
        self,
        model: Classifier,
        config: Config,
        steps: int,
        weights: Tensor | None = None,
        whole: Classifier | None = None,
        negatives: bool = False,
    ) -> None:
        """`weights`: (k,) class weights in the loss; None: no weighting. `whole`: the complete classifier if
        `model` is trained on the encodings of its frozen encoders. `negatives`: whether some rows belong to
        no class."""
        self.model, self.weights = channels_last(model), weights
        self.average = copy.deepcopy(self.model)
        self.optimizer = _optimizer(self.model, config)
        self.steps, self.epochs, self.done, self.best = steps, 0, 0, -1.0
        self.patience = Patience()
        self.config, self.whole, self.negatives = config, whole, negatives
        self.bfloat16 = uses_bfloat16(config.optim.precision, model.log_prior.device)

    def step(self, batch: Batch) -> float | None:
        """Take one optimiser step on this batch of features and return the loss; None, and no step, if its
        rows have nothing."""
        rate = SCHEDULES[self.config.optim.schedule](self.done / self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.optim.lr * rate * self.patience.factor(self.done) * group["scale"]
        self.model.train()
        with torch.autocast(batch.label.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits = self.model.classify(batch.inputs, batch.present)
        loss = loss_of(logits, batch, self.config.optim.label_smoothing, self.weights)
        if self.negatives:
            loss = loss + EXPOSURE * exposure_loss(logits, batch, self.model.learned[0])
        if not loss.requires_grad:
            self.done += 1
            return None
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.done += 1
        self._update_average()
        return float(loss.detach())

    def averaged(self) -> Classifier:
        """A copy of the whole model with the averaged weights, not calibrated."""
        return copy.deepcopy(self.average) if self.whole is None else with_encoders(self.whole, self.average)

    @torch.no_grad()
    def _update_average(self) -> None:
        """Update the EMA. Its averaging length grows with the number of steps, up to `optim.average`."""
        steps = max(1.0, min(self.config.optim.average * self.steps, self.done / 9 + 1))
        decay = 1 - 1 / steps
        average, weights = (
            [t for t in _tensors(m) if t.is_floating_point()] for m in (self.average, self.model)
        )
        get_ema_multi_avg_fn(decay)(average, weights, self.done)

    def state(self) -> dict[str, Tensor]:
        """The state as named tensors; `restore` loads it."""
        numbers = torch.tensor(
            [self.epochs, self.done, self.best, *astuple(self.patience)], dtype=torch.float64
        )
        tensors = {"numbers": numbers}
        for kind, module in (("model", self.model), ("average", self.average)):
            tensors |= {f"{kind}.{name}": tensor for name, tensor in module.state_dict().items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in moments(self.optimizer).items()}
        return {name: tensor.contiguous() for name, tensor in tensors.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `state` returned."""
        epochs, done, self.best, *patience = tensors["numbers"].tolist()
        self.epochs, self.done, self.patience = int(epochs), int(done), Patience(*patience)
        for kind, module in (("model", self.model), ("average", self.average)):
            module.load_state_dict(
                {n.removeprefix(f"{kind}."): t for n, t in tensors.items() if n.startswith(f"{kind}.")}
            )
        prefix = "optimizer."
        restore_moments(
            self.optimizer, {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        )


def fresh(
    config: Config, data: Dataset, rows: np.ndarray, device: str = "cpu", raw: RawFeatures | None = None
) -> Classifier:
    """An untrained model for these training rows, its prior and normalisers fitted to them. `raw`: see
    `features_of`."""
    counts = data.class_counts(rows)
    model = build(config.model, data.spec, learned_prior(config.optim, counts), config.seed).to(device)
    fit_normalisers(model, data, rows, RawFeatures(data) if raw is None else raw)
    return model


def check_rows(splits: Splits) -> None:
    """Raise InputError if there are no training rows."""
    if not len(splits.train):
        raise InputError(
            "there are no rows to train on", "Check seesay data info: is every row in test, or unlabelled?"
        )


def fit(
    model: Classifier,
    data: Dataset,
    splits: Splits,
    config: Config,
    resume: Mapping[str, Tensor] | None = None,
    watch: Watch = iter,
    held_out: Evidence | None = None,
    raw: RawFeatures | None = None,
) -> Iterator[Epoch]:
    """Train `model` in place, yielding after every epoch. `resume`: a `Training.state()` to resume from.
    Encoders that the config freezes are not trained.

    `held_out`: cross-fitted outputs (cross_fit.py) to calibrate on if there are no validation rows. `raw`:
    see `features_of`. Unset config fields are derived from the rows. Raises InputError without training rows.
    """
    check_rows(splits)
    facts = facts_of(data, splits.train, splits.valid)
    config = settled(config, facts)
    assert config.optim.batch
    assert config.optim.epochs
    learner, whole = (without_encoders(model), model) if frozen(config) else (model, None)
    counts = np.array(facts.counts)
    weights = _weights(config, counts, model.log_prior.device)
    log_prior = np.log(np.clip(counts / counts.sum(), 1e-8, 1))
    batches = max(1, len(splits.train) // config.optim.batch)
    steps = batches * config.optim.epochs
    training = Training(learner, config, steps, weights, whole, negatives=facts.negatives > 0)
    if resume is not None:
        training.restore(resume)  # before features are made, since it restores the normalisers too
    raw = RawFeatures(data) if raw is None else raw
    features = features_of(model, data, raw)
    features = encodings_of(model, features) if frozen(config) else features
    rows, valid = table(data, splits.train, features), table(data, splits.valid, features)
    while training.epochs < config.optim.epochs and training.patience.factor(training.done):
        start, number = time.perf_counter(), training.epochs + 1
        with torch.random.fork_rng():  # dropout draws from torch's global generator
            torch.manual_seed(seed_of(config.seed, number))
            augmented_batches = epoch_batches(rows, data, raw, config, number, model)
            steps = [training.step(batch) for batch in watch(augmented_batches)]
        losses = [loss for loss in steps if loss is not None]
        if not np.isfinite(losses).all():
            raise ConfigError(
                f"the loss is not finite in epoch {number}",
                "Lower --optim.lr; check registered front ends, encoders and fusions for NaN.",
            )
        if not steps:  # stopped before the first batch
            return
        complete = len(steps) == batches
        training.epochs += complete
        average = copy.deepcopy(training.average)
        evidence = evidence_of(average, valid) if held_out is None else held_out
        calibrate(average, evidence, log_prior, data.weight)
        evidence = evidence.of_classes()
        predicted = probabilities(average, evidence)
        scores, valid_loss = scores_of(predicted, evidence.label)
        mean = float(np.mean(list(scores.values()))) if scores else float(number)
        if held_out is None and scores:
            training.patience.update(mean, valid_loss, config.optim.patience or 0, training.done)
        sentences = tuple(remarks(average, predicted, evidence.label, data.spec.classes))
        keep = config.optim.keep == "last" or mean >= training.best
        training.best = max(mean, training.best)
        kept = (with_encoders(model, average) if frozen(config) else average) if keep else None
        loss, seconds = float(np.mean(losses or np.nan)), time.perf_counter() - start
        last = training.epochs == config.optim.epochs or not training.patience.factor(training.done)
        if held_out is not None and not last:
            scores = {}  # scores of other models say nothing about this one's progress
        yield Epoch(number, loss, scores, sentences, seconds, complete, last and complete, kept, training)
        if not complete:
            return


def epoch_batches(
    rows: Table, data: Dataset, raw: RawFeatures, config: Config, number: int, model: Classifier
) -> Iterator[Batch]:
    """The augmented batches of one epoch: re-paired rows if the data set allows it, waveform augmentation,
    then feature augmentation."""
    generator = Generator(rows.device).manual_seed(seed_of(config.seed, number))
    if config.augment.repair and data.pairing == "drawn within class":
        rows = rows.repair(generator)
    most = {m: n for m in model.modalities if (n := repeats(config.model.named[m]))}
    if most and not frozen(config):
        rows = rows.thinned(most, generator)
    for modality in data.spec.of_kind("waveform") if config.waveform.views and not frozen(config) else ():
        front_end = model.front_ends[modality]
        rows = resample_views(rows, data, raw, modality, front_end, config, generator)
    assert config.optim.batch
    batches = rows.shuffled(config.optim.batch, generator, config.optim.copies or 1)
    yield from batches if frozen(config) else augmented(batches, model, config.augment, data.spec, generator)


def augmented(
    batches: Iterable[Batch], model: Classifier, config: AugmentConfig, spec: Spec, generator: Generator
) -> Iterator[Batch]:
    """The batches with each modality's features augmented according to its front end and kind."""
    settings = {m: getattr(model.front_ends[m], "settings", None) for m in model.modalities}
    augment = {m: augmentation(spec[m], chosen and chosen.kind) for m, chosen in settings.items()}
    for batch in batches:
        inputs = {m: augment[m](x, config, generator) for m, x in batch.inputs.items()}
        yield replace(batch, inputs=inputs)


def _weights(config: Config, counts: np.ndarray, device: torch.device) -> Tensor | None:
    weights = class_weights(config.optim, counts)
    return None if weights is None else torch.from_numpy(weights).float().to(device)


def loss_of(
    logits: Mapping[Condition, Tensor], batch: Batch, smoothing: float, weights: Tensor | None = None
) -> Tensor:
    """The sum over conditions of the mean cross-entropy over each condition's rows, without negatives, each
    times the row's weight. `weights`: (k,) class weights."""
    total = batch.label.new_zeros((), dtype=torch.float32)
    for condition, scores in logits.items():
        present = condition.has(batch.present) & (batch.label >= 0)
        label, weight = batch.label, batch.weight
        if not present.all():
            scores, label = scores[present], label[present]
            weight = None if weight is None else weight[present]
        if not len(label):
            continue
        of_class = None if weights is None else weights[label]
        factors = [factor for factor in (of_class, weight) if factor is not None]
        if factors:
            losses = F.cross_entropy(scores, label, label_smoothing=smoothing, reduction="none")
            total = total + (losses * math.prod(factors)).mean()
        else:
            total = total + F.cross_entropy(scores, label, label_smoothing=smoothing)
    return total


def exposure_loss(logits: Mapping[Condition, Tensor], batch: Batch, log_prior: Tensor) -> Tensor:
    """Outlier exposure (Hendrycks et al. 2019): the sum over conditions of the mean cross-entropy between the
    prior, (k,) log fractions, and the prediction for the negatives in each, times the row's weight."""
    negative, prior = batch.label == NONE, log_prior.softmax(0)
    total = batch.label.new_zeros((), dtype=torch.float32)
    for condition, scores in logits.items():
        rows = negative & condition.has(batch.present)
        if rows.any():
            weight = 1.0 if batch.weight is None else batch.weight[rows]
            total = total - (weight * (scores[rows].log_softmax(1) * prior).sum(1)).mean()
    return total


def scores_of(
    probabilities: Mapping[Condition, np.ndarray], label: np.ndarray
) -> tuple[dict[Condition, float], float]:
    """Two values: macro-F1 by condition, and the negative log-likelihood averaged over the conditions. Rows
    of `probabilities`, (n, k), that do not count in a condition are NaN."""
    scores, losses = {}, []
    for condition, p in probabilities.items():
        present = ~np.isnan(p[:, 0])
        p, labels = p[present], label[present]
        scores[condition] = METRICS["macro_f1"].score(p, labels)
        losses.append(-np.log(np.clip(p[np.arange(len(labels)), labels], 1e-30, 1)).mean())
    return scores, float(np.mean(losses)) if losses else float("nan")


def validate(model: Classifier, rows: Table) -> dict[Condition, float]:
    """Macro-F1 by condition, each over its own rows, without negatives."""
    evidence = evidence_of(model, rows).of_classes()
    return scores_of(probabilities(model, evidence), evidence.label)[0]


def one_cycle(done: float, warm: float = 0.2, start: float = 0.1, end: float = 0.01) -> float:
    """The learning rate as a fraction of its peak: up along a cosine over the first `warm` of the steps, then
    down (Smith and Topin 2018)."""
    low, progress = (start, done / warm) if done < warm else (end, (1 - done) / (1 - warm))
    return low + (1 - low) * (1 - np.cos(np.pi * min(max(progress, 0.0), 1.0))) / 2


SCHEDULES: Mapping[str, Callable[[float], float]] = {"one-cycle": one_cycle, "constant": lambda done: 1.0}
"""Schedules by the names of `OptimConfig.schedule`: from the fraction of steps done to the fraction of the
peak learning rate."""


def _optimizer(model: Classifier, config: Config) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices and kernels (an encoder may have its own), none on biases,
    normalisation and pretrained weights, which learn at their own rate. `config.model.named` must have every
    modality."""
    named = config.model.named
    encoder_decay = {
        weight: decay
        for modality, encoder in model.encoders.items()
        if modality in named and (decay := named[modality].weight_decay) is not None
        for weight in encoder.parameters()
    }
    pretrained = {
        weight: named[modality].finetune
        for modality, encoder in model.encoders.items()
        for network in encoder.modules()
        if isinstance(network, Pretrained)
        for weight in network.parameters()
    }
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for weight in sorted(model.parameters(), key=lambda weight: weight.dim() <= 1):
        decays = weight.dim() > 1 and weight not in pretrained
        decay = encoder_decay.get(weight, config.optim.weight_decay) if decays else 0.0
        groups[decay, pretrained.get(weight, 1.0)].append(weight)
    return torch.optim.AdamW(
        [{"params": w, "weight_decay": decay, "scale": scale} for (decay, scale), w in groups.items()],
        lr=config.optim.lr,
        fused=True,
    )


def _tensors(module: nn.Module) -> list[Tensor]:
    """Everything that training may change."""
    return [*(weight for weight in module.parameters() if weight.requires_grad), *module.buffers()]


def moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state per weight, by the weight's number and the state's name."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": tensor for i, tensors in state.items() for name, tensor in tensors.items()}


def restore_moments(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Load what `moments` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    for name, tensor in tensors.items():
        i, moment = name.split(".")
        like = weights[int(i)] if tensor.dim() else tensor  # same memory layout as the weight
        state.setdefault(int(i), {})[moment] = torch.empty_like(like).copy_(tensor)
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
