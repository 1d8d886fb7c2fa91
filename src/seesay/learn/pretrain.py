"""Autoencoder pretraining without labels: each encoder learns to reconstruct its own modality, one modality
after the other.

A generator of epochs like `fit`, with the same promise: all randomness of an epoch is drawn from (seed,
modality, epoch), so a run resumed at the end of an epoch reaches exactly the same weights.
"""

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from seesay.config import Config
from seesay.data.batches import Features, Table, table
from seesay.data.dataset import Dataset
from seesay.data.splits import Splits
from seesay.errors import InputError
from seesay.learn.fit import Watch, augmented, moments, restore_moments
from seesay.learn.hardware import channels_last, uses_bfloat16
from seesay.learn.seeds import seed_of
from seesay.model.autoencoder import autoencoders
from seesay.model.classifier import Classifier
from seesay.model.features import RawFeatures, features_of
from seesay.spec import Modality


@dataclass(frozen=True)
class Reconstruction:
    """The result of one pass of an autoencoder over the training rows."""

    modality: Modality
    number: int
    """From 1 for each modality."""
    of: int
    """Number of epochs of this modality."""
    total: float
    """Sum over the batches of the mean squared error between features and reconstruction, both in 0 to 1."""
    mean: float
    """Mean of that error over the batches."""
    seconds: float
    whole: bool
    """False: the epoch was stopped before its last batch."""
    pretraining: "Pretraining"
    """The training state."""

    def __str__(self) -> str:
        losses = f"total loss {self.total:.4g}, mean loss {self.mean:.3g}"
        return f"{self.modality} autoencoder, epoch {self.number}/{self.of}: {losses}"


class Pretraining:
    """The training state: the autoencoders, their optimisers, and the number of epochs done over all of
    them."""

    def __init__(self, model: Classifier, config: Config) -> None:
        self.autoencoders = {m: channels_last(a) for m, a in autoencoders(model, config.seed).items()}
        self.optimizers = {
            m: torch.optim.Adam(a.parameters(), lr=config.pretrain.lr, fused=True)
            for m, a in self.autoencoders.items()
        }
        self.done = 0
        self.bfloat16 = uses_bfloat16(config.optim.precision, model.log_prior.device)

    def step(self, modality: Modality, features: Tensor) -> float:
        """Take one optimiser step on this batch and return its mean squared error."""
        autoencoder, optimizer = self.autoencoders[modality], self.optimizers[modality]
        autoencoder.train()
        with torch.autocast(features.device.type, torch.bfloat16, enabled=self.bfloat16):
            reconstruction = autoencoder(features)
        loss = F.mse_loss(reconstruction, autoencoder.target(features))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    def state(self) -> dict[str, Tensor]:
        """The state as named tensors; `restore` loads it."""
        tensors = {"done": torch.tensor(self.done)}
        for m, autoencoder in self.autoencoders.items():
            tensors |= {f"{m}.{name}": tensor for name, tensor in autoencoder.state_dict().items()}
            tensors |= {
                f"optimizer.{m}.{name}": tensor for name, tensor in moments(self.optimizers[m]).items()
            }
        return {name: tensor.contiguous() for name, tensor in tensors.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `state` returned."""
        self.done = int(tensors["done"])
        for m, autoencoder in self.autoencoders.items():
            autoencoder.load_state_dict(_without_prefix(f"{m}.", tensors))
            restore_moments(self.optimizers[m], _without_prefix(f"optimizer.{m}.", tensors))


def pretrain(
    model: Classifier,
    data: Dataset,
    splits: Splits,
    config: Config,
    resume: Mapping[str, Tensor] | None = None,
    watch: Watch = iter,
    raw: RawFeatures | None = None,
) -> Iterator[Reconstruction]:
    """Train the encoders of `model` in place, each with its own decoder, yielding after every epoch; nothing
    if `config.pretrain.epochs` is 0. Mean squared error, Adam at a constant learning rate, no labels.

    `resume`: a `Pretraining.state()` to resume from; `raw`: see `features_of`. InputError if no training row
    has a modality.
    """
    if not config.pretrain.epochs:
        return
    pretraining, epochs = Pretraining(model, config), config.pretrain.epochs
    if resume is not None:
        pretraining.restore(resume)
    features = features_of(model, data, raw) if pretraining.done < epochs * len(model.modalities) else {}
    while pretraining.done < epochs * len(model.modalities):
        i, done = divmod(pretraining.done, epochs)
        modality = model.modalities[i]
        rows = _rows_with(modality, data, splits, features)
        start, seed = time.perf_counter(), seed_of(config.seed, i, done + 1)
        generator = Generator(rows.device).manual_seed(seed)
        batches = augmented(
            rows.shuffled(config.pretrain.batch, generator), model, config.augment, data.spec, generator
        )
        with torch.random.fork_rng():  # dropout draws from torch's global generator
            torch.manual_seed(seed)
            losses = [pretraining.step(modality, batch.inputs[modality]) for batch in watch(batches)]
        complete = len(losses) == max(1, len(rows) // config.pretrain.batch)
        pretraining.done += complete
        total, seconds = sum(losses), time.perf_counter() - start
        mean = total / len(losses) if losses else math.nan
        yield Reconstruction(modality, done + 1, epochs, total, mean, seconds, complete, pretraining)
        if not complete:
            return


def _rows_with(
    modality: Modality, data: Dataset, splits: Splits, features: Mapping[Modality, Features]
) -> Table:
    rows = splits.train[data.pointers(modality)[splits.train] >= 0]
    if not len(rows):
        raise InputError(
            f"no training row has {modality}", "Leave it out with --modalities, or set pretrain.epochs 0."
        )
    return table(data, rows, {modality: features[modality]})


def _without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start with the prefix, by the rest of their names."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
