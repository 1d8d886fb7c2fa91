"""Read ready-made contents: feature matrices, or vectors from another network."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from seesay.errors import InputError
from seesay.files import read_array
from seesay.spec import ContentSpec


def read_ready_made(source: Any, spec: ContentSpec) -> Float[np.ndarray, "*shape"]:
    """The array, or the one in a `.npy` file, as float32. Another shape, NaN or another kind of file:
    InputError, since nobody knows how to make such features of a file."""
    what = f"a {spec.kind} of shape {spec.shape}"
    if isinstance(source, str | PathLike) and Path(source).suffix.lower() == ".npy":
        source = read_array(Path(source))
    if not isinstance(source, np.ndarray):
        name = str(source) if isinstance(source, str | PathLike) else "the recording"
        raise InputError(
            f"{name} cannot be turned into {what}: this model was trained on ready-made arrays",
            "Give an array made the same way, or a .npy file of one.",
        )
    if source.shape != spec.shape or source.dtype.kind not in "fiu":
        raise InputError(f"expected {what}, of numbers, got {source.dtype} of shape {source.shape}")
    if not np.isfinite(source).all():
        raise InputError(f"the {spec.kind} holds NaN or infinite values")
    return source.astype(np.float32)
