"""Every knob, as frozen dataclasses with a sentence under each field. Nothing here imports torch, so `--help`
is quick.

A config says how a model is built and trained; a recipe (recipes.py) is a function that returns a complete
one. What a data set holds is a spec (spec.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from seesay.errors import ConfigError
from seesay.plain import check_object, check_range, dataclass_from, from_dict, to_dict
from seesay.registry import Choice, check, names
from seesay.spec import Modality, spec_type

LAST_SEED = 2**32 - 1
"""The highest that numpy's, scikit-learn's and torch's generators all take."""


@dataclass(frozen=True)
class SplitConfig:
    """Which rows train, and which are scored after every epoch and calibrate. Test rows are the data set's
    own."""

    by: Literal["group", "content", "row"] = "group"
    """`group`: rows that share a picture, a recording or a speaker stay together; `content`: those that share
    a picture or a recording do; `row`: the naive split, which leaks."""
    valid: float | None = None
    """Fraction of the training rows that validate, as far as groups allow, unless the data set names its own.
    Default: 0.1; of few rows none, which are cross-fitted instead."""
    folds: int | None = None
    """Cross-fitting: so many models, each trained without one part of the rows, say what calibrates the model
    that is trained on all of them. 0: none. Default: 3 where rows are few."""
    seed: int = 0
    """Which groups these are."""

    def __post_init__(self) -> None:
        check_range(self, "valid", least=0, most=0.9)
        check_range(self, "folds", least=0, most=100)
        check_range(self, "seed", least=0, most=LAST_SEED)
        if self.folds == 1:
            raise ConfigError("cross-fitting needs 2 folds or more, or 0 for none, got 1")


@dataclass(frozen=True)
class FeaturesConfig:
    """The front end: how features are made of one modality's contents. Open fields follow from the data."""

    kind: Annotated[str | None, Choice("front-end")] = None
    """Recordings: `mfcc`: `coefficients` cepstra and the log energy; `log-mel`: the `filters` themselves.
    Default: mfcc of single words, log-mel of longer clips."""
    height: int | None = None
    """Pictures: pixels that they are scaled to. Default: as they are; of photos at most as many as 64 by
    64."""
    width: int | None = None
    """The same."""
    fit: Literal["crop", "pad", "stretch"] | None = None
    """Pictures: how those of another shape are made to fit. `crop`, the default: the middle, as large as it
    can be; `pad`: all of it, black beside it; `stretch`: all of it, its shape not kept."""
    seconds: float | None = None
    """Recordings: length of the clip where they are loudest; what is shorter stands in its middle. Default:
    as long as 95 % of them, 1 to 10 seconds."""
    window: float | None = None
    """Recordings: seconds of one analysis window (Hann). Default: 0.05."""
    shift: float | None = None
    """Recordings: seconds from one window to the next. Default: 0.025."""
    filters: int | None = None
    """Recordings: triangular mel filters (HTK scale). Default: 40."""
    low: float | None = None
    """Recordings: Hz, lower edge of the lowest filter. Default: 20."""
    high: float | None = None
    """Recordings: Hz, upper edge of the highest filter. Default: half the lowest rate of the sources, so that
    bandwidth tells nothing."""
    coefficients: int | None = None
    """MFCC only: cepstra 1 to this; the log energy is added behind them. Default: 12."""

    def __post_init__(self) -> None:
        check("front-end", self.kind)
        check_range(self, "window", "shift", "low", "high", least=0)
        check_range(self, "filters", "coefficients", "height", "width", least=1)
        check_range(self, "seconds", least=0, most=600)


