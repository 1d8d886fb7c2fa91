"""Files: arrays read with suspicion, results written all or nothing.

A result is written under a temporary name beside its target and renamed when it is whole, so a crash, a full disk or a
second run never leaves half of anything, and what stood there before still does.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from seesay.errors import InputError, OutputError

OURS = ("dataset.json", "config.json", "report.json", "encodings.npz")
"""A folder that holds one of these was made by seesay, so `overwrite` may delete it."""


def read_array(path: Path | str, mapped: bool = True) -> np.ndarray:
    """The array of a `.npy` file, memory-mapped unless `mapped` is false. Pickled, truncated or empty files: InputError."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not there", "Check the path.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty", "Copy or download it again.")
    try:
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(*_why_unreadable(path, error)) from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays, expected one", "Hand over a .npy file.")
    return array


def _why_unreadable(path: Path, error: Exception) -> tuple[str, str]:
    if (
        "pickle" in str(error).lower()
        or "Python object" in str(error)
        or "Array can't be memory-mapped" in str(error)
    ):
        with path.open("rb") as file:
            if file.read(6) == b"\x93NUMPY":
                return (
                    f"{path} holds pickled objects, which can run code and are never loaded",
                    "Save a numeric array.",
                )
        return f"{path} is not a .npy file", "Save it with numpy.save."
    return f"{path} cannot be read as an array, it may be truncated ({error})", "Copy or download it again."


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Turns a disk that is full or refuses into OutputError."""
    try:
        yield
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise OutputError(
            f"cannot write{where}: {error.strerror or error}", "Nothing was changed; make room."
        ) from error


@contextlib.contextmanager
def new_file(path: Path | str, mode: str = "w", **options: Any) -> Iterator[IO[Any]]:
    """`open(path, mode)` whose file appears under its name only when the block ends well."""
    path = Path(path)
    with writing():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        try:
            with Path(name).open(mode, **options) as file:
                yield file
            Path(name).chmod(0o666 & ~_umask())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: Path | str, overwrite: bool = False) -> Iterator[Path]:
    """A temporary folder that takes the name `path` when the block ends well. `path` exists already: see `make_way`."""
    path = Path(path)
    make_way(path, overwrite, delete=False)
    with writing():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            make_way(path, overwrite)
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def make_way(path: Path | str, overwrite: bool, delete: bool = True) -> None:
    """Refuses (OutputError) a path that exists, unless it is an empty folder, or `overwrite` is set and seesay made it."""
    path = Path(path)
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputError(f"{path} is a file, expected a folder to make", "Choose another name.")
    if any(path.iterdir()):
        if not overwrite:
            raise OutputError(
                f"{path} exists already", "Choose another name, or add --overwrite to replace it."
            )
        if not any((path / name).exists() for name in OURS):
            raise OutputError(f"{path} was not made by seesay, so it is not replaced", "Choose another name.")
    if delete:
        shutil.rmtree(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
