"""How many CPU seconds training takes to reach a score, next to the loop that most people would write.

All train the same network from the same first weights, and are scored on the same rows after every few steps;
scoring is not counted. Ours draws HURRY of the training rows and has a learning rate that goes up and down in
these, averaged weights and bfloat16 where that is quick. The plain loop is a DataLoader over all of them,
batches of 64, float32, Adam at 1e-3.
"""

import copy
import dataclasses
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as Items
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import matrix_peak
from seesay.config import Config, EncoderConfig, ModelConfig, default_encoders
from seesay.data.batches import Batch, Features, Table, table
from seesay.data.dataset import Dataset
from seesay.data.ragged import ContentTable
from seesay.data.splits import split
from seesay.errors import InputError
from seesay.learn.defaults import facts_of, settled
from seesay.learn.fit import Training, epoch_batches, fresh, loss_of, validate
from seesay.model.classifier import Classifier
from seesay.model.features import RawFeatures, features_of
from seesay.recipes import NO_AUGMENTATION, recipe
from seesay.spec import Modality

EVERY = 640
"""Rows between two looks at the score."""

HELD = 4
"""Looks in a row that have to see the score, so that luck is not counted."""

HURRY = 15_360
"""Rows of a training that has to reach a score, not the best one: its learning rate goes up and down in
these."""


@dataclass(frozen=True)
class Reached:
    """When a training got there."""

    seconds: float
    """CPU time, features included; infinite if it did not."""
    rows: int
    """Trained on until then, repeats counted."""
    score: float
    model: Classifier
    """As it was then."""


def quick(seed: int) -> Config:
    """`small` in a hurry: one short cycle of a high learning rate, small batches, little decay,
    features as they are (docs/log.md)."""
    usual = recipe("small")
    return dataclasses.replace(
        usual,
        seed=seed,
        model=ModelConfig(kinds=default_encoders() | {"picture": EncoderConfig()}),
        augment=dataclasses.replace(NO_AUGMENTATION, repair=True),
        optim=dataclasses.replace(usual.optim, epochs=1, batch=64, copies=1, lr=0.016, average=0.15),
    )


def time_to_score(data: Dataset, config: Config, loop: str, target: float, limit: float = 300.0) -> Reached:
    """`loop`: a name of LOOPS. The first of HELD looks in a row that see `target` or more, fewer only where
    training ends; given up after `limit` CPU seconds, and infinite. The rows that are looked at share no
    picture or recording with the others."""
    torch.optim.AdamW([torch.zeros(1)])  # the first optimiser imports a compiler, which is not training
    splits = split(data, by="content", seed=config.split.seed)
    used, held, began = 0.0, [], time.process_time()
    valid: Table | None = None
    last: Reached | None = None
    for model, rows in LOOPS[loop](data, splits.train, config):
        used += time.process_time() - began
        valid = valid or table(data, splits.valid, features_of(model, data))
        score = list(validate(model, valid).values())[-1]
        last = Reached(float("inf"), rows, score, model)
        held = [*held, Reached(used, rows, score, copy.deepcopy(model))] if score >= target else []
        if len(held) == HELD:
            break
        if used > limit:
            held = []
            break
        began = time.process_time()
    if last is None:
        raise InputError("there are too few rows to train on", "Give a larger data set.")
    return held[0] if held else last


