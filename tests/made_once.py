"""What takes long to make and is the same for every test: made once, for all workers of a test run."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from seesay.data.dataset import Dataset, subset_with_contents
from seesay.formats.digits import digits_dataset
from seesay.learn.run import Run
from tiny import tiny_run


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """The file or folder of this name that `make` writes; whoever asks first makes it, the others wait.
    Not to be changed."""
    path = Path(os.environ["SEESAY_TESTS"]) / name
    with FileLock(path.with_name(f"{name}.lock")):
        if not path.exists():
            part = path.with_name(f"{name}.part")
            make(part)
            part.rename(path)
    return path


def finished_run() -> Run:
    """The tiny run with the usual config."""
    return Run.open(made_once("run", lambda folder: tiny_run(folder) and None))


def exported_run() -> Path:
    """Its graph, as `export` writes it. The test is skipped without the extra onnx."""
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="needs the extra onnx")
    from seesay.serve.export import export

    return made_once("model.onnx", lambda path: export(finished_run(), path))


@cache
def few_digits() -> Dataset:
    """Every tenth row of the data set `digits`, in a tenth of the time."""

    def make(folder: Path) -> None:
        whole = digits_dataset()
        subset_with_contents(whole, np.arange(0, len(whole), 10)).save(folder)

    return Dataset.open(made_once("digits", make))
