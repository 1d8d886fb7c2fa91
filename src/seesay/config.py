"""Every knob, as frozen dataclasses with a sentence under each field. Nothing here imports torch, so `--help`
is quick.

Two families. A *spec* says what a data set is: its modalities, what one content of each is, and how features
are made from it. It is written once by `seesay data` and travels with every model. A *config* says how a
model is built and trained; a recipe (recipes.py) is a function that returns a complete one.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from seesay.errors import ConfigError, nearest

Modality = str

MODALITIES: tuple[Modality, ...] = ("image", "audio")
"""The fixed order of the modalities, wherever they stand side by side."""


# ------------------------------------------------------------------------------------------------------ specs


@dataclass(frozen=True)
class ImageSpec:
    """What a picture content is, `(channels, height, width)`, and how a file becomes one."""

    reader: Literal["ink", "photo", "unknown"] = "ink"
    """`ink`: polarity found, ink cropped, scaled and centred as MNIST was; `photo`: scaled to the size as
    `fit` says; `unknown`: ready-made arrays, how they came about is not known, so a picture file cannot be
    read into them."""
    channels: int = 1
    """1 for grey, 3 for RGB."""
    height: int = 28
    """Pixels."""
    width: int = 28
    """Pixels."""
    standardised: bool = False
    """Ready-made arrays of floats around 0, whose values are used as they are."""
    fit: Literal["pad", "crop", "stretch"] = dataclasses.field(default="crop", kw_only=True)
    """`photo` only: how a picture of another shape is made to fit. `crop`: the middle, as large as it can be;
    `pad`: all of it, black beside it; `stretch`: all of it, its shape not kept."""
    white: float | None = dataclasses.field(default=None, kw_only=True)
    """`photo` only: the value that is white in pictures of more than 8 bits, where the file does not say it
    (4,095 for 12-bit scans in 16-bit files). None: by type, 65,535 for whole numbers and 1 for floats."""

    def __post_init__(self) -> None:
        if self.white is not None:
            _check(self, "white", least=1)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of a content and of its features alike: (channels, height, width)."""
        return (self.channels, self.height, self.width)


@dataclass(frozen=True)
class AudioSpec:
    """What a recording content is, and how features `(frames, coefficients)` are made from it."""

    features: Literal["mfcc", "log-mel", "unknown"] = "mfcc"
    """`mfcc`: `coefficients` cepstra and the log energy; `log-mel`: the `filters` themselves; `unknown`:
    contents are ready-made feature matrices whose making is not known, so a recording cannot be read into
    them."""
    rate: int = 16_000
    """Samples a second."""
    seconds: float = 1.0
    """Length of the clip around the word."""
    window: float = 0.050
    """Seconds of one analysis window (Hann)."""
    shift: float = 0.025
    """Seconds from one window to the next."""
    filters: int = 40
    """Triangular mel filters (HTK scale)."""
    low: float = 20.0
    """Hz, lower edge of the lowest filter."""
    high: float = 4_000.0
    """Hz, upper edge of the highest filter; half the lowest rate of the sources, so that bandwidth tells
    nothing."""
    coefficients: int = 12
    """MFCC only: cepstra 1 to this; the log energy is added behind them."""
    mean: tuple[float, ...] = ()
    """Per feature column, over the frames of the training clips; subtracted. Empty: not normalised yet."""
    scale: tuple[float, ...] = ()
    """Per feature column: the standard deviation divided by. Empty: not normalised yet."""
    frames: int = 39
    """Rows of the feature matrix. For `mfcc` and `log-mel` it follows from the fields above."""
    columns: int = 13
    """Columns of the feature matrix; the same."""

    def __post_init__(self) -> None:
        if self.features == "unknown":
            return
        self._check_samples()
        object.__setattr__(self, "frames", self.frames_of_clip())
        columns = self.filters if self.features == "log-mel" else self.coefficients + 1
        object.__setattr__(self, "columns", columns)
        self._check_columns()

    def _check_samples(self) -> None:
        if min(self.rate, round(self.rate * self.shift), round(self.rate * self.window)) < 1:
            raise ConfigError(
                f"rate, window and shift must be at least one sample, "
                f"got rate={self.rate}, window={self.window:g}, shift={self.shift:g}"
            )
        if not 0 <= self.low < self.high <= self.rate / 2:
            raise ConfigError(
                f"the mel filters must lie between 0 Hz and half the rate ({self.rate / 2:g} Hz), "
                f"and low below high; got low={self.low:g}, high={self.high:g}"
            )
        if self.frames_of_clip() < 1:
            raise ConfigError(f"a window of {self.window:g} s does not fit into a clip of {self.seconds:g} s")

    def _check_columns(self) -> None:
        if self.features == "mfcc" and not 1 <= self.coefficients < self.filters:
            raise ConfigError(
                f"{self.filters} filters give 1 to {self.filters - 1} coefficients, got {self.coefficients}"
            )
        if {len(self.mean), len(self.scale)} not in ({0}, {self.columns}):
            raise ConfigError(
                f"mean and scale need {self.columns} values each or none, "
                f"got {len(self.mean)} and {len(self.scale)}"
            )

    @property
    def samples(self) -> int:
        """Samples of a clip."""
        return round(self.rate * self.seconds)

    def frames_of_clip(self) -> int:
        """Whole windows in a clip, without padding: 39 for 1 s, 50 ms, 25 ms."""
        return math.floor((self.samples - round(self.rate * self.window)) / round(self.rate * self.shift)) + 1

    @property
    def shape(self) -> tuple[int, int]:
        """Of the features: (frames, columns)."""
        return (self.frames, self.columns)


