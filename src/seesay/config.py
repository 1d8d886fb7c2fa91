"""Every setting, as frozen dataclasses with a sentence under each field. Nothing here imports torch, so
`--help` is fast.

A config says how a model is built and trained; a recipe (recipes.py) is a function that returns a complete
config. What a data set contains is a spec (spec.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from seesay.errors import ConfigError
from seesay.plain import check_object, check_range, dataclass_from, from_dict, to_dict
from seesay.registry import Choice, check, find, names
from seesay.spec import Modality, spec_type

LAST_SEED = 2**32 - 1
"""The highest seed that numpy's, scikit-learn's and torch's generators all accept."""


@dataclass(frozen=True)
class SplitConfig:
    """The train/validation split. Validation rows are scored after every epoch and calibrate the model. The
    test split is the data set's own."""

    by: Literal["group", "content", "row"] = "group"
    """Which rows are kept on the same side of the split. `group`: rows that share a picture, a recording or a
    speaker; `content`: rows that share a picture or a recording; `row`: each row is independent (leaks)."""
    valid: float | None = None
    """Fraction of the training rows to hold out for validation; approximate, since groups stay whole. Ignored
    if the data set has a validation split. Default: 0.1, or 0 for small data sets, which are cross-fitted."""
    folds: int | None = None
    """Cross-fitting: number of models, each trained without one part of the rows, whose predictions on that
    part calibrate the model trained on all rows. 0: none. Default: 3 where rows are few."""
    seed: int = 0
    """Seed of the split."""

    def __post_init__(self) -> None:
        check_range(self, "valid", least=0, most=0.9)
        check_range(self, "folds", least=0, most=100)
        check_range(self, "seed", least=0, most=LAST_SEED)
        if self.folds == 1:
            raise ConfigError("cross-fitting needs 2 folds or more, or 0 for none, got 1")


@dataclass(frozen=True)
class FeaturesConfig:
    """The front end: how one modality's contents become features. Fields left unset follow from the data."""

    kind: Annotated[str | None, Choice("front-end")] = None
    """Recordings: `mfcc`: `coefficients` cepstra and the log energy; `log-mel`: log energies of the
    `filters`; `speech`: 96 numbers every 80 ms from a network trained on speech, whose weights stay as they
    are; `speech-maps`: what its first layers make. Pictures: `efficientnet-lite0`: 320 numbers from a network
    trained on ImageNet's photos (extra `photos`); `timm:NAME`: those of a network of the library timm;
    `pixels`: pixels as such networks take them. Either: `onnx:FILE`: embeddings by the network in an ONNX
    file, described by a JSON file beside it. Default: mfcc for single words, log-mel for longer clips, and
    what the encoder needs; for pictures, scaled pixels."""
    height: int | None = None
    """Pictures: height in pixels after scaling. Default: the pictures' own; for photos, at most 64 x 64
    pixels in all; for pretrained networks, what they were trained on."""
    width: int | None = None
    """Pictures: width in pixels after scaling. Default: as for `height`."""
    fit: Literal["crop", "pad", "stretch"] | None = None
    """Pictures: how pictures of another aspect ratio are fitted. `crop`, the default: the largest central
    part; `pad`: the whole picture with black borders; `stretch`: the whole picture, distorted."""
    seconds: float | None = None
    """Recordings: length of the clip in seconds, cut where the recording is loudest, or where the voice is,
    if that is elsewhere; shorter recordings are centred in it. Default: long enough for 95 % of the
    recordings, 1 to 10 seconds."""
    window: float | None = None
    """Recordings: length of the analysis window (Hann) in seconds. Default: 0.05."""
    shift: float | None = None
    """Recordings: hop from one window to the next in seconds. Default: 0.025."""
    filters: int | None = None
    """Recordings: number of triangular mel filters (HTK scale). Default: 40."""
    low: float | None = None
    """Recordings: lower edge of the lowest filter in Hz. Default: 20."""
    high: float | None = None
    """Recordings: upper edge of the highest filter in Hz. Default: half the lowest sample rate among the
    sources, so that bandwidth does not reveal the source of a recording."""
    coefficients: int | None = None
    """MFCC only: number of cepstral coefficients, from the first; the log energy follows them. Default:
    12."""

    def __post_init__(self) -> None:
        check("front-end", self.kind)
        check_range(self, "window", "shift", "low", "high", least=0)
        check_range(self, "filters", "coefficients", "height", "width", least=1)
        check_range(self, "seconds", least=0, most=600)


