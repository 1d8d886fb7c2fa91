"""Defaults that follow from the data: the number of steps, batch size, validation split and class weights.

Recipes were tuned on 60,000 rows. With 60 rows, training needs other numbers: what matters is the number of
steps, not of epochs. Fields that are set are never changed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from seesay.config import Config, EncoderConfig, FeaturesConfig, OptimConfig, SplitConfig, WaveformConfig
from seesay.data.dataset import NONE, NONE_NAME, Dataset
from seesay.data.splits import TEST, VALID, fold_limit, folds, split
from seesay.errors import ConfigError
from seesay.registry import find
from seesay.signal.efficientnet import INSTALL, installed
from seesay.signal.feature_settings import WORD, features_for, settled_features
from seesay.signal.onnx_card import how_it_fits
from seesay.spec import ContentSpec, Modality, PictureSpec, WaveformSpec, noun

VECTOR_STEPS = 2
"""Factor on the recipe's steps if all contents are vectors, whose steps are cheap (docs/log.md)."""

PRETRAINED_STEPS = 0.4
"""Factor on the recipe's steps if all networks are pretrained and trained further: more are no better
(docs/log.md)."""

RECIPE_ROWS = 60_000
"""Training rows that the recipes' `steps` are for."""

LARGE_BATCH = 256
"""Default batch size from `LARGE` training rows on."""

LARGE = 54_000
"""Training rows left of 60,000 when a tenth is held out for validation."""

INPUTS = 32
"""Fewest inputs per step: with fewer, batch normalisation's statistics are noise (docs/log.md)."""

FEW = 1_000
"""Training rows below which a tenth is too few to validate on, and is missed in training."""

FOLDS = 3
"""Default number of folds for cross-fitting."""

UNBALANCED = 3.0
"""Ratio of rows in the largest to the smallest class above which `auto` uses class weights."""


RATE = 0.3
"""Learning rate of pretrained weights that `auto` trains further, as a fraction of the others'."""

SMALLEST = 32
"""Pixels of the shorter side of photos, below which a network that has seen larger ones is not tried."""

VOICES = WaveformConfig(views=1, speed=0.12, colour=5.0, band=0.3, echo=0.2, noise=0.3, gain=6.0, trim=0.5)
"""Augmentation of waveforms where `auto` trains a network of speech further: other voices and microphones,
but mild, since the network has heard many (docs/log.md)."""

COPIES = 8
"""Copies of a recording that are made once where training would make more: fewer are worse (docs/log.md)."""


@dataclass(frozen=True)
class Facts:
    """What the defaults depend on."""

    rows: int
    """Number of training rows."""
    counts: tuple[float, ...]
    """Training rows by class; with weights, the sum of theirs."""
    valid: int
    """Number of validation rows."""
    photos: bool = False
    """Whether all pictures are photos rather than drawings or handwriting."""
    contents: Mapping[Modality, ContentSpec] = field(default_factory=dict)
    """The spec of each modality's contents."""
    negatives: int = 0
    """Training rows that belong to no class."""


def facts_of(data: Dataset, train: np.ndarray, valid: np.ndarray) -> Facts:
    """The facts of a data set with these training and validation rows."""
    counts = data.class_counts(train)
    pictures = [spec for spec in data.spec.contents.values() if isinstance(spec, PictureSpec)]
    photos = bool(pictures) and all(spec.reader == "photo" for spec in pictures)
    negatives = int((data.label[train] == NONE).sum())
    return Facts(len(train), tuple(counts.tolist()), len(valid), photos, data.spec.contents, negatives)