@dataclass(frozen=True)
class Spec:
    """What a data set holds and a model reads: modalities, each with its contents and features, and the class
    names."""

    classes: tuple[str, ...]
    """Names of the classes; a label is an index into them."""
    image: ImageSpec | None = None
    """None: the data set has no pictures."""
    audio: AudioSpec | None = None
    """None: the data set has no recordings."""

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Those that it has, in the fixed order."""
        return tuple(m for m in MODALITIES if self[m] is not None)

    def __getitem__(self, modality: Modality) -> Any:
        return getattr(self, modality)


# ---------------------------------------------------------------------------------------------------- configs


LAST_SEED = 2**32 - 1
"""The highest that numpy's, scikit-learn's and torch's generators all take."""


def _check(config: Any, *names: str, least: int | float, most: int | float = math.inf) -> None:
    """ConfigError where one of these fields is not between the two, or not finite. None is a default that
    follows from the data."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not (least <= value <= most and math.isfinite(value)):
            limits = f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}"
            raise ConfigError(f"{name} must be {limits}, got {value:g}")


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
        _check(self, "valid", least=0, most=0.9)
        _check(self, "folds", least=0, most=100)
        _check(self, "seed", least=0, most=LAST_SEED)
        if self.folds == 1:
            raise ConfigError("cross-fitting needs 2 folds or more, or 0 for none, got 1")


@dataclass(frozen=True)
class EncoderConfig:
    """One modality's network from features to an encoding."""

    kind: Literal["cnn", "deep", "report", "transformer"] = "cnn"
    """`cnn`: convolutions over height and width of a picture, over time of a recording (its columns are
    channels); `deep`: two convolutions a block for a picture, residual blocks over time for a recording,
    behind 2-D convolutions if its columns are log-mel; `report`: the report's blocks at full resolution and a
    downsampling layer; `transformer`: attention over patches of a picture, frames of a recording."""
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

    def __post_init__(self) -> None:
        _check(self, "width", "layers", "kernel", "stride", least=1)
        _check(self, "dropout", "fusion_dropout", least=0, most=0.95)
        if self.weight_decay is not None:
            _check(self, "weight_decay", least=0)


