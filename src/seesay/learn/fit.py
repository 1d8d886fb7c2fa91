"""The training loop, as a generator of epochs: `for epoch in fit(model, data, splits, config): ...`

Early stopping, pruning, logging and saving are the caller's. All randomness of an epoch is drawn from (seed,
epoch), so a run that goes on from the end of an epoch reaches the very same weights as one that never
stopped.
"""

import copy
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from seesay.condition import Condition
from seesay.config import AugmentConfig, Config
from seesay.data.batches import Batch, Table, table
from seesay.data.dataset import Dataset
from seesay.data.splits import Splits
from seesay.errors import InputError
from seesay.learn.defaults import class_weights, facts_of, learned_prior, settled
from seesay.learn.frozen_encoders import encodings_of, frozen, with_encoders, without_encoders
from seesay.learn.hardware import channels_last, uses_bfloat16
from seesay.learn.waveform_views import resample_views
from seesay.metrics.scores import METRICS
from seesay.model.classifier import Classifier, build
from seesay.model.features import RawFeatures, features_of, fit_normalisers
from seesay.model.temperature import Evidence, calibrate, evidence_of, probabilities, remarks
from seesay.spec import Spec, part_of

Watch = Callable[[Iterable[Batch]], Iterable[Batch]]
"""What the batches of an epoch are handed through: a progress bar, or something that stops early."""


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training rows has come to."""

    number: int
    """From 1."""
    loss: float
    """Mean over the batches: the sum over the conditions of the cross-entropy, in nats."""
    scores: Mapping[Condition, float]
    """Macro-F1 on the validation rows, of the averaged weights; where rows are cross-fitted, at the end
    alone."""
    remarks: tuple[str, ...]
    """What the validation rows show that a user should know, a sentence each."""
    seconds: float
    whole: bool
    """False: the epoch was stopped before its last batch."""
    last: bool
    """Whether training is over with it."""
    model: Classifier | None
    """The averaged weights, calibrated; None if `optim.keep` is best and their score is not."""
    training: "Training"
    """All that goes on changing."""

    @property
    def score(self) -> float:
        """The mean of the scores over the conditions: what chooses the best epoch, if one is chosen. NaN
        without validation rows."""
        return float(np.mean(list(self.scores.values()))) if self.scores else float("nan")


@dataclass
class Patience:
    """When training no longer improves: then the learning rate goes down in a straight line, over a quarter
    of the steps so far, and training ends."""

    score: float = -1.0
    """The best so far."""
    loss: float = float("inf")
    """The lowest so far."""
    since: float = 0
    """Epochs since either was."""
    start: float = 0
    """Step at which the rate began to go down; 0: it has not."""

    def see(self, score: float, loss: float, epochs: int, done: int) -> None:
        """Takes note of an epoch; `epochs` without a better one are too many, 0: never."""
        better = score > self.score or loss < self.loss
        self.score, self.loss = max(score, self.score), min(loss, self.loss)
        self.since = 0 if better else self.since + 1
        if epochs and self.since >= epochs and not self.start:
            self.start = done

    def left(self, done: int) -> float:
        """The factor of the learning rate at this step; 0: training is over."""
        return max(0.0, 1 - 4 * (done - self.start) / self.start) if self.start else 1.0


class Training:
    """What changes from step to step: the weights, their moving average, the optimiser, the number of epochs
    done."""

    def __init__(
        self,
        model: Classifier,
        config: Config,
        steps: int,
        weights: Tensor | None = None,
        behind: Classifier | None = None,
    ) -> None:
        """`weights`: (k,) of the classes in the loss; none: all the same. `behind`: the whole classifier
        where `model` learns from the encodings of its frozen encoders."""
        self.model, self.weights = channels_last(model), weights
        self.average = copy.deepcopy(self.model)
        self.optimizer = _optimizer(self.model, config)
        self.steps, self.epochs, self.done, self.best = steps, 0, 0, -1.0
        self.patience = Patience()
        self.config, self.behind = config, behind
        self.bfloat16 = uses_bfloat16(config.optim.precision, model.log_prior.device)

    def step(self, batch: Batch) -> float:
        """One step of the optimiser on this batch of features. Returns the loss."""
        rate = SCHEDULES[self.config.optim.schedule](self.done / self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.optim.lr * rate * self.patience.left(self.done)
        self.model.train()
        with torch.autocast(batch.label.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits = self.model.classify(batch.inputs, batch.present)
        loss = loss_of(logits, batch, self.config.optim.label_smoothing, self.weights)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.done += 1
        self._follow()
        return float(loss.detach())

    def averaged(self) -> Classifier:
        """A copy of the whole model with the averaged weights, not calibrated."""
        return (
            copy.deepcopy(self.average) if self.behind is None else with_encoders(self.behind, self.average)
        )

    @torch.no_grad()
    def _follow(self) -> None:
        """The average takes a step towards the weights; a long one while it is young."""
        steps = max(1.0, min(self.config.optim.average * self.steps, self.done / 9 + 1))
        decay = 1 - 1 / steps
        ours, theirs = ([t for t in _tensors(m) if t.is_floating_point()] for m in (self.average, self.model))
        get_ema_multi_avg_fn(decay)(ours, theirs, self.done)

    def state(self) -> dict[str, Tensor]:
        """Everything, by name, as tensors. `restore` takes it back."""
        numbers = torch.tensor(
            [self.epochs, self.done, self.best, *astuple(self.patience)], dtype=torch.float64
        )
        tensors = {"numbers": numbers}
        for kind, module in (("model", self.model), ("average", self.average)):
            tensors |= {f"{kind}.{name}": tensor for name, tensor in module.state_dict().items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in moments(self.optimizer).items()}
        return {name: tensor.contiguous() for name, tensor in tensors.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from what `state` gave."""
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
    """The model that training on these rows begins with, its normalisers fitted to them. `raw`: see
    `features_of`."""
    counts = np.bincount(data.label[rows], minlength=len(data.spec.classes))
    model = build(config.model, data.spec, learned_prior(config.optim, counts), config.seed).to(device)
    fit_normalisers(model, data, rows, RawFeatures(data) if raw is None else raw)
    return model


