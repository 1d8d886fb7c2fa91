"""Fill in the front end settings of a modality that its config leaves open, from its contents.

Pure functions of a config and a spec, without torch.
"""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from seesay.config import EncoderConfig, FeaturesConfig
from seesay.errors import ConfigError
from seesay.registry import find, names, resolved
from seesay.spec import ContentSpec, PictureSpec, WaveformSpec

WORD = 1.5
"""Seconds: longer clips are hardly single words, and their features are log-mel (docs/log.md)."""


@dataclass(frozen=True)
class Analysis:
    """Complete settings for making features of clips."""

    kind: str
    """`mfcc`, `log-mel`, or a registered front end."""
    rate: int
    """Samples per second."""
    seconds: float
    """Length of a clip."""
    window: float
    """Seconds of one analysis window."""
    shift: float
    """Seconds from one window to the next."""
    filters: int
    """Mel filters."""
    low: float
    """Hz, lower edge of the lowest filter."""
    high: float
    """Hz, upper edge of the highest filter."""
    coefficients: int
    """Number of cepstral coefficients of `mfcc`."""

    @property
    def samples(self) -> int:
        """Samples per clip."""
        return round(self.rate * self.seconds)

    @property
    def frames(self) -> int:
        """Whole windows in a clip, without padding: 39 for 1 s, 50 ms, 25 ms."""
        window, shift = round(self.rate * self.window), round(self.rate * self.shift)
        return (self.samples - window) // shift + 1

    @property
    def columns(self) -> int:
        """Columns of the feature matrix."""
        return self.filters if self.kind == "log-mel" else self.coefficients + 1


def features_for(encoder: EncoderConfig, spec: ContentSpec) -> FeaturesConfig:
    """The front end of a network for these contents, its kind chosen if the network has pretrained weights.
    ConfigError if they do not fit, or if the weights cannot be trained further and are to be."""
    features, part = encoder.features, find("encoder", encoder.kind)
    if not part.frozen or (part.kinds and spec.kind not in part.kinds):
        if encoder.finetune and encoder.kind != "auto":
            problem = f"finetune trains a pretrained network further, and {encoder.kind} is not pretrained"
            raise ConfigError(problem, "Remove finetune, or choose an encoder with pretrained weights.")
        return features
    kinds = find("front-end", part.trained).kinds if part.trained else ()
    if encoder.finetune and (not part.trained or (kinds and spec.kind not in kinds)):
        problem = f"the encoder {encoder.kind} cannot be trained further on the kind {spec.kind}"
        raise ConfigError(problem, "Remove finetune.")
    _, colon, argument = encoder.kind.partition(":")
    own = {part.frozen + colon + argument, part.trained}
    kind = part.trained if encoder.finetune else part.frozen + colon + argument
    if features.kind not in (None, kind):
        remedy = "Remove features.kind" + (" or finetune." if features.kind in own else ".")
        problem = f"the encoder {encoder.kind} needs the front end {kind}, got {features.kind}"
        raise ConfigError(problem, remedy)
    features = dataclasses.replace(features, kind=kind)
    if not isinstance(spec, PictureSpec):
        return features
    sides = _defaults(part.frozen + colon + argument, ("height", "width"), spec)
    return dataclasses.replace(features, **{n: v for n, v in sides.items() if getattr(features, n) is None})


def _defaults(kind: str | None, fields: Collection[str], spec: ContentSpec) -> dict[str, Any]:
    """The values of these fields of `FeaturesConfig` that a front end brings."""
    if kind is None:
        return {}
    found = resolved(find("front-end", kind).defaults)
    values = found if isinstance(found, Mapping) else found(kind, spec)
    return {name: value for name, value in values.items() if name in fields}


def _settings(kind: str | None, usual: Collection[str]) -> Collection[str]:
    """The fields that a front end uses of `usual`, those of its kind of content."""
    own = None if kind is None else find("front-end", kind).settings
    return usual if own is None else [name for name in usual if name in own]


