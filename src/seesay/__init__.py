"""Classifies what is seen and said: one small model for a picture, a recording, or both.

A public name comes from the module that holds it when it is first used, so that `import seesay`, and with it
`seesay --help`, does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the names of `_HOME` once more, for editors and type checkers
    from seesay.config import Config as Config
    from seesay.data.dataset import Dataset as Dataset
    from seesay.data.splits import split as split
    from seesay.errors import InputError as InputError
    from seesay.errors import SeesayError as SeesayError
    from seesay.estimator import SeesayClassifier as SeesayClassifier
    from seesay.formats.columns import Rows as Rows
    from seesay.formats.open import import_data as import_data
    from seesay.formats.open import open_data as open_data
    from seesay.learn.fit import fit as fit
    from seesay.learn.run import Run as Run
    from seesay.learn.run import begin as begin
    from seesay.learn.run import train as train
    from seesay.measure.evaluate import evaluate as evaluate
    from seesay.model.classifier import build as build
    from seesay.recipes import recipe as recipe
    from seesay.registry import register as register
    from seesay.serve.predict import Predictor as Predictor
    from seesay.serve.predict import load as load
    from seesay.spec import Spec as Spec

    __version__: str

__all__ = [
    "Config",
    "Dataset",
    "InputError",
    "Predictor",
    "Rows",
    "Run",
    "SeesayClassifier",
    "SeesayError",
    "Spec",
    "__version__",
    "begin",
    "build",
    "evaluate",
    "fit",
    "import_data",
    "load",
    "open_data",
    "recipe",
    "register",
    "split",
    "train",
]

_HOME: dict[str, str] = {
    "Config": "config",
    "Dataset": "data.dataset",
    "InputError": "errors",
    "Predictor": "serve.predict",
    "Rows": "formats.columns",
    "Run": "learn.run",
    "SeesayClassifier": "estimator",
    "SeesayError": "errors",
    "Spec": "spec",
    "begin": "learn.run",
    "build": "model.classifier",
    "evaluate": "measure.evaluate",
    "fit": "learn.fit",
    "import_data": "formats.open",
    "load": "serve.predict",
    "open_data": "formats.open",
    "recipe": "recipes",
    "register": "registry",
    "split": "data.splits",
    "train": "learn.run",
}
"""Public name → the module that holds it: {"fit": "learn.fit"} stands for seesay.learn.fit.fit."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # 20 ms, and seldom asked for

        return version("seesay")
    if name in _HOME:
        return getattr(import_module(f"seesay.{_HOME[name]}"), name)
    raise AttributeError(f"module 'seesay' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
