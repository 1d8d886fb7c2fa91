"""Reading `.npy` files without trusting them; writing results whole or not at all.

A result is written under a temporary name beside its target and renamed when complete, so a crash, a full
disk or a second run never leaves half a result, nor damages an existing one.
"""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

import numpy as np

from seesay.errors import InputError, OutputError


def cache_folder() -> Path:
    """The folder for what can be made or fetched again: SEESAY_CACHE, else `seesay` in the user's cache."""
    import pooch

    return Path(os.environ.get("SEESAY_CACHE") or pooch.os_cache("seesay"))


OURS = ("dataset.json", "epochs.jsonl", "report.json", "encodings.npz")
"""Files that only seesay writes: `overwrite` may delete a folder that holds one of them."""

MAGIC = b"\x93NUMPY"
"""First bytes of a `.npy` file (numpy.lib.format)."""


def read_array(path: Path | str, mapped: bool = True) -> np.ndarray:
    """The array in a `.npy` file, memory-mapped if `mapped`. Pickled, truncated or empty: InputError."""
    path = Path(path)
    check_file(path)
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if start != MAGIC[: len(start)]:
        raise InputError(f"{path} is not a .npy file", "Save one array with numpy.save.")
    try:
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except Exception as error:  # a damaged header makes numpy's parsers raise nearly anything
        raise InputError(*_why_unreadable(path, error)) from None


def check_file(path: Path) -> None:
    """InputError unless `path` is a file that is not empty."""
    if path.is_dir():
        raise InputError(f"{path} is a folder, expected a file", "Check the path.")
    if not path.is_file():
        raise InputError(f"{path} does not exist", "Check the path.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty", "Copy or download it again.")


def _why_unreadable(path: Path, error: Exception) -> tuple[str, str]:
    if "Object arrays cannot be loaded" in str(error) or "Array can't be memory-mapped" in str(error):
        return (
            f"{path} holds pickled objects, which can run code and are never loaded",
            "Save a numeric array.",
        )
    return f"{path} cannot be read as an array, it may be truncated ({error})", "Copy or download it again."


@contextlib.contextmanager
def writing(path: Path | str) -> Generator[None]:
    """Turn OSError (full disk, no permission) in the block into OutputError."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            f"Nothing was changed; {'free some space or ' * full}choose another path.",
        ) from error


@contextlib.contextmanager
def new_file(path: Path | str, mode: str = "w", **options: Any) -> Generator[IO[Any]]:
    """Like `open(path, mode)`, but the file appears at `path` only if the block succeeds."""
    path = Path(path)
    with writing(path):
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
def new_folder(path: Path | str, overwrite: bool = False) -> Generator[Path]:
    """A temporary folder that becomes `path` if the block succeeds; `check_new_folder` if `path` exists."""
    path = Path(path)
    with writing(path):
        check_new_folder(path, overwrite, delete=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            check_new_folder(path, overwrite, delete=False)
            _put(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def check_new_folder(path: Path | str, overwrite: bool, delete: bool = True) -> None:
    """Check that a folder may be created at `path` and, with `delete`, remove an old one there.

    OutputError if `path` exists, unless it is an empty folder, or seesay made it and `overwrite` is set.
    """
    path = Path(path)
    if path.is_symlink():
        raise OutputError(f"{path} is a link, expected a new folder", "Choose another name.")
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputError(f"{path} is a file, expected a new folder", "Choose another name.")
    if any(path.iterdir()):
        if not overwrite:
            raise OutputError(
                f"{path} exists already", "Choose another name, or add --overwrite to replace it."
            )
        if not _is_ours(path):
            raise OutputError(f"{path} was not made by seesay, so it is not replaced", "Choose another name.")
    if delete:
        shutil.rmtree(path)


def _is_ours(folder: Path) -> bool:
    """Whether seesay made the folder. Other programs write these JSON files too; ours name seesay."""
    named = (folder / "config.json", folder / "model.json")
    return any((folder / name).exists() for name in OURS) or any(
        path.is_file() and b'"seesay"' in path.read_bytes() for path in named
    )


def _put(temporary: Path, path: Path) -> None:
    """Rename `temporary` to `path`; an old folder there is moved aside first and deleted after."""
    aside = temporary.with_name(f"{temporary.name}.old")
    if path.exists():
        path.rename(aside)
    try:
        temporary.rename(path)
    except OSError:
        if aside.exists():
            aside.rename(path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