def seesay_loop(data: Dataset, rows: np.ndarray, config: Config) -> Iterator[tuple[Classifier, int]]:
    """The steps of `seesay.fit` on HURRY rows, drawn at random: features once, whole tensors, averaged
    weights."""
    rows, raw = np.random.default_rng(config.seed).permutation(rows)[:HURRY], RawFeatures(data)
    config = settled(config, facts_of(data, rows, rows[:0]))
    size, epochs = config.optim.batch or 1, config.optim.epochs or 1
    model = fresh(config, data, rows, raw=raw)
    torch.manual_seed(config.seed)  # dropout draws from torch's own generator
    training_rows = table(data, rows, features_of(model, data, raw))
    training = Training(model, config, len(rows) // size * epochs)
    every = max(1, EVERY // size)
    for epoch in range(1, epochs + 1):
        for batch in epoch_batches(training_rows, data, raw, config, epoch, model):
            training.step(batch)
            if training.done % every == 0:
                yield training.average, training.done * size


class Rows(Items):
    """Pairs as most people hand them to a DataLoader, one at a time: ready-made features, or the picture's
    bytes and the waveform, from which `transform` makes the features at every access."""

    def __init__(
        self, data: Dataset, rows: np.ndarray, model: Classifier, features: Mapping[Modality, Features] | None
    ) -> None:
        """`features`: ready-made; None: they are made item by item."""
        self.pointers = {m: data.pointers(m)[rows] for m in data.modalities}
        made = {m: f.finish(f.values).numpy() for m, f in features.items()} if features else None
        self.tables: Mapping[Modality, ContentTable] = made or data.contents
        self.label, self.model, self.made = data.label[rows], model, made is not None

    def __len__(self) -> int:
        return len(self.label)

    @torch.no_grad()
    def __getitem__(self, i: int) -> tuple[dict[str, torch.Tensor], int]:
        row = {
            m: torch.as_tensor(np.asarray(self.tables[m][self.pointers[m][i]]).copy()) for m in self.tables
        }
        if not self.made:
            row = {m: self.model.front_ends[m](x[None])[0] for m, x in row.items()}
        return row, int(self.label[i])


def plain_loop(
    data: Dataset, rows: np.ndarray, config: Config, made: bool = True
) -> Iterator[tuple[Classifier, int]]:
    """What most people would write; `made`: features are made before, once."""
    raw = RawFeatures(data)
    model = fresh(config, data, rows, raw=raw)
    torch.manual_seed(config.seed)
    items = Rows(data, rows, model, features_of(model, data, raw) if made else None)
    loader = DataLoader(items, batch_size=64, shuffle=True, drop_last=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    done = 0
    while True:
        for inputs, label in loader:
            model.train()
            present = {m: torch.ones(len(label), dtype=torch.bool) for m in inputs}
            loss = loss_of(model.classify(inputs), Batch(inputs, present, label, label), smoothing=0.0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
            if done % (EVERY // 64) == 0:
                yield model, done * 64


def plain_loop_from_files(
    data: Dataset, rows: np.ndarray, config: Config
) -> Iterator[tuple[Classifier, int]]:
    """The same with features made item by item, at every access, as a `transform` does."""
    return plain_loop(data, rows, config, made=False)


LOOPS = {
    "seesay": seesay_loop,
    "plain loop, features ready-made": plain_loop,
    "plain loop, features made item by item": plain_loop_from_files,
}


def throughput(data: Dataset, config: Config, steps: int = 40) -> tuple[float, float, float]:
    """Training of this config, batches ready-made: rows a CPU second; operations a row, forward and backward;
    and the share of the matrix peak in the number format that it trains in."""
    train, raw = split(data).train, RawFeatures(data)
    config = settled(config, facts_of(data, train, train[:0]))
    model = fresh(config, data, train, raw=raw)
    rows = table(data, train, features_of(model, data, raw))
    training = Training(model, config, steps=10 * steps)
    batches = list(_first(epoch_batches(rows, data, raw, config, 1, model), steps))
    with FlopCounterMode(display=False) as counter:
        training.step(batches[0])
    operations = counter.get_total_flops() / len(batches[0].label)
    began = time.process_time()
    for _ in range(3):
        for batch in batches:
            training.step(batch)
    speed = 3 * sum(len(b.label) for b in batches) / (time.process_time() - began)
    dtype = torch.bfloat16 if training.bfloat16 else torch.float32
    return speed, operations, speed * operations / matrix_peak(dtype)


def _first(batches: Iterator[Batch], steps: int) -> Iterator[Batch]:
    return (batch for batch, _ in zip(batches, range(steps), strict=False))