@dataclass(frozen=True)
class EncoderConfig:
    """One modality's front end and network, from contents to an encoding."""

    kind: Annotated[str, Choice("encoder")] = "cnn"
    """`cnn`: convolutions over height and width of a picture, over time of a recording (its columns are
    channels); `deep`: two convolutions a block for a picture, residual blocks over time for a recording,
    behind 2-D convolutions if its columns are log-mel; `report`: the report's blocks at full resolution and a
    downsampling layer; `transformer`: attention over patches of a picture, frames of a recording; `mlp`:
    linear layers, for vectors."""
    width: int = 16
    """Channels of the first block (later ones of `cnn` have twice as many each, the third of a `deep` picture
    three times as many), or of a transformer's tokens."""
    layers: int = 3
    """Blocks."""
    dropout: float = 0.1
    """Share of a block's (`report`, `transformer`) or the encoding's (`cnn`) entries set to zero in
    training."""
    fusion_dropout: float = 0.0
    """Share of its encoding's entries that a learned fusion does not see in training. Much of it for a
    modality whose contents repeat: the fusion learns those by heart and trusts it more than it deserves."""
    weight_decay: float | None = None
    """Of AdamW, on its matrices and kernels; none: `optim.weight_decay`."""
    kernel: int = 3
    """`report` only: height and width of the convolutions."""
    stride: int = 1
    """`report` only: of the convolutions."""
    activation: Literal["relu", "sigmoid"] = "relu"
    """`report` only: between the layers."""
    features: FeaturesConfig = FeaturesConfig()
    """What the network is given."""

    def __post_init__(self) -> None:
        check("encoder", self.kind)
        check_range(self, "width", "layers", "kernel", "stride", least=1)
        check_range(self, "dropout", "fusion_dropout", least=0, most=0.95)
        if self.weight_decay is not None:
            check_range(self, "weight_decay", least=0)


def usual_encoders() -> dict[str, EncoderConfig]:
    """By kind of content the network of the everyday model."""
    return {kind: usual_encoder(kind) for kind in names("kind")}


def usual_encoder(kind: str) -> EncoderConfig:
    """The network of the everyday model for contents of this kind."""
    return EncoderConfig(**spec_type(kind).encoder)


SEESAY_S_KINDS = tuple(usual_encoders())
"""Those that a recipe knows; others bring their usual network."""


@dataclass(frozen=True)
class ModelConfig:
    """Front ends, encoders, fusion and heads."""

    dim: int = 64
    """Length of an encoding."""
    fusion: Annotated[str, Choice("fusion")] = "posterior-sum"
    """How the modalities become one prediction (model/fusion.py). `posterior-sum`: calibrated log-posteriors
    added, the optimum where picture and recording are independent given the class; the others are learned
    from the encodings."""
    hidden: int = 128
    """Units of the hidden layers of a learned fusion and of the heads."""
    fusion_layers: int = 2
    """Linear layers of a learned fusion, with ReLU between."""
    head_layers: int = 1
    """Linear layers from one encoding to what its modality says alone, with ReLU between."""
    kinds: Mapping[str, EncoderConfig] = field(default_factory=usual_encoders)
    """By kind of content the network of a modality that is not named below."""
    named: Mapping[Modality, EncoderConfig] = field(default_factory=dict)
    """By name of a modality its network. In JSON and in options these are fields of their own:
    `model.image.width`."""

    def __post_init__(self) -> None:
        check("fusion", self.fusion)
        check_range(self, "dim", "hidden", "fusion_layers", "head_layers", least=1)

    def of(self, modality: Modality, kind: str) -> EncoderConfig:
        """The network of a modality that has contents of this kind. There is none: ConfigError."""
        found = self.named.get(modality) or self.kinds.get(kind)
        if found is None and kind in SEESAY_S_KINDS:
            raise ConfigError(f"the config has no network for {modality}, a {kind}", "Use another recipe.")
        return usual_encoder(kind) if found is None else found

    def naming(self, kinds: Mapping[Modality, str], others: bool = False) -> ModelConfig:
        """The same model with every modality named, from the kind of its contents. `others`: whether those
        that are not among them stay possible."""
        named = {modality: self.of(modality, kind) for modality, kind in kinds.items()}
        if others:
            return dataclasses.replace(self, named={**self.named, **named})
        return dataclasses.replace(self, named=named, kinds={})

    def to_plain(self) -> dict[str, Any]:
        """As JSON has it: named modalities beside the fields."""
        plain = {f.name: to_dict(getattr(self, f.name)) for f in dataclasses.fields(self)}
        named = plain.pop("named")
        return plain | named

    @staticmethod
    def from_plain(values: Any, where: str = "model") -> ModelConfig:
        """What `to_plain` gave, or today's usual fields where some are absent. Other fields: ConfigError."""
        check_object("ModelConfig", values, where)
        fields = {f.name for f in dataclasses.fields(ModelConfig)}
        networks = {name: v for name, v in values.items() if name not in fields and isinstance(v, Mapping)}
        plain = {name: v for name, v in values.items() if name not in networks and name != "kinds"}
        found = dataclass_from(ModelConfig, plain, where)
        kinds = values.get("kinds", {} if networks else None)
        return dataclasses.replace(
            found,
            named=_encoders(networks, where),
            kinds=found.kinds if kinds is None else _encoders(kinds, f"{where}.kinds"),
        )


