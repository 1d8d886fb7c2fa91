"""A whole training, without a folder: `for step in learn(*prepared(data, config)): ...`

Autoencoders first where the config asks for them, then models without a part of the rows where rows are few,
then the model itself, calibrated after every epoch. Runs, the search and the benchmarks all train by this.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from seesay.config import Config
from seesay.data.dataset import Dataset
from seesay.data.groups import says_speakers, unknown_speakers
from seesay.data.splits import Splits, split
from seesay.learn.cross_fit import HeldPart, cross_fit
from seesay.learn.defaults import facts_of, settled, settled_split
from seesay.learn.fit import Epoch, Watch, check_rows, fit, fresh
from seesay.learn.pretrain import Reconstruction, pretrain
from seesay.model.features import RawFeatures
from seesay.model.temperature import Evidence

Step = Reconstruction | HeldPart | Epoch
"""What `learn` yields: an epoch of an autoencoder, a part of the rows that was held out, an epoch."""


@dataclass(frozen=True)
class Progress:
    """What an interrupted training goes on from; empty: it begins."""

    pretraining: Mapping[str, Tensor] | None = None
    """`Reconstruction.pretraining.state()`."""
    held: Mapping[int, Evidence] = field(default_factory=dict)
    """By number of the part, what a model trained without it says of it (`HeldPart`)."""
    training: Mapping[str, Tensor] | None = None
    """`Epoch.training.state()`."""


BEGINNING = Progress()


def prepared(data: Dataset, config: Config) -> tuple[Dataset, Splits, Config]:
    """What `learn` is given: the data set with the config's modalities alone, its splits, and the config with
    every open field filled in.

    A model of one modality gets the same splits as one of all. No rows to train on: InputError.
    """
    config = replace(config, split=settled_split(config, data))
    splits = split(data, config.split.seed, config.split.by, config.split.valid)
    check_rows(splits)
    config = settled(config, facts_of(data, splits.train, splits.valid))
    data = data.only(*config.modalities or data.modalities)
    if config.split.by == "group":
        said = says_speakers(*unknown_speakers(data))
        splits = replace(splits, notes=(*splits.notes, *said))
    return data, splits, config


def learn(
    data: Dataset,
    splits: Splits,
    config: Config,
    done: Progress = BEGINNING,
    watch: Watch = iter,
    device: str = "cpu",
    raw: RawFeatures | None = None,
) -> Iterator[Step]:
    """Trains a new model on the rows of `splits.train` and yields what each step has come to; the last epoch
    holds the model, calibrated on `splits.valid` or, where `config.split.folds` says so, by cross-fitting.

    Early stopping, pruning, logging and saving are the caller's. `watch`: what batches are handed through;
    one that stops early ends the training. `done`: what an earlier call of the same arguments came to. `raw`:
    features that are made already, see `features_of`. No rows to train on: InputError.
    """
    check_rows(splits)
    config = settled(config, facts_of(data, splits.train, splits.valid))
    raw = RawFeatures(data) if raw is None else raw
    model = fresh(config, data, splits.train, device, raw)
    for reconstruction in pretrain(model, data, splits, config, done.pretraining, watch, raw):
        yield reconstruction
        if not reconstruction.whole:
            return
    held = dict(done.held)
    if config.split.folds:
        for part in cross_fit(data, splits.train, config, held, watch, device, raw):
            if part is None:
                return
            held[part.number] = part.evidence
            yield part
    judged = Evidence.joined([held[number] for number in sorted(held)]) if held else None
    yield from fit(model, data, splits, config, done.training, watch, judged, raw)
