"""The training loop, as a generator of epochs: `for epoch in fit(model, data, splits, config): ...`

Early stopping, pruning, logging and saving are the caller's. All randomness of an epoch is drawn from (seed,
epoch), so a run that goes on from the end of an epoch reaches the very same weights as one that never
stopped.
"""

import copy
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score
from torch import Generator, Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from seesay.config import AugmentConfig, Condition, Config
from seesay.data.batches import Batch, Table, table
from seesay.data.dataset import Dataset
from seesay.data.splits import Splits
from seesay.errors import InputError
from seesay.learn.frozen import encodings_of, frozen, with_encoders, without_encoders
from seesay.learn.precision import channels_last, uses_bfloat16
from seesay.learn.views import has_waveforms, heard_anew
from seesay.model.calibration import calibrate
from seesay.model.classifier import Classifier, features_of, posteriors
from seesay.signal.augment import augment

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
    """Macro-F1 on the validation rows, of the averaged weights."""
    seconds: float
    whole: bool
    """False: the epoch was stopped before its last batch."""
    model: Classifier | None
    """The averaged weights, calibrated; None if `optim.keep` is best and their score is not."""
    training: "Training"
    """All that goes on changing."""

    @property
    def score(self) -> float:
        """The mean of the scores over the conditions: what chooses the best epoch, if one is chosen. NaN
        without validation rows."""
        return float(np.mean(list(self.scores.values()))) if self.scores else float("nan")