def analysis_of(features: FeaturesConfig, spec: WaveformSpec) -> Analysis:
    """The analysis settings for clips of this spec, defaults filled in.

    Filters beyond half the rate, a window longer than a clip, or more coefficients than filters allow:
    ConfigError.
    """
    seconds = spec.seconds if features.seconds is None else features.seconds
    defaults: dict[str, Any] = {
        "kind": "log-mel" if seconds > WORD else "mfcc",
        "seconds": seconds,
        "window": 0.050,
        "shift": 0.025,
        "filters": 40,
        "low": 20.0,
        "high": spec.high or spec.rate / 2,
        "coefficients": 12,
    }
    defaults |= _defaults(features.kind, defaults, spec)
    _check_use(features, _settings(features.kind, tuple(defaults)), spec)
    given = {name: value for name, value in vars(features).items() if value is not None}
    analysis = Analysis(rate=spec.rate, **defaults | given)
    _check(analysis)
    return analysis


def settled_features(features: FeaturesConfig, spec: ContentSpec) -> FeaturesConfig:
    """The config with every field filled in that applies to contents of this spec.

    A set field that does not apply, or settings that `analysis_of` refuses: ConfigError.
    """
    if isinstance(spec, PictureSpec):
        _check_use(features, _settings(features.kind, spec.features), spec)
        usual: dict[str, Any] = {"height": spec.height, "width": spec.width, "fit": "crop"}
        usual |= _defaults(features.kind, usual, spec)
        given = {name: getattr(features, name) or value for name, value in usual.items()}
        return dataclasses.replace(features, **given)
    if not isinstance(spec, WaveformSpec):
        _check_use(features, spec.features, spec)
        return features
    analysis = analysis_of(features, spec)
    names = [f.name for f in dataclasses.fields(FeaturesConfig) if hasattr(analysis, f.name)]
    used = ("kind", *_settings(analysis.kind, names))
    filled = {name: getattr(analysis, name) for name in used}
    return FeaturesConfig(**filled | ({"coefficients": None} if analysis.kind == "log-mel" else {}))


def _check_use(features: FeaturesConfig, applicable: Collection[str], spec: ContentSpec) -> None:
    """ConfigError for a set field not in `applicable`, or a front end for other contents."""
    for name, value in vars(features).items():
        if value is not None and name not in (*applicable, "kind"):
            own = features.kind is not None and find("front-end", features.kind).settings is not None
            what = f"the front end {features.kind}" if own else spec
            raise ConfigError(f"features.{name} has no effect on {what}", "Remove it.")
    fitting = names("front-end", spec.kind)
    kinds = find("front-end", features.kind).kinds if features.kind is not None else ()
    if kinds and spec.kind not in kinds:
        remedy = f"Choose one of: {', '.join(fitting)}." if fitting else "Remove features.kind."
        raise ConfigError(f"the front end {features.kind} does not apply to {spec}", remedy)


def _check(analysis: Analysis) -> None:
    if min(round(analysis.rate * analysis.shift), round(analysis.rate * analysis.window)) < 1:
        raise ConfigError(
            f"window and shift must be at least one sample at {analysis.rate} Hz, "
            f"got window={analysis.window:g}, shift={analysis.shift:g}"
        )
    if not 0 <= analysis.low < analysis.high <= analysis.rate / 2:
        raise ConfigError(
            f"the mel filters must lie between 0 Hz and half the rate ({analysis.rate / 2:g} Hz), "
            f"and low below high; got low={analysis.low:g}, high={analysis.high:g}"
        )
    if analysis.frames < 1:
        raise ConfigError(
            f"a window of {analysis.window:g} s is longer than a clip of {analysis.seconds:g} s"
        )
    if analysis.kind == "mfcc" and not 1 <= analysis.coefficients < analysis.filters:
        raise ConfigError(
            f"{analysis.filters} filters allow 1 to {analysis.filters - 1} coefficients, "
            f"got {analysis.coefficients}"
        )