@dataclass(frozen=True)
class EncoderConfig:
    """The front end and network of one modality, from contents to an encoding."""

    kind: Annotated[str, Choice("encoder")] = "cnn"
    """Network. `cnn`: convolutions over height and width of a picture, over time of a recording (its columns
    are channels); `deep`: two convolutions per block for pictures, residual blocks over time for recordings,
    after 2-D convolutions if the features are log-mel; `report`: the report's full-resolution blocks and a
    downsampling layer; `transformer`: attention over patches of a picture or frames of a recording; `speech`:
    a network trained on very many voices, for words and other speech; `efficientnet-lite0`: a network trained
    on ImageNet's photos, for photos (extra `photos`); `timm:NAME`: a network of the library timm, as in
    timm:resnet18; `onnx:FILE`: the network in an ONNX file, whose weights stay as they are
    (docs/how-to/own-encoders.md); `mlp`: linear layers, for vectors; `auto`: `speech` for words, trained
    further; `efficientnet-lite0` for photos and other sounds, if its weights are installed; else `cnn`."""
    width: int = 16
    """Channels of the first block, or of a transformer's tokens. In `cnn`, for pictures, each block has
    twice the channels of the one before; for recordings, all blocks after the first have twice this width. In
    `deep`, for pictures, block n has n times this width."""
    layers: int = 3
    """Number of blocks."""
    dropout: float = 0.1
    """Dropout: on each block (`report`, `transformer`), on the encoding (all others)."""
    fusion_dropout: float = 0.0
    """Dropout on the encoding as a learned fusion sees it. Set it high for a modality whose contents repeat:
    the fusion memorises those and trusts the modality too much."""
    weight_decay: float | None = None
    """Weight decay of its matrices and kernels (AdamW); default: `optim.weight_decay`."""
    finetune: float = 0.0
    """Pretrained networks only: the learning rate of the pretrained weights, as a fraction of `optim.lr`. 0:
    they stay as they are, and each content goes through them once."""
    repeats: int | None = None
    """Most times that an epoch uses one content: other rows that have it are trained without it. 0: no limit.
    Default: 1 for pretrained weights that are trained further, whose steps are dear; else no limit."""
    kernel: int = 3
    """`report` only: kernel size of the convolutions."""
    stride: int = 1
    """`report` only: stride of the convolutions."""
    activation: Literal["relu", "sigmoid"] = "relu"
    """`report` only: activation between layers."""
    features: FeaturesConfig = FeaturesConfig()
    """Front end."""

    def __post_init__(self) -> None:
        check("encoder", self.kind)
        check_range(self, "width", "layers", "kernel", "stride", least=1)
        check_range(self, "dropout", "fusion_dropout", least=0, most=0.95)
        check_range(self, "finetune", least=0, most=1)
        check_range(self, "repeats", least=0)
        if self.weight_decay is not None:
            check_range(self, "weight_decay", least=0)


def default_encoders() -> dict[str, EncoderConfig]:
    """The default network for each kind of content."""
    return {kind: default_encoder(kind) for kind in names("kind")}


def default_encoder(kind: str) -> EncoderConfig:
    """The default network for contents of this kind. ConfigError if a registered kind does not say which."""
    given = spec_type(kind).encoder
    if "kind" not in given and find("kind", kind).module:
        raise ConfigError(f"the kind {kind} names no encoder", f'Give {kind} encoder = {{"kind": NAME}}.')
    return dataclass_from(EncoderConfig, given, f"{kind}.encoder")


BUILT_IN_KINDS = tuple(default_encoders())
"""Kinds that every recipe has to cover; a kind registered later comes with its own default network."""