class Training:
    """What changes from step to step: the weights, their moving average, the optimiser, the number of epochs
    done."""

    def __init__(self, model: Classifier, config: Config, steps: int) -> None:
        self.model = channels_last(model)
        self.average = copy.deepcopy(self.model)
        self.optimizer = _optimizer(self.model, config)
        self.steps, self.epochs, self.done, self.best = steps, 0, 0, -1.0
        self.config = config
        self.bfloat16 = uses_bfloat16(config.optim.precision, model.log_prior.device)

    def step(self, batch: Batch) -> float:
        """One step of the optimiser on this batch of features. Returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.optim.lr * SCHEDULES[self.config.optim.schedule](self.done / self.steps)
        self.model.train()
        with torch.autocast(batch.label.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits = self.model.classify(batch.inputs, batch.present)
        loss = loss_of(logits, batch, self.config.optim.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.done += 1
        self._follow()
        return float(loss.detach())

    @torch.no_grad()
    def _follow(self) -> None:
        """The average takes a step towards the weights; a long one while it is young."""
        steps = max(1.0, min(self.config.optim.average * self.steps, self.done / 9 + 1))
        decay = 1 - 1 / steps
        ours, theirs = ([t for t in _tensors(m) if t.is_floating_point()] for m in (self.average, self.model))
        get_ema_multi_avg_fn(decay)(ours, theirs, self.done)

    def state(self) -> dict[str, Tensor]:
        """Everything, by name, as tensors. `restore` takes it back."""
        numbers = torch.tensor([self.epochs, self.done, self.best], dtype=torch.float64)
        tensors = {"numbers": numbers}
        for kind, module in (("model", self.model), ("average", self.average)):
            tensors |= {f"{kind}.{name}": tensor for name, tensor in module.state_dict().items()}
        tensors |= {f"optimizer.{name}": tensor for name, tensor in moments(self.optimizer).items()}
        return {name: tensor.contiguous() for name, tensor in tensors.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from what `state` gave."""
        epochs, done, self.best = tensors["numbers"].tolist()
        self.epochs, self.done = int(epochs), int(done)
        for kind, module in (("model", self.model), ("average", self.average)):
            module.load_state_dict(
                {n.removeprefix(f"{kind}."): t for n, t in tensors.items() if n.startswith(f"{kind}.")}
            )
        prefix = "optimizer."
        restore_moments(
            self.optimizer, {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        )


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
) -> Iterator[Epoch]:
    """Trains `model` in place and yields after every epoch. `resume`: an earlier `Training.state()` to go on
    from. Encoders that a config says to freeze are left alone.

    No training rows: InputError.
    """
    learner = without_encoders(model) if frozen(config) else model
    features = encodings_of(model, data) if frozen(config) else features_of(model, data)
    check_rows(splits)
    rows, valid = table(data, splits.train, features), table(data, splits.valid, features)
    batches = max(1, len(rows) // config.optim.batch)
    training = Training(learner, config, steps=batches * config.optim.epochs)
    if resume is not None:
        training.restore(resume)
    while training.epochs < config.optim.epochs:
        began, number = time.perf_counter(), training.epochs + 1
        with torch.random.fork_rng():  # dropout draws from torch's own generator
            torch.manual_seed(seed_of(config.seed, number))
            batches_of_it = epoch_batches(rows, data, config, number, model)
            losses = [training.step(batch) for batch in watch(batches_of_it)]
        if not losses:  # stopped before the first batch
            return
        whole = len(losses) == batches
        training.epochs += whole
        scores = validate(training.average, valid)
        mean = float(np.mean(list(scores.values()))) if scores else float(number)
        kept = config.optim.keep == "last" or mean >= training.best
        training.best = max(mean, training.best)
        keeps = copy.deepcopy(training.average) if kept else None
        if keeps is not None:
            calibrate(keeps, valid)
            keeps = with_encoders(model, keeps) if frozen(config) else keeps
        loss, seconds = float(np.mean(losses)), time.perf_counter() - began
        yield Epoch(number, loss, scores, seconds, whole, keeps, training)
        if not whole:
            return


def epoch_batches(
    rows: Table, data: Dataset, config: Config, number: int, model: Classifier
) -> Iterator[Batch]:
    """The augmented batches of one epoch, with new partners where the data set allows it, and recordings that
    were changed before features were made of them, by the model's front end."""
    generator = Generator(rows.device).manual_seed(seed_of(config.seed, number))
    if config.augment.repair and data.pairing == "drawn within class":
        rows = rows.paired_anew(generator)
    if config.waveform.views and "audio" in rows.features and has_waveforms(data.spec) and not frozen(config):
        rows = heard_anew(rows, data, model.front_ends["audio"], config.waveform, generator)
    batches = rows.shuffled(config.optim.batch, generator)
    yield from batches if frozen(config) else augmented(batches, config.augment, generator)


def augmented(batches: Iterable[Batch], config: AugmentConfig, generator: Generator) -> Iterator[Batch]:
    """The batches with their features changed."""
    for batch in batches:
        inputs = {m: augment(x, m, config, generator) for m, x in batch.inputs.items()}
        yield Batch(inputs, batch.present, batch.label, batch.rows)


def loss_of(logits: Mapping[Condition, Tensor], batch: Batch, smoothing: float) -> Tensor:
    """The sum over the conditions of the mean cross-entropy, each over the rows that have all its
    modalities."""
    total = batch.label.new_zeros((), dtype=torch.float32)
    for name, said in logits.items():
        present = torch.stack([batch.present[m] for m in name.split("+")]).all(0)
        label = batch.label
        if not present.all():
            said, label = said[present], label[present]
        if len(label):
            total = total + F.cross_entropy(said, label, label_smoothing=smoothing)
    return total


def validate(model: Classifier, rows: Table) -> dict[Condition, float]:
    """Macro-F1 by condition, each over the rows that have all its modalities."""
    scores = {}
    label = rows.label.cpu().numpy()
    for name, probabilities in (posteriors(model, rows) if len(rows) else {}).items():
        there = ~np.isnan(probabilities[:, 0])
        if there.any():
            scores[name] = float(f1_score(label[there], probabilities[there].argmax(1), average="macro"))
    return scores


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
    normalisation."""
    own = {
        weight: decay
        for modality, encoder in model.encoders.items()
        if (decay := getattr(config.model, modality).weight_decay) is not None
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