@dataclass(frozen=True)
class ModelConfig:
    """Encoders, fusion and heads."""

    dim: int = 64
    """Length of an encoding."""
    image: EncoderConfig = EncoderConfig(weight_decay=1.0)
    """The picture's encoder. Pictures gain from much decay, recordings nothing (docs/log.md)."""
    audio: EncoderConfig = EncoderConfig(width=64)
    """The recording's encoder."""
    fusion: Literal["concat", "gated", "attention", "low-rank", "mean", "posterior-sum"] = "posterior-sum"
    """How the modalities become one prediction (model/fusion.py). `posterior-sum`: calibrated log-posteriors
    added, the optimum where picture and recording are independent given the class; the others are learned
    from the encodings."""
    hidden: int = 128
    """Units of the hidden layers of a learned fusion and of the heads."""
    fusion_layers: int = 2
    """Linear layers of a learned fusion, with ReLU between."""
    head_layers: int = 1
    """Linear layers from one encoding to what its modality says alone, with ReLU between."""

    def __post_init__(self) -> None:
        _check(self, "dim", "hidden", "fusion_layers", "head_layers", least=1)


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
        _check(self, "shift", "zoom", "delay", "stretch", least=0, most=0.9)
        _check(self, "rotate", "mask_frames", "mask_columns", "tilt", "noise", least=0)


@dataclass(frozen=True)
class WaveformConfig:
    """Random changes to the training rows' recordings, before features are made (signal/waveforms.py). A
    share is one of the clips; 0 turns a change off."""

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
        _check(self, "views", "colour", "gain", least=0)
        _check(self, "speed", "band", "echo", "babble", "noise", "overdrive", "trim", least=0, most=1)


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
        _check(self, "steps", "epochs", "copies", least=1)
        _check(self, "batch", least=2)
        _check(self, "patience", least=0)
        _check(self, "lr", least=1e-8, most=10)
        _check(self, "weight_decay", least=0)
        _check(self, "label_smoothing", "average", least=0, most=0.9)


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
        _check(self, "epochs", least=0)
        _check(self, "batch", least=2)
        _check(self, "lr", least=1e-8, most=10)


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
        _check(self, "seed", least=0, most=LAST_SEED)
        for modality in self.modalities:
            if modality not in MODALITIES:
                raise ConfigError(f"{modality!r} is no modality", nearest(modality, list(MODALITIES)))
        if self.pretrain.epochs and self.split.folds:
            raise ConfigError(
                "autoencoders train on all rows, so nothing behind them can be cross-fitted",
                "Use split.folds 0, or pretrain.epochs 0.",
            )
        for modality in self.modalities or MODALITIES:
            kind = getattr(self.model, modality).kind
            if self.pretrain.epochs and kind != "report":
                raise ConfigError(
                    f"only report encoders can be pretrained, and model.{modality}.kind is {kind}",
                    "Use kind report, or pretrain.epochs 0.",
                )


# ------------------------------------------------------------------------------------------- to and from JSON


def to_json(config: Any) -> str:
    """Any spec or config as indented JSON; `from_dict` is its inverse."""
    return json.dumps(dataclasses.asdict(config), indent=2)


def from_dict(kind: Any, values: Any, where: str = "") -> Any:
    """The dataclass `kind` from plain values as JSON gives them. An unknown field or a value of another type:
    ConfigError."""
    if dataclasses.is_dataclass(kind):
        return _dataclass_from(kind, values, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if values is None:
            return None
        return from_dict(next(a for a in arguments if a is not type(None)), values, where)
    if origin is Literal:
        if values not in arguments:
            raise ConfigError(f"{where} is {values!r}", nearest(str(values), [str(a) for a in arguments]))
        return values
    if origin is tuple:
        if not isinstance(values, list | tuple):
            raise ConfigError(f"{where} must be a list, got {values!r}")
        return tuple(from_dict(arguments[0], v, where) for v in values)
    if kind is float and isinstance(values, int) and not isinstance(values, bool):
        return float(values)
    if not isinstance(values, kind) or (kind is int and isinstance(values, bool)):
        raise ConfigError(f"{where} must be {kind.__name__}, got {values!r}")
    return values


def _dataclass_from(kind: Any, values: Any, where: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where or kind.__name__} must be an object with fields, got {values!r}")
    hints = get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(kind)]
    for name in values:
        if name not in names:
            raise ConfigError(f"{f'{where}.' if where else ''}{name} is not a field", nearest(name, names))
    try:
        return kind(**{n: from_dict(hints[n], v, f"{where}.{n}" if where else n) for n, v in values.items()})
    except TypeError as error:  # a field without a default is absent
        raise ConfigError(f"{where or kind.__name__}: {error}") from None