@dataclass(frozen=True)
class ModelConfig:
    """Front ends, encoders, fusion and heads."""

    dim: int = 64
    """Dimension of an encoding."""
    fusion: Annotated[str, Choice("fusion")] = "posterior-sum"
    """How the modalities are combined into one prediction (model/fusion.py). `posterior-sum` adds calibrated
    log-posteriors, which is optimal if the modalities are independent given the class; the other methods are
    networks trained on the encodings."""
    hidden: int = 128
    """Units in the hidden layers of a learned fusion and of the heads."""
    fusion_layers: int = 2
    """Linear layers of a learned fusion, with ReLU between."""
    head_layers: int = 1
    """Linear layers from an encoding to its modality's own logits, with ReLU between."""
    kinds: Mapping[str, EncoderConfig] = field(default_factory=default_encoders)
    """Network by kind of content, for modalities that are not in `named`."""
    named: Mapping[Modality, EncoderConfig] = field(default_factory=dict)
    """Network by modality. In JSON and on the command line each is a field of its own:
    `model.image.width`."""

    def __post_init__(self) -> None:
        check("fusion", self.fusion)
        check_range(self, "dim", "hidden", "fusion_layers", "head_layers", least=1)

    def of(self, modality: Modality, kind: str) -> EncoderConfig:
        """The network of a modality whose contents are of this kind. ConfigError if there is none."""
        encoder = self.named.get(modality) or self.kinds.get(kind)
        if encoder is None and kind in BUILT_IN_KINDS:
            raise ConfigError(f"the config has no network for {modality}, a {kind}", "Use another recipe.")
        return default_encoder(kind) if encoder is None else encoder

    def naming(self, kinds: Mapping[Modality, str], others: bool = False) -> ModelConfig:
        """A copy with a network for each of these modalities in `named`, by the kind of its contents.
        `others`: keep the networks of other modalities and kinds too."""
        named = {modality: self.of(modality, kind) for modality, kind in kinds.items()}
        if others:
            return dataclasses.replace(self, named={**self.named, **named})
        return dataclasses.replace(self, named=named, kinds={})

    def to_plain(self) -> dict[str, Any]:
        """Plain values for JSON, with the named modalities next to the other fields."""
        plain = {f.name: to_dict(getattr(self, f.name)) for f in dataclasses.fields(self)}
        named = plain.pop("named")
        return plain | named

    @staticmethod
    def from_plain(values: Any, where: str = "model") -> ModelConfig:
        """The inverse of `to_plain`; missing fields get their defaults. Unknown fields: ConfigError."""
        check_object("ModelConfig", values, where)
        fields = {f.name for f in dataclasses.fields(ModelConfig)}
        networks = {name: v for name, v in values.items() if name not in fields and isinstance(v, Mapping)}
        plain = {name: v for name, v in values.items() if name not in networks and name != "kinds"}
        config = dataclass_from(ModelConfig, plain, where)
        kinds = values.get("kinds", {} if networks else None)
        return dataclasses.replace(
            config,
            named=_encoders(networks, where),
            kinds=config.kinds if kinds is None else _encoders(kinds, f"{where}.kinds"),
        )


def _encoders(values: Any, where: str) -> dict[str, EncoderConfig]:
    check_object("kinds", values, where)
    return {name: from_dict(EncoderConfig, fields, f"{where}.{name}") for name, fields in values.items()}