def check_rows(splits: Splits) -> None:
    """InputError where there is nothing to train on."""
    if not len(splits.train):
        raise InputError(
            "there are no rows to train on", "Look at seesay data info: is every row in test, or unlabelled?"
        )


def fit(
    model: Classifier,
    data: Dataset,
    splits: Splits,
    config: Config,
    resume: Mapping[str, Tensor] | None = None,
    watch: Watch = iter,
    held: Evidence | None = None,
    raw: RawFeatures | None = None,
) -> Iterator[Epoch]:
    """Trains `model` in place and yields after every epoch. `resume`: an earlier `Training.state()` to go on
    from. Encoders that a config says to freeze are left alone.

    `held`: what models trained without some rows say of those (cross_fit.py), to calibrate by where no rows
    validate. `raw`: features that are made already, see `features_of`. What the config leaves open follows
    from the rows. No training rows: InputError.
    """
    check_rows(splits)
    config = settled(config, facts_of(data, splits.train, splits.valid))
    assert config.optim.batch
    assert config.optim.epochs
    learner, behind = (without_encoders(model), model) if frozen(config) else (model, None)
    counts = np.bincount(data.label[splits.train], minlength=len(data.spec.classes))
    weights = _weights(config, counts, model.log_prior.device)
    log_prior = np.log(np.clip(counts / counts.sum(), 1e-8, 1))
    batches = max(1, len(splits.train) // config.optim.batch)
    training = Training(learner, config, batches * config.optim.epochs, weights, behind)
    if resume is not None:
        training.restore(resume)  # its normalisers too, so before features are made
    features = features_of(model, data, raw)
    features = encodings_of(model, features) if frozen(config) else features
    rows, valid = table(data, splits.train, features), table(data, splits.valid, features)
    while training.epochs < config.optim.epochs and training.patience.left(training.done):
        began, number = time.perf_counter(), training.epochs + 1
        with torch.random.fork_rng():  # dropout draws from torch's own generator
            torch.manual_seed(seed_of(config.seed, number))
            batches_of_it = epoch_batches(rows, data, config, number, model)
            losses = [training.step(batch) for batch in watch(batches_of_it)]
        if not losses:  # stopped before the first batch
            return
        whole = len(losses) == batches
        training.epochs += whole
        keeps = copy.deepcopy(training.average)
        judged = evidence_of(keeps, valid) if held is None else held
        calibrate(keeps, judged, log_prior)
        said = probabilities(keeps, judged)
        scores, held_loss = scores_of(said, judged.label)
        mean = float(np.mean(list(scores.values()))) if scores else float(number)
        if held is None and scores:
            training.patience.see(mean, held_loss, config.optim.patience or 0, training.done)
        noted = tuple(remarks(keeps, said, judged.label, data.spec.classes))
        kept = config.optim.keep == "last" or mean >= training.best
        training.best = max(mean, training.best)
        keeps = (with_encoders(model, keeps) if frozen(config) else keeps) if kept else None
        loss, seconds = float(np.mean(losses)), time.perf_counter() - began
        last = training.epochs == config.optim.epochs or not training.patience.left(training.done)
        if held is not None and not last:
            scores = {}  # they are of other models, and say nothing about how far this one has come
        yield Epoch(number, loss, scores, noted, seconds, whole, last and whole, keeps, training)
        if not whole:
            return


def epoch_batches(
    rows: Table, data: Dataset, config: Config, number: int, model: Classifier
) -> Iterator[Batch]:
    """The augmented batches of one epoch, with new partners where the data set allows it, and recordings that
    were changed before features were made of them, by the model's front end."""
    generator = Generator(rows.device).manual_seed(seed_of(config.seed, number))
    if config.augment.repair and data.pairing == "drawn within class":
        rows = rows.repair(generator)
    for modality in data.spec.of_kind("waveform") if config.waveform.views and not frozen(config) else ():
        rows = resample_views(rows, data, modality, model.front_ends[modality], config.waveform, generator)
    assert config.optim.batch
    batches = rows.shuffled(config.optim.batch, generator, config.optim.copies or 1)
    yield from batches if frozen(config) else augmented(batches, data.spec, config.augment, generator)


def augmented(
    batches: Iterable[Batch], spec: Spec, config: AugmentConfig, generator: Generator
) -> Iterator[Batch]:
    """The batches with their features changed, as it suits the kind of content of each modality."""
    changes = {m: part_of(content, "augment") for m, content in spec.contents.items()}
    for batch in batches:
        inputs = {m: changes[m](x, config, generator) for m, x in batch.inputs.items()}
        yield Batch(inputs, batch.present, batch.label, batch.rows)


def _weights(config: Config, counts: np.ndarray, device: torch.device) -> Tensor | None:
    weights = class_weights(config.optim, counts)
    return None if weights is None else torch.from_numpy(weights).float().to(device)


def loss_of(
    logits: Mapping[Condition, Tensor], batch: Batch, smoothing: float, weights: Tensor | None = None
) -> Tensor:
    """The sum over the conditions of the mean cross-entropy, each over the rows that it has; a row counts as
    much as its class weighs."""
    total = batch.label.new_zeros((), dtype=torch.float32)
    for name, said in logits.items():
        present = name.has(batch.present)
        label = batch.label
        if not present.all():
            said, label = said[present], label[present]
        if not len(label):
            continue
        if weights is None:
            total = total + F.cross_entropy(said, label, label_smoothing=smoothing)
        else:
            losses = F.cross_entropy(said, label, label_smoothing=smoothing, reduction="none")
            total = total + (losses * weights[label]).mean()
    return total


def scores_of(
    said: Mapping[Condition, np.ndarray], label: np.ndarray
) -> tuple[dict[Condition, float], float]:
    """Macro-F1 by condition of probabilities (n, k), each over the rows that it has, and the mean of their
    negative log-likelihoods."""
    scores, losses = {}, []
    for name, each in said.items():
        there = ~np.isnan(each[:, 0])
        own, known = label[there], each[there]
        scores[name] = METRICS["macro_f1"].score(known, own)
        losses.append(-np.log(np.clip(known[np.arange(len(own)), own], 1e-30, 1)).mean())
    return scores, float(np.mean(losses)) if losses else float("nan")


def validate(model: Classifier, rows: Table) -> dict[Condition, float]:
    """Macro-F1 by condition, each over the rows that it has."""
    held = evidence_of(model, rows)
    return scores_of(probabilities(model, held), held.label)[0]


def one_cycle(done: float, warm: float = 0.2, start: float = 0.1, end: float = 0.01) -> float:
    """The learning rate as a share of its highest value: up along a cosine over the first `warm` of the
    steps, then down (Smith and Topin 2018)."""
    low, far = (start, done / warm) if done < warm else (end, (1 - done) / (1 - warm))
    return low + (1 - low) * (1 - np.cos(np.pi * min(max(far, 0.0), 1.0))) / 2


SCHEDULES: Mapping[str, Callable[[float], float]] = {"one-cycle": one_cycle, "constant": lambda done: 1.0}
"""By the name that `OptimConfig.schedule` gives them: the share of the steps done to the share of the highest
rate."""


def _optimizer(model: Classifier, config: Config) -> torch.optim.AdamW:
    """Weight decay on matrices and kernels, an encoder's own where it has some; none on biases and
    normalisation. `config` must name the modalities in its model."""
    decays = {modality: encoder.weight_decay for modality, encoder in config.model.named.items()}
    own = {
        weight: decay
        for modality, encoder in model.encoders.items()
        if (decay := decays.get(modality)) is not None
        for weight in encoder.parameters()
    }
    groups: dict[float, list[nn.Parameter]] = defaultdict(list)
    for weight in sorted(model.parameters(), key=lambda weight: weight.dim() <= 1):
        groups[own.get(weight, config.optim.weight_decay) if weight.dim() > 1 else 0.0].append(weight)
    return torch.optim.AdamW(
        [{"params": weights, "weight_decay": decay} for decay, weights in groups.items()],
        lr=config.optim.lr,
        fused=True,
    )


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimiser remembers of its weights, by their number and its name."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": tensor for i, tensors in state.items() for name, tensor in tensors.items()}


def restore_moments(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Takes back what `moments` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    for name, tensor in tensors.items():
        i, moment = name.split(".")
        like = weights[int(i)] if tensor.dim() else tensor  # laid out in memory as the weight is
        state.setdefault(int(i), {})[moment] = torch.empty_like(like).copy_(tensor)
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def seed_of(*parts: int) -> int:
    """A different one for all numbers that it is made of: numpy's hash of them."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