def _encoders(values: Any, where: str) -> dict[str, EncoderConfig]:
    check_object("kinds", values, where)
    return {name: from_dict(EncoderConfig, each, f"{where}.{name}") for name, each in values.items()}


@dataclass(frozen=True)
class AugmentConfig:
    """Random changes to the training rows' features. 0 turns one off."""

    shift: float = 0.07
    """Pictures: at most this share of the side, in both directions (2 of 28 pixels)."""
    rotate: float = 10.0
    """Pictures: degrees to either side."""
    zoom: float = 0.1
    """Pictures: larger or smaller, and stretched, by at most this share."""
    mirror: bool | None = None
    """Pictures: left and right swapped in half of the rows. Default: photos, but not what is drawn or
    written."""
    delay: float = 0.12
    """Recordings: earlier or later by at most this share of the clip."""
    stretch: float = 0.15
    """Recordings: slower or quicker by at most this share."""
    mask_frames: int = 8
    """Recordings: one run of up to this many frames is set to the mean (SpecAugment, Park et al. 2019)."""
    mask_columns: int = 3
    """Recordings: one run of up to this many feature columns is set to the mean."""
    tilt: float = 0.5
    """Recordings: standard deviation of a constant added to each column of a clip: another voice, microphone,
    room."""
    noise: float = 0.1
    """Recordings: standard deviation of Gaussian noise, in units of the normalised features."""
    repair: bool = True
    """New partners within the class at every epoch, where the data set says that pairs were drawn so."""

    def __post_init__(self) -> None:
        check_range(self, "shift", "zoom", "delay", "stretch", least=0, most=0.9)
        check_range(self, "rotate", "mask_frames", "mask_columns", "tilt", "noise", least=0)


@dataclass(frozen=True)
class WaveformConfig:
    """Random changes to the training rows' recordings, before features are made
    (signal/augment_waveforms.py). A share is one of the clips; 0 turns a change off."""

    views: int = 0
    """Changed copies of every training recording, made anew at each epoch, of which rows draw theirs. 0:
    recordings stay as they are, and their features are made once."""
    speed: float = 0.0
    """Played quicker or slower by at most this share, so that pitch and formants move as well: other
    speakers."""
    colour: float = 0.0
    """Standard deviation, in dB, of a smooth curve over frequency: other microphones."""
    band: float = 0.0
    """Share that loses the low and the high end of its band, as on a telephone."""
    echo: float = 0.0
    """Share that sounds in a room."""
    babble: float = 0.0
    """Share with another clip 6 to 30 dB beneath it."""
    noise: float = 0.0
    """Share with noise between white and brown, 0 to 40 dB beneath it."""
    gain: float = 0.0
    """Louder or softer by at most so many dB."""
    overdrive: float = 0.0
    """Share whose peaks are cut off."""
    trim: float = 0.0
    """Share cut out at the edges of the word, with digital silence around it, as many corpora are."""

    def __post_init__(self) -> None:
        check_range(self, "views", "colour", "gain", least=0)
        check_range(self, "speed", "band", "echo", "babble", "noise", "overdrive", "trim", least=0, most=1)