def settled(config: Config, facts: Facts) -> Config:
    """The config with all unset fields of front ends, augmentation and optimiser filled in, and a network by
    name for each modality. ConfigError if it does not fit the contents."""
    augment = config.augment
    if augment.mirror is None:
        augment = replace(augment, mirror=facts.photos)
    config = config.naming({modality: spec.kind for modality, spec in facts.contents.items()})
    encoders = {m: decided(e, facts.contents[m]) for m, e in config.model.named.items()}
    decided_to_train = any(e.finetune and e != config.model.named[m] for m, e in encoders.items())
    named = {m: replace(e, features=_front_end(m, e, facts.contents[m])) for m, e in encoders.items()}
    pretrained = bool(named) and all(encoder.finetune for encoder in named.values())
    optim = settled_optim(config.optim, facts, PRETRAINED_STEPS if pretrained else 1.0)
    if decided_to_train and config.waveform == WaveformConfig():
        passes = (optim.epochs or 1) * max(1, config.split.folds or 0)  # models share what is made once
        copies = {"views": COPIES, "renew": False} if passes > COPIES else {}
        config = replace(config, waveform=replace(VOICES, **copies))
    return replace(config, model=replace(config.model, named=named), augment=augment, optim=optim)


def decided(encoder: EncoderConfig, spec: ContentSpec) -> EncoderConfig:
    """The encoder, with a network in place of `auto`: the one that measured best for contents of this kind
    (docs/log.md)."""
    if encoder.kind != "auto":
        return encoder
    given = encoder.features
    if isinstance(spec, WaveformSpec) and (given.seconds or spec.seconds) <= WORD:
        if given == FeaturesConfig(seconds=given.seconds):
            return replace(encoder, kind="speech", finetune=encoder.finetune or RATE)
    elif _suits_photos(spec) and installed() and given.kind is None and given.coefficients is None:
        return replace(encoder, kind="efficientnet-lite0")
    return replace(encoder, kind="cnn")  # or settings of another front end are given


def _why(encoder: EncoderConfig, spec: ContentSpec) -> str:
    """What about the contents led to this network."""
    if not isinstance(spec, WaveformSpec):
        return ""
    seconds = encoder.features.seconds or spec.seconds
    return f" of up to {seconds:g} s, {'as words are' if seconds <= WORD else 'longer than words'}"


def _suits_photos(spec: ContentSpec) -> bool:
    """Whether a network that has seen photos helps: with photos, and with sounds that are not words."""
    if isinstance(spec, PictureSpec):
        return spec.reader == "photo" and min(spec.height, spec.width) >= SMALLEST
    return isinstance(spec, WaveformSpec) and spec.seconds > WORD


def _front_end(modality: Modality, encoder: EncoderConfig, spec: ContentSpec) -> FeaturesConfig:
    try:
        return settled_features(features_for(encoder, spec), spec)
    except ConfigError as error:
        raise ConfigError(f"model.{modality}: {error}") from None


