"""Optional packages, and the extra of seesay that brings each."""

from importlib import import_module
from types import ModuleType

from seesay.errors import InputError


def package(name: str, what: str, extra: str = "onnx") -> ModuleType:
    """A package of an extra. InputError if it is not installed; `what`: what needs it."""
    try:
        return import_module(name)
    except ImportError:
        problem = f"{what} needs the package {name}, which is not installed"
        raise InputError(problem, f"Run `pip install 'seesay[{extra}]'`.") from None
