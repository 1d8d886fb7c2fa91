"""The door for what comes ready-made: a matrix of features, or a vector that another network has made."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from seesay.errors import InputError
from seesay.files import read_array
from seesay.spec import ContentSpec


def read_ready_made(source: Any, spec: ContentSpec) -> Float[np.ndarray, "*shape"]:
    """The array, or that in a `.npy` file, as float32, if it is one of exactly the spec's shape, of finite
    numbers; else InputError: no other file can be turned into one, how they were made is not known."""
    what = f"a {spec.kind} of shape {spec.shape}"
    if isinstance(source, str | PathLike) and Path(source).suffix.lower() == ".npy":
        source = read_array(Path(source))
    if not isinstance(source, np.ndarray):
        name = str(source) if isinstance(source, str | PathLike) else "the recording"
        raise InputError(
            f"{name} cannot be turned into {what}: this model's came ready-made, how is not known",
            "Give an array made as those were, or a .npy file of one.",
        )
    if source.shape != spec.shape or source.dtype.kind not in "fiu":
        raise InputError(f"expected {what}, of numbers, got {source.dtype} of shape {source.shape}")
    if not np.isfinite(source).all():
        raise InputError(f"the {spec.kind} holds values that are not a number or infinite")
    return source.astype(np.float32)
