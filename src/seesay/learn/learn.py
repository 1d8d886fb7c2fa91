"""Complete training without a run folder: `for step in learn(*prepared(data, config)): ...`

First autoencoder pretraining, if configured; then cross-fitting, if rows are few; then the model itself,
calibrated after every epoch. Runs, the search and the benchmarks all train through this.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from seesay.config import Config
from seesay.data.dataset import Dataset
from seesay.data.groups import speaker_notes, unknown_speakers
from seesay.data.splits import TEST, Splits, split
from seesay.learn.cross_fit import HeldOutPart, cross_fit
from seesay.learn.defaults import facts_of, settled, settled_split
from seesay.learn.fit import Epoch, Watch, check_rows, fit, fresh
from seesay.learn.pretrain import Reconstruction, pretrain
from seesay.model.features import RawFeatures
from seesay.model.temperature import Evidence

Step = Reconstruction | HeldOutPart | Epoch
"""What `learn` yields: an epoch of an autoencoder, a held-out part of cross-fitting, or an epoch."""


@dataclass(frozen=True)
class Progress:
    """The saved state of an interrupted training; empty: a new one."""

    pretraining: Mapping[str, Tensor] | None = None
    """`Reconstruction.pretraining.state()`."""
    held_out: Mapping[int, Evidence] = field(default_factory=dict)
    """`HeldOutPart.evidence` by `HeldOutPart.number`."""
    training: Mapping[str, Tensor] | None = None
    """`Epoch.training.state()`."""


NOT_STARTED = Progress()


def prepared(data: Dataset, config: Config, test: float = TEST) -> tuple[Dataset, Splits, Config]:
    """The arguments of `learn`: the data set with only the config's modalities, its splits, and the config
    with all unset fields filled in. `test`: as in `split`.

    The splits do not depend on the modalities. No rows to train on: InputError.
    """
    config = replace(config, split=settled_split(config, data, test))
    splits = split(data, config.split.seed, config.split.by, config.split.valid, test)
    check_rows(splits)
    config = settled(config, facts_of(data, splits.train, splits.valid))
    data = data.only(*config.modalities or data.modalities)
    if config.split.by == "group":
        splits = replace(splits, notes=(*splits.notes, *speaker_notes(*unknown_speakers(data))))
    return data, splits, config


def learn(
    data: Dataset,
    splits: Splits,
    config: Config,
    done: Progress = NOT_STARTED,
    watch: Watch = iter,
    device: str = "cpu",
    raw: RawFeatures | None = None,
) -> Iterator[Step]:
    """Train a new model on `splits.train`, yielding the result of each step; the last epoch holds the model,
    calibrated on `splits.valid` or, with `config.split.folds`, by cross-fitting.

    Pruning, logging and saving are the caller's. `watch`: a wrapper around the batches of each epoch; if it
    stops early, training ends. `done`: the progress of an interrupted call with the same arguments. `raw`:
    see `features_of`. No rows to train on: InputError.
    """
    check_rows(splits)
    config = settled(config, facts_of(data, splits.train, splits.valid))
    raw = RawFeatures(data) if raw is None else raw
    model = fresh(config, data, splits.train, device, raw)
    for reconstruction in pretrain(model, data, splits, config, done.pretraining, watch, raw):
        yield reconstruction
        if not reconstruction.whole:
            return
    parts = dict(done.held_out)
    if config.split.folds:
        for part in cross_fit(data, splits.train, config, parts, watch, device, raw):
            if part is None:
                return
            parts[part.number] = part.evidence
            yield part
    held_out = Evidence.joined([parts[number] for number in sorted(parts)]) if parts else None
    yield from fit(model, data, splits, config, done.training, watch, held_out, raw)
