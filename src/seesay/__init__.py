"""Classifies what is seen and said: one small model for a picture, a recording, or both.

A public name comes from the module that holds it when it is first used, so that `import seesay`, and with it
`seesay --help`, does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the names of `_HOME` once more, for editors and type checkers
    __version__: str

__all__ = ["__version__"]

_HOME: dict[str, str] = {}
"""Public name → the module that holds it: {"fit": "learn.train"} stands for seesay.learn.train.fit."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # 20 ms, and seldom asked for

        return version("seesay")
    if name in _HOME:
        return getattr(import_module(f"seesay.{_HOME[name]}"), name)
    raise AttributeError(f"module 'seesay' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
