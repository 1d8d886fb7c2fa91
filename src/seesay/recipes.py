"""Recipes: functions that return a complete training config. A variant calls another and changes two fields."""

from collections.abc import Callable

from seesay.config import Config
from seesay.errors import ConfigError, nearest


def small() -> Config:
    """The everyday model."""
    return Config()


RECIPES: dict[str, Callable[[], Config]] = {"small": small}


def recipe(name: str) -> Config:
    """The config of the recipe of this name. There is none: ConfigError with the nearest."""
    if name not in RECIPES:
        raise ConfigError(f"there is no recipe {name!r}", nearest(name, list(RECIPES)))
    return RECIPES[name]()