@dataclass(frozen=True)
class AugmentConfig:
    """Random augmentation of the training rows' features. 0 turns a change off."""

    shift: float = 0.07
    """Pictures: shift in both directions by up to this fraction of the side (2 of 28 pixels)."""
    rotate: float = 10.0
    """Pictures: rotation by up to this many degrees either way."""
    zoom: float = 0.1
    """Pictures: zoom in or out, and stretch, by up to this fraction."""
    mirror: bool | None = None
    """Pictures: flip half of the rows horizontally. Default: photos yes, drawings and handwriting no."""
    delay: float = 0.12
    """Recordings: shift in time by up to this fraction of the clip."""
    stretch: float = 0.15
    """Recordings: slow down or speed up by up to this fraction."""
    mask_frames: int = 8
    """Recordings: up to this many consecutive frames are set to the mean (SpecAugment, Park et al. 2019)."""
    mask_columns: int = 3
    """Recordings: up to this many consecutive feature columns are set to the mean."""
    tilt: float = 0.5
    """Recordings: standard deviation of a constant added to each column of a clip, as another voice,
    microphone or room would."""
    noise: float = 0.1
    """Recordings and registered kinds: standard deviation of Gaussian noise, in units of the normalised
    features."""
    vector_noise: float = 1.5
    """Vectors: as `noise`. The default is larger because embeddings have many dimensions and few rows, which
    the model would otherwise memorise."""
    embedding_noise: float = 0.3
    """As `noise`, for embeddings that a pretrained network in the front end makes."""
    repair: bool = True
    """Re-pair: every epoch, pair pictures and recordings of a class anew, if the data set was paired at
    random within classes."""

    def __post_init__(self) -> None:
        check_range(self, "shift", "zoom", "delay", "stretch", least=0, most=0.9)
        check_range(self, "rotate", "mask_frames", "mask_columns", "tilt", "noise", least=0)
        check_range(self, "vector_noise", "embedding_noise", least=0)


@dataclass(frozen=True)
class WaveformConfig:
    """Random augmentation of the training rows' waveforms, before feature extraction
    (signal/augment_waveforms.py). 0 turns a change off."""

    views: int = 0
    """Augmented copies per recording; in each epoch each row samples one. 0: no waveform augmentation, and
    features are made once."""
    renew: bool = True
    """Whether the copies are made anew in every epoch. If not, they are made once, which is quicker if
    features are dear; fewer, if their features need more than 1 GB; and anew in every epoch if not even two
    copies fit."""
    window: float = 0.0
    """Of recordings longer than 1.5 clips, fraction of the copies cut at a random one of the windows that
    sound, by how much voiced sound they hold, as in prediction, instead of where the recording is loudest."""
    speed: float = 0.0
    """Speed up or slow down by up to this fraction, which moves pitch and formants too: other speakers."""
    colour: float = 0.0
    """Standard deviation in dB of a random smooth equaliser curve: other microphones."""
    band: float = 0.0
    """Fraction of clips that lose the low and high ends of their band, as on a telephone."""
    echo: float = 0.0
    """Fraction of clips with reverberation added."""
    babble: float = 0.0
    """Fraction of clips mixed with another clip, 6 to 30 dB quieter."""
    noise: float = 0.0
    """Fraction of clips with noise added, white to brown, 0 to 40 dB quieter."""
    gain: float = 0.0
    """Change the level by up to this many dB."""
    overdrive: float = 0.0
    """Fraction of clips whose peaks are clipped."""
    trim: float = 0.0
    """Fraction of clips trimmed to the word, with digital silence around it, as in many corpora."""

    def __post_init__(self) -> None:
        check_range(self, "views", "colour", "gain", least=0)
        fractions = ("window", "speed", "band", "echo", "babble", "noise", "overdrive", "trim")
        check_range(self, *fractions, least=0, most=1)