def settled_optim(optim: OptimConfig, facts: Facts, factor: float = 1.0) -> OptimConfig:
    """The optimiser config with unset fields filled in for this number of rows. `factor`: on the usual number
    of steps."""
    ratio = facts.rows / RECIPE_ROWS
    vectors = bool(facts.contents) and all(spec.kind == "vector" for spec in facts.contents.values())
    share = 1 if vectors else math.sqrt(min(facts.rows / LARGE, 1))
    usual = round(max(INPUTS, LARGE_BATCH * share))
    batch = optim.batch or max(2, min(facts.rows // 8, usual))
    steps_per_epoch = max(1, facts.rows // batch)
    steps = optim.steps * min(ratio, 1) ** 0.2 * max(ratio, 1) * (VECTOR_STEPS if vectors else factor)
    epochs = optim.epochs or max(1, round(steps / steps_per_epoch))
    patience = max(6, math.ceil(epochs / 4)) if optim.patience is None else optim.patience
    return replace(
        optim,
        batch=batch,
        epochs=epochs,
        copies=optim.copies or max(1, math.ceil(INPUTS / batch)),
        patience=patience if facts.valid else 0,
    )


def settled_split(config: Config, data: Dataset, test: float = TEST) -> SplitConfig:
    """The split settings to use: a validation split or, with few rows, cross-fitting. Pretraining sees all
    rows, so nothing after it is cross-fitted. `test`: as in `split`. More folds than a class has groups:
    InputError."""
    given = config.split
    if given.valid is not None or config.pretrain.epochs:
        return replace(given, valid=VALID if given.valid is None else given.valid, folds=given.folds or 0)
    whole = split(data, given.seed, given.by, 0, test)
    few = len(whole.train) < FEW and not len(whole.valid)
    possible = min(FOLDS, fold_limit(data, whole.train, given.by)) if few else 0
    count = possible if given.folds is None else given.folds
    if count < 2:
        return replace(given, valid=VALID, folds=0)
    folds(data, whole.train, count, given.seed, given.by)  # raises before a run is created
    return replace(given, valid=0.0, folds=count)


def class_weights(optim: OptimConfig, counts: np.ndarray) -> np.ndarray | None:
    """(k,): the class weights, 1 on average over the rows; None: no weighting."""
    present = counts > 0
    ratio = counts.max() / counts[present].min()
    if optim.class_weights == "none" or (optim.class_weights == "auto" and ratio <= UNBALANCED):
        return None
    power = 1.0 if optim.class_weights == "balanced" else 0.5
    weights = np.where(present, np.maximum(counts, 1) ** -power, 0.0)
    return weights * counts.sum() / (weights * counts).sum()


def repeats(encoder: EncoderConfig) -> int:
    """Most times that an epoch uses one content; 0: no limit."""
    return int(encoder.finetune > 0) if encoder.repeats is None else encoder.repeats


def learned_prior(optim: OptimConfig, counts: np.ndarray) -> np.ndarray:
    """(k,): the prior that heads learn under these class weights and this label smoothing."""
    weights = class_weights(optim, counts)
    fractions = counts / counts.sum() * (1 if weights is None else weights)
    return (1 - optim.label_smoothing) * fractions + optim.label_smoothing / len(counts)


def settings_notes(config: Config, facts: Facts) -> list[str]:
    """A one-line summary of the settings in use and why."""
    optim, split = config.optim, config.split
    validation = f"{facts.valid:,} validation rows" if facts.valid else "no validation rows"
    if split.folds:
        validation = f"too few to hold some out, so {split.folds} cross-fitted models calibrate the model"
    copies = f", {optim.copies} augmented copies of each" if (optim.copies or 1) > 1 else ""
    epochs = "1 epoch" if optim.epochs == 1 else f"{optim.epochs} epochs"
    weights = class_weights(optim, np.array(facts.counts))
    fewest, most = min(facts.counts), max(facts.counts)
    weighted = "" if weights is None else f"; classes of {fewest} to {most} rows are weighted"
    negatives = f" ({facts.negatives:,} of them {NONE_NAME})" if facts.negatives else ""
    rows = f"{facts.rows:,} training rows{negatives}, {validation}"
    fits = [how_it_fits(e.features, facts.contents[m]) for m, e in config.model.named.items()]
    return [
        f"{rows}: {epochs} in batches of {optim.batch}{copies}{weighted}.",
        *_encoder_notes(config.model.named, facts.contents),
        *chain.from_iterable(fits),
    ]


def _encoder_notes(
    encoders: Mapping[Modality, EncoderConfig], contents: Mapping[Modality, ContentSpec]
) -> list[str]:
    """A line for each modality with a pretrained network."""
    kinds = {modality: spec.kind for modality, spec in contents.items()}
    return [
        f"{noun(modality, kinds)}s{_why(encoder, contents[modality])}: "
        f"the pretrained network {encoder.kind}, "
        + ("trained further" if encoder.finetune else "with its weights as they are")
        + "; --recipe small trains one from scratch."
        for modality, encoder in encoders.items()
        if find("encoder", encoder.kind).frozen
    ] + [
        f"{noun(modality, kinds)}s: a network from scratch; {INSTALL} brings a pretrained one."
        for modality, encoder in encoders.items()
        if encoder.kind == "cnn" and _suits_photos(contents[modality]) and not installed()
    ]
