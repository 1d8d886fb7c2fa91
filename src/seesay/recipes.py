"""Recipes: functions that return a complete training config. A variant calls another and changes two
fields."""

import dataclasses
from collections.abc import Callable

from seesay.config import AugmentConfig, Config, EncoderConfig, ModelConfig, OptimConfig, PretrainConfig
from seesay.errors import ConfigError, nearest


def small() -> Config:
    """The everyday model."""
    return Config()


def demo() -> Config:
    """`small` for a data set of a few hundred rows: smaller batches and more passes."""
    config = small()
    return dataclasses.replace(config, optim=dataclasses.replace(config.optim, epochs=24, batch=64))


def image_only() -> Config:
    """`small` for pictures alone."""
    return dataclasses.replace(small(), modalities=("image",))


def audio_only() -> Config:
    """`small` for recordings alone."""
    return dataclasses.replace(small(), modalities=("audio",))


def report() -> Config:
    encoder = EncoderConfig(
        kind="report", width=16, layers=2, dropout=0.2, kernel=3, stride=1, activation="relu"
    )
    return Config(
        model=ModelConfig(
            dim=128,
            image=dataclasses.replace(encoder, fusion_dropout=0.1),
            audio=dataclasses.replace(encoder, fusion_dropout=0.8),
            fusion="concat",
            fusion_layers=2,
            hidden=256,
            head_layers=2,
        ),
        augment=AS_IT_IS,
        optim=ADAM,
        pretrain=PretrainConfig(epochs=2, batch=64, lr=1e-3, freeze=True),
    )


def report_image() -> Config:
    optim = dataclasses.replace(ADAM, epochs=3)
    return dataclasses.replace(report(), modalities=("image",), optim=optim, pretrain=PretrainConfig())


def report_audio() -> Config:
    return dataclasses.replace(report_image(), modalities=("audio",))


ADAM = OptimConfig(
    epochs=10, batch=64, lr=1e-3, weight_decay=0.0, label_smoothing=0.0, average=0.0, schedule="constant"
)
"""The report's optimiser: AdamW without decay is Adam; nothing is smoothed or averaged."""

AS_IT_IS = AugmentConfig(
    shift=0.0,
    rotate=0.0,
    zoom=0.0,
    delay=0.0,
    stretch=0.0,
    mask_frames=0,
    mask_columns=0,
    tilt=0.0,
    noise=0.0,
    repair=False,
)
"""No row is changed."""

RECIPES: dict[str, Callable[[], Config]] = {
    "small": small,
    "demo": demo,
    "image-only": image_only,
    "audio-only": audio_only,
    "report": report,
    "report-image": report_image,
    "report-audio": report_audio,
}


def recipe(name: str) -> Config:
    """The config of the recipe of this name. There is none: ConfigError with the nearest."""
    if name not in RECIPES:
        raise ConfigError(f"there is no recipe {name!r}", nearest(name, list(RECIPES)))
    return RECIPES[name]()
