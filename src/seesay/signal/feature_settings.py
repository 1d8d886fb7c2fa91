"""What the front end of a modality comes to: the open fields of its config follow from its contents.

Pure functions of a config and a spec, without torch.
"""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from seesay.config import FeaturesConfig
from seesay.errors import ConfigError
from seesay.registry import names
from seesay.spec import ContentSpec, PictureSpec, WaveformSpec

WORD = 1.5
"""Seconds: where clips are longer, they are hardly single words, and features are log-mel (docs/log.md)."""


@dataclass(frozen=True)
class Analysis:
    """How features are made of clips."""

    kind: str
    """`mfcc`, `log-mel`, or a front end from outside."""
    rate: int
    """Samples a second."""
    seconds: float
    """Of a clip."""
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
    """Cepstra of `mfcc`."""

    @property
    def samples(self) -> int:
        """Of a clip."""
        return round(self.rate * self.seconds)

    @property
    def frames(self) -> int:
        """Whole windows in a clip, without padding: 39 for 1 s, 50 ms, 25 ms."""
        window, shift = round(self.rate * self.window), round(self.rate * self.shift)
        return (self.samples - window) // shift + 1

    @property
    def columns(self) -> int:
        """Of the feature matrix."""
        return self.filters if self.kind == "log-mel" else self.coefficients + 1


def analysis_of(features: FeaturesConfig, spec: WaveformSpec) -> Analysis:
    """The analysis of clips like these, by this config.

    Filters beyond half the rate, a window that does not fit into a clip, more coefficients than filters
    allow: ConfigError.
    """
    seconds = spec.seconds if features.seconds is None else features.seconds
    usual: dict[str, Any] = {
        "kind": "log-mel" if seconds > WORD else "mfcc",
        "seconds": seconds,
        "window": 0.050,
        "shift": 0.025,
        "filters": 40,
        "low": 20.0,
        "high": spec.high or spec.rate / 2,
        "coefficients": 12,
    }
    _check_use(features, tuple(usual), spec)
    given = {name: value for name, value in vars(features).items() if value is not None}
    found = Analysis(rate=spec.rate, **usual | given)
    _check(found)
    return found


def settled_features(features: FeaturesConfig, spec: ContentSpec) -> FeaturesConfig:
    """The config with every open field filled in that contents like these have use for. Fields that they
    have none for, or what `analysis_of` refuses: ConfigError."""
    if isinstance(spec, PictureSpec):
        _check_use(features, spec.features, spec)
        height, width = features.height or spec.height, features.width or spec.width
        return dataclasses.replace(features, height=height, width=width, fit=features.fit or "crop")
    if not isinstance(spec, WaveformSpec):
        _check_use(features, spec.features, spec)
        return features
    found = analysis_of(features, spec)
    names = [f.name for f in dataclasses.fields(FeaturesConfig) if hasattr(found, f.name)]
    filled = {name: getattr(found, name) for name in names}
    return FeaturesConfig(**filled | ({"coefficients": None} if found.kind == "log-mel" else {}))


def _check_use(features: FeaturesConfig, known: Collection[str], spec: ContentSpec) -> None:
    """ConfigError for a field that changes nothing, and for a front end of other contents."""
    for name, value in vars(features).items():
        if value is not None and name not in (*known, "kind"):
            raise ConfigError(f"features.{name} changes nothing of {spec}", "Drop it.")
    fitting = names("front-end", spec.kind)
    if features.kind is not None and features.kind not in fitting:
        remedy = f"Choose one of: {', '.join(fitting)}." if fitting else "Drop features.kind."
        raise ConfigError(f"a front end {features.kind} is not made for {spec}", remedy)


def _check(found: Analysis) -> None:
    if min(round(found.rate * found.shift), round(found.rate * found.window)) < 1:
        raise ConfigError(
            f"window and shift must be at least one sample of {found.rate} a second, "
            f"got window={found.window:g}, shift={found.shift:g}"
        )
    if not 0 <= found.low < found.high <= found.rate / 2:
        raise ConfigError(
            f"the mel filters must lie between 0 Hz and half the rate ({found.rate / 2:g} Hz), "
            f"and low below high; got low={found.low:g}, high={found.high:g}"
        )
    if found.frames < 1:
        raise ConfigError(f"a window of {found.window:g} s does not fit into a clip of {found.seconds:g} s")
    if found.kind == "mfcc" and not 1 <= found.coefficients < found.filters:
        raise ConfigError(
            f"{found.filters} filters give 1 to {found.filters - 1} coefficients, got {found.coefficients}"
        )