@dataclass(frozen=True)
class OptimConfig:
    """The optimiser: AdamW with a one-cycle learning rate and an average of the weights."""

    steps: int = 1404
    """Steps of a training on 60,000 rows; fewer rows take fewer, by the fifth root. What `epochs` follows
    from."""
    epochs: int | None = None
    """Passes over the training rows. Default: as many as come to `steps`."""
    batch: int | None = None
    """Rows of one step. Default: an eighth of the training rows, at most 256."""
    copies: int | None = None
    """Copies of each row in a step, each with its own augmentation (Hoffer et al. 2020). Default: as many as
    make 32 inputs, so that batch normalisation has enough to go by."""
    patience: int | None = None
    """Epochs without a better validation score or loss after which the learning rate goes down and training
    ends; 0: never. Default: a quarter of the epochs, 6 or more."""
    class_weights: Literal["none", "balanced", "auto"] = "none"
    """Weight of a row in the loss, by its class. `balanced`: all classes count the same; `auto`: half-way
    (the square root) where one class has more than 3 times the rows of another. Probabilities are put back
    to the fractions of the classes in training, so that neither gains anything in macro-F1 (docs/log.md)."""
    lr: float = 4e-3
    """Highest learning rate of the cycle."""
    weight_decay: float = 0.02
    """Of AdamW, on matrices and kernels only. An encoder may have its own, as pictures have in `small`."""
    label_smoothing: float = 0.05
    """Share of the target spread over all classes."""
    average: float = 0.05
    """Length of the moving average of the weights, as a share of all steps. The average is what is scored and
    kept; 0: the weights themselves."""
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    """Of the learning rate: up and down again, or always the same."""
    keep: Literal["last", "best"] = "last"
    """Which epoch's model: the last, or that of the highest mean score on validation rows. At the end of a
    cycle the weights hardly move, and the best of many noisy scores is chance; without one it is not."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 where the processor multiplies it quicker than float32, which is asked of it, not
    assumed."""

    def __post_init__(self) -> None:
        check_range(self, "steps", "epochs", "copies", least=1)
        check_range(self, "batch", least=2)
        check_range(self, "patience", least=0)
        check_range(self, "lr", least=1e-8, most=10)
        check_range(self, "weight_decay", least=0)
        check_range(self, "label_smoothing", "average", least=0, most=0.9)


@dataclass(frozen=True)
class PretrainConfig:
    """Encoders trained as autoencoders before there are labels: each reconstructs its own modality's
    features."""

    epochs: int = 0
    """Passes over the training rows; 0: encoders are trained with labels only."""
    batch: int = 64
    """Rows of one step."""
    lr: float = 1e-3
    """Learning rate of Adam, constant."""
    freeze: bool = True
    """Whether the encoders stay as they are while heads and fusion are trained on their encodings, which are
    then made once, of features that nothing has changed."""

    def __post_init__(self) -> None:
        check_range(self, "epochs", least=0)
        check_range(self, "batch", least=2)
        check_range(self, "lr", least=1e-8, most=10)


@dataclass(frozen=True)
class Config:
    """Everything that decides how a model is built and trained. Recipes make these."""

    seed: int = 0
    """Of the first weights, the order of rows, dropout and augmentation."""
    modalities: tuple[Modality, ...] = ()
    """Those of the data set that the model is given; empty: all that there are."""
    split: SplitConfig = SplitConfig()
    """Rows that train and rows that validate."""
    model: ModelConfig = ModelConfig()
    """The network."""
    augment: AugmentConfig = AugmentConfig()
    """Changes to the training rows' features."""
    waveform: WaveformConfig = WaveformConfig()
    """Changes to their recordings before that."""
    optim: OptimConfig = OptimConfig()
    """How weights move."""
    pretrain: PretrainConfig = PretrainConfig()
    """What comes before."""

    def __post_init__(self) -> None:
        check_range(self, "seed", least=0, most=LAST_SEED)
        if self.pretrain.epochs and self.split.folds:
            raise ConfigError(
                "autoencoders train on all rows, so nothing behind them can be cross-fitted",
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
        """The family and the name of each part (registry.py) of its model."""
        yield "fusion", self.model.fusion
        for encoder in (self.model.named or self.model.kinds).values():
            yield "encoder", encoder.kind
            yield "front-end", encoder.features.kind

    def naming(self, kinds: Mapping[Modality, str], others: bool = False) -> Config:
        """The same with every modality that is used named in the model, from the kind of its contents.
        `others`: see `ModelConfig.naming`."""
        if not others:
            kinds = {m: kind for m, kind in kinds.items() if m in (self.modalities or kinds)}
        return dataclasses.replace(self, model=self.model.naming(kinds, others))