@dataclass(frozen=True)
class OptimConfig:
    """Optimiser: AdamW with a learning rate schedule and a moving average of the weights (EMA)."""

    steps: int = 1404
    """Optimiser steps for 60,000 training rows, from which `epochs` follows; for fewer rows, in proportion
    to the fifth root of their number."""
    epochs: int | None = None
    """Passes over the training rows. Default: computed from `steps` (--optim.steps)."""
    batch: int | None = None
    """Rows per step. Default: 32 for 256 to about 1,000 training rows; with fewer, an eighth of them; with
    more, growing with their square root to 256."""
    copies: int | None = None
    """Copies of each row in a step, each augmented differently (Hoffer et al. 2020). Default: enough for 32
    inputs per step, which batch normalisation needs."""
    patience: int | None = None
    """Early stopping: after this many epochs without a better validation score or loss, the learning rate
    decays to 0 and training ends; 0: never. Default: a quarter of the epochs, at least 6."""
    class_weights: Literal["none", "balanced", "auto"] = "none"
    """Class weights in the loss. `balanced`: every class counts the same; `auto`: the square root of those
    weights, if one class has more than 3 times the rows of another. Predictions are corrected back to the
    class fractions in training, so neither improves macro-F1 (docs/log.md)."""
    lr: float = 4e-3
    """Peak learning rate."""
    weight_decay: float = 0.02
    """Weight decay of matrices and kernels (AdamW). Encoders can override it; the picture encoder of `small`
    does."""
    label_smoothing: float = 0.05
    """Label smoothing: fraction of the target spread over all classes."""
    average: float = 0.05
    """Length of the EMA of the weights, as a fraction of all steps. The averaged weights are scored and
    saved; 0: no averaging."""
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    """Learning rate schedule: one cycle up and down, or constant."""
    keep: Literal["last", "best"] = "last"
    """Which epoch's model to keep: the last, or the one with the best mean validation score. With a
    one-cycle schedule keep the last: the weights hardly change near the end, so the best score is mostly
    noise. With a constant learning rate, `best` is useful."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format of matrix products. `auto`: bfloat16 if the processor reports fast bfloat16
    arithmetic."""

    def __post_init__(self) -> None:
        check_range(self, "steps", "epochs", "copies", least=1)
        check_range(self, "batch", least=2)
        check_range(self, "patience", least=0)
        check_range(self, "lr", least=1e-8, most=10)
        check_range(self, "weight_decay", least=0)
        check_range(self, "label_smoothing", "average", least=0, most=0.9)


@dataclass(frozen=True)
class PretrainConfig:
    """Autoencoder pretraining without labels: each encoder learns to reconstruct its modality's features."""

    epochs: int = 0
    """Passes over the training rows; 0: no pretraining."""
    batch: int = 64
    """Rows per step."""
    lr: float = 1e-3
    """Learning rate of Adam, constant."""
    freeze: bool = True
    """Freeze the encoders while heads and fusion are trained. Their encodings are then made once, from
    features without augmentation."""

    def __post_init__(self) -> None:
        check_range(self, "epochs", least=0)
        check_range(self, "batch", least=2)
        check_range(self, "lr", least=1e-8, most=10)


@dataclass(frozen=True)
class Config:
    """Everything that decides how a model is built and trained. Recipes make these."""

    seed: int = 0
    """Seed for initialisation, shuffling, dropout and augmentation."""
    modalities: tuple[Modality, ...] = ()
    """Modalities to use; default: all in the data set."""
    split: SplitConfig = SplitConfig()
    """Train/validation split."""
    model: ModelConfig = ModelConfig()
    """Network."""
    augment: AugmentConfig = AugmentConfig()
    """Feature augmentation."""
    waveform: WaveformConfig = WaveformConfig()
    """Waveform augmentation, before feature extraction."""
    optim: OptimConfig = OptimConfig()
    """Optimiser."""
    pretrain: PretrainConfig = PretrainConfig()
    """Autoencoder pretraining."""

    def __post_init__(self) -> None:
        check_range(self, "seed", least=0, most=LAST_SEED)
        if self.pretrain.epochs and self.split.folds:
            raise ConfigError(
                "cross-fitting cannot be combined with pretraining, which trains on all rows",
                "Use split.folds 0, or pretrain.epochs 0.",
            )
        used = {m: e for m, e in self.model.named.items() if m in (self.modalities or self.model.named)}
        for modality, encoder in used.items():
            if self.pretrain.epochs and encoder.kind != "report":
                raise ConfigError(
                    f"only report encoders can be pretrained, and model.{modality}.kind is {encoder.kind}",
                    "Use kind report, or pretrain.epochs 0.",
                )

    def parts(self) -> Iterator[tuple[str, str | None]]:
        """The family and name of each registered part (registry.py) that the model uses."""
        yield "fusion", self.model.fusion
        for encoder in (self.model.named or self.model.kinds).values():
            yield "encoder", encoder.kind
            yield "front-end", encoder.features.kind

    def naming(self, kinds: Mapping[Modality, str], others: bool = False) -> Config:
        """A copy whose model has a network by name for each modality in use; see `ModelConfig.naming`."""
        if not others:
            kinds = {m: kind for m, kind in kinds.items() if m in (self.modalities or kinds)}
        return dataclasses.replace(self, model=self.model.naming(kinds, others))
