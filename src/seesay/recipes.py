"""Recipes: functions that return a complete training config. A variant calls another and changes two fields."""

import dataclasses
from collections.abc import Callable

from seesay.config import Config
from seesay.errors import ConfigError, nearest


def small() -> Config:
    """The everyday model."""
    return Config()


def demo() -> Config:
    """`small` for a data set of a few hundred rows: smaller batches and more passes."""
    config = small()
    return dataclasses.replace(config, optim=dataclasses.replace(config.optim, epochs=24, batch=64))


RECIPES: dict[str, Callable[[], Config]] = {"small": small, "demo": demo}


def recipe(name: str) -> Config:
    """The config of the recipe of this name. There is none: ConfigError with the nearest."""
    if name not in RECIPES:
        raise ConfigError(f"there is no recipe {name!r}", nearest(name, list(RECIPES)))
    return RECIPES[name]()
