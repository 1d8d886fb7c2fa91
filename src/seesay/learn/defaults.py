"""What a config leaves open follows from the data: how many steps, of how many rows, what validates, how
classes are weighed.

A recipe was made on 60,000 rows. Of 60 rows a model is trained in the same way, not with the same numbers: it
is steps that train, not epochs. Fields that are given are obeyed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from seesay.config import Config, FeaturesConfig, OptimConfig, SplitConfig
from seesay.data.dataset import Dataset
from seesay.data.splits import VALID, fold_limit, folds, split
from seesay.errors import ConfigError
from seesay.signal.feature_settings import settled_features
from seesay.spec import ContentSpec, Modality, PictureSpec

USUAL_ROWS = 60_000
"""That the recipes' `steps` are for."""

USUAL_BATCH = 256
"""Rows of a step from `LARGE` training rows on."""

LARGE = 54_000
"""Training rows that are left of 60,000 where a tenth validates."""

INPUTS = 32
"""Fewest inputs of a step: with fewer, batch normalisation's means are noise (docs/log.md)."""

FEW = 1_000
"""Training rows below which a tenth is too little to validate with, and is missed in training."""

FOLDS = 3
"""Of cross-fitting."""

UNBALANCED = 3.0
"""Times as many rows in one class as in another: above it, `auto` weighs classes."""


@dataclass(frozen=True)
class Facts:
    """What the choices rest on."""

    rows: int
    """That train."""
    counts: tuple[int, ...]
    """Of them by class."""
    valid: int
    """Rows that validate."""
    photos: bool = False
    """Whether pictures are photos, not what is drawn or written."""
    contents: Mapping[Modality, ContentSpec] = field(default_factory=dict)
    """What there is of each modality."""


def facts_of(data: Dataset, train: np.ndarray, valid: np.ndarray) -> Facts:
    """The facts of a data set whose rows `train` and `valid` do that."""
    counts = np.bincount(data.label[train], minlength=len(data.spec.classes))
    pictures = [spec for spec in data.spec.contents.values() if isinstance(spec, PictureSpec)]
    photos = bool(pictures) and all(spec.reader == "photo" for spec in pictures)
    return Facts(len(train), tuple(counts.tolist()), len(valid), photos, data.spec.contents)


def settled(config: Config, facts: Facts) -> Config:
    """The config with every open field of front ends, augmentation and optimiser filled in, and a network
    for each modality named. What does not fit the contents: ConfigError."""
    augment = config.augment
    if augment.mirror is None:
        augment = replace(augment, mirror=facts.photos)
    config = config.naming({modality: spec.kind for modality, spec in facts.contents.items()})
    named = {
        modality: replace(each, features=_front_end(modality, each.features, facts.contents[modality]))
        for modality, each in config.model.named.items()
    }
    optim = settled_optim(config.optim, facts)
    return replace(config, model=replace(config.model, named=named), augment=augment, optim=optim)


def _front_end(modality: Modality, features: FeaturesConfig, spec: ContentSpec) -> FeaturesConfig:
    try:
        return settled_features(features, spec)
    except ConfigError as error:
        raise ConfigError(f"model.{modality}: {error}") from None


def settled_optim(optim: OptimConfig, facts: Facts) -> OptimConfig:
    """The optimiser's fields for so many rows; those that are given stay."""
    part = facts.rows / USUAL_ROWS
    usual = USUAL_BATCH * math.sqrt(min(facts.rows / LARGE, 1))
    batch = optim.batch or max(2, min(facts.rows // 8, round(max(INPUTS, usual))))
    a_pass = max(1, facts.rows // batch)
    steps = optim.steps * min(part, 1) ** 0.2 * max(part, 1)
    epochs = optim.epochs or max(1, round(steps / a_pass))
    patience = max(6, math.ceil(epochs / 4)) if optim.patience is None else optim.patience
    return replace(
        optim,
        batch=batch,
        epochs=epochs,
        copies=optim.copies or max(1, math.ceil(INPUTS / batch)),
        patience=patience if facts.valid else 0,
    )


def settled_split(config: Config, data: Dataset) -> SplitConfig:
    """What validates: a part of the rows, or of few rows cross-fitted parts of all. Autoencoders train on all
    rows, so nothing behind them is cross-fitted. More folds than a class has groups: InputError."""
    how = config.split
    if how.valid is not None or config.pretrain.epochs:
        return replace(how, valid=VALID if how.valid is None else how.valid, folds=how.folds or 0)
    whole = split(data, how.seed, how.by, valid=0)
    few = len(whole.train) < FEW and not len(whole.valid)
    possible = min(FOLDS, fold_limit(data, whole.train, how.by)) if few else 0
    count = possible if how.folds is None else how.folds
    if count < 2:
        return replace(how, valid=VALID, folds=0)
    folds(
        data, whole.train, count, how.seed, how.by
    )  # refuses, before there is a run, what cannot be divided
    return replace(how, valid=0.0, folds=count)


def class_weights(optim: OptimConfig, counts: np.ndarray) -> np.ndarray | None:
    """(k,): the weight of a row by its class, 1 on average over the rows; None: all the same."""
    present = counts > 0
    ratio = counts.max() / counts[present].min()
    if optim.class_weights == "none" or (optim.class_weights == "auto" and ratio <= UNBALANCED):
        return None
    power = 1.0 if optim.class_weights == "balanced" else 0.5
    weights = np.where(present, np.maximum(counts, 1) ** -power, 0.0)
    return weights * counts.sum() / (weights * counts).sum()


def learned_prior(optim: OptimConfig, counts: np.ndarray) -> np.ndarray:
    """(k,): the class fractions that a network which knows nothing of a content learns to answer, from rows
    so weighed and targets so smoothed."""
    weights = class_weights(optim, counts)
    fractions = counts / counts.sum() * (1 if weights is None else weights)
    return (1 - optim.label_smoothing) * fractions + optim.label_smoothing / len(counts)


def said(config: Config, facts: Facts) -> list[str]:
    """One line of what was chosen and why."""
    optim, split = config.optim, config.split
    validated = f"{facts.valid:,} validate" if facts.valid else "none validate"
    if split.folds:
        validated = f"too few to spare some, so {split.folds} models on parts of them calibrate it"
    copies = f", {optim.copies} augmented copies of each" if (optim.copies or 1) > 1 else ""
    epochs = "1 epoch" if optim.epochs == 1 else f"{optim.epochs} epochs"
    weights = class_weights(optim, np.array(facts.counts))
    weighed = (
        "" if weights is None else f"; classes of {min(facts.counts)} to {max(facts.counts)} rows are weighed"
    )
    return [f"{facts.rows:,} rows train, {validated}: {epochs} in batches of {optim.batch}{copies}{weighed}."]
