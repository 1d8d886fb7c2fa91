"""The *Written and spoken digits database*, fetched from Zenodo, file by file, resumable.

A file grows as `NAME.part` and is renamed only when its checksum is right. So a file under its final name is
complete, and an interrupted download resumes where it stopped.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pooch
import requests

from seesay.errors import InputError, OutputError
from seesay.files import cache_folder

ZENODO_API = "https://zenodo.org/api"
"""`{api}/records/{id}` answers with JSON: `files: [{key, size, checksum: "md5:...", links: {self: url}}]`."""

RECORD = "4452953"
"""Version 2 of the database (Khacef, Rodriguez, Miramond), DOI 10.5281/zenodo.4452953."""

WSD_FILES = tuple(
    f"{kind}_{split}.npy" for split in ("train", "test") for kind in ("data_wr", "data_sp", "labels")
)
"""Written digits, spoken digits and labels, for train and test."""

TIMEOUT = 60.0
"""Seconds without data after which a connection is given up."""

CHUNK = 1 << 16
"""Bytes written at a time: the most that a broken connection loses."""

AGAIN = "Run the same command again to resume."
BY_HAND = (
    f"Try again later, or download the six files from https://doi.org/10.5281/zenodo.{RECORD} by hand "
    "and import their folder with seesay data import."
)

Progress = Callable[[int, int, str], None]
"""Called with (bytes so far, total bytes, file name) as data arrive."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of the record: `size` in bytes, `checksum` as `md5:...`."""

    name: str
    url: str
    size: int
    checksum: str


def wsd_folder() -> Path:
    """Folder of the database: `wsd` in the folder SEESAY_CACHE, else in the user's cache."""
    return cache_folder() / "wsd"


def wsd() -> Path:
    """The folder with the six files of the database, downloaded with progress bars if any is missing.

    Needs no network once they exist. Errors as in `download_wsd`.
    """
    folder = wsd_folder()
    if all((folder / name).is_file() for name in WSD_FILES):
        return folder
    with progress_bars() as progress:
        return download_wsd(folder, progress=progress)


def download_wsd(
    out: Path | str | None = None,
    *,
    api: str = ZENODO_API,
    progress: Progress = lambda done, total, name: None,
    say: Callable[[str], None] = lambda line: None,
    timeout: float = TIMEOUT,
) -> Path:
    """Download the six files into `out`, or `wsd_folder()`, and return that folder.

    Existing files with the right checksum are kept, which is reported to `say`; an interrupted file is
    resumed. A server that cannot be reached, disconnects, stalls for `timeout` seconds or sends data that do
    not match the record: InputError. Too little disk space, a folder that cannot be written to, or another
    file under one of the names: OutputError.
    """
    folder = wsd_folder() if out is None else Path(out)
    files = _files_of_record(f"{api}/records/{RECORD}", timeout)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        missing = [file for file in files if not _is_there(file, folder, progress, say)]
        _check_room(missing, folder)
        for file in missing:
            _fetch(file, folder, progress, say, timeout)
    except OSError as error:
        raise OutputError(
            f"cannot write into {folder}: {error.strerror or error}",
            f"Fix that or choose another --out. {AGAIN}",
        ) from error
    return folder


@contextlib.contextmanager
def progress_bars() -> Generator[Progress, None, None]:
    """Progress bars on standard error, one per file; none if it is not a terminal."""
    from rich import progress as rich_progress
    from rich.console import Console

    console = Console(stderr=True)
    columns = (
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(bar_width=None),
        rich_progress.DownloadColumn(),
        rich_progress.TransferSpeedColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, rich_progress.TaskID] = {}

        def show(done: int, total: int, name: str) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total, completed=done)
            bars.update(tasks[name], completed=done)

        yield show


def _files_of_record(url: str, timeout: float) -> list[RemoteFile]:
    with _network(url, timeout):
        response = requests.get(url, timeout=timeout)
        _check_status(response)
    try:
        entries = {entry["key"]: entry for entry in response.json()["files"]}
        missing = [name for name in WSD_FILES if name not in entries]
        files = [_remote_file(entries[name]) for name in WSD_FILES if name in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{url} did not answer with a record of files and checksums ({error!r})", BY_HAND
        ) from None
    if missing:
        raise InputError(f"the record at {url} lacks {', '.join(missing)}", BY_HAND)
    return files


def _remote_file(entry: dict) -> RemoteFile:
    size, checksum = int(entry["size"]), entry["checksum"]
    if size <= 0 or not re.fullmatch(r"md5:[0-9a-fA-F]{32}", checksum):
        raise ValueError(f"size {size} and checksum {checksum} of {entry['key']}")
    return RemoteFile(entry["key"], entry["links"]["self"], size, checksum)


def _is_there(file: RemoteFile, folder: Path, progress: Progress, say: Callable[[str], None]) -> bool:
    path = folder / file.name
    if not path.exists():
        return False
    if f"md5:{pooch.file_hash(path, alg='md5')}" != file.checksum.lower():
        raise OutputError(
            f"{path} exists and is not the file of Zenodo record {RECORD} (its checksum differs)",
            "Delete or rename it, or choose another --out.",
        )
    say(f"{file.name} already exists and its checksum is right: not downloaded again.")
    progress(file.size, file.size, file.name)
    return True


def _check_room(missing: list[RemoteFile], folder: Path) -> None:
    needed = sum(max(0, file.size - _size(_part(file, folder))) for file in missing)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"the download needs {needed / 1e6:,.1f} MB and {folder} has {free / 1e6:,.1f} MB free",
            "Free some space or choose another --out.",
        )


def _fetch(
    file: RemoteFile, folder: Path, progress: Progress, say: Callable[[str], None], timeout: float
) -> None:
    """Download one file and check it. If its checksum is wrong, delete it and try once more."""
    for _ in range(2):
        _complete(file, _part(file, folder), progress, timeout)
        if _accept(file, folder):
            return
        say(f"{file.name} arrived damaged (its checksum is wrong) and was deleted.")
    raise InputError(
        f"{file.name} from {file.url} arrived twice with another checksum than the record's {file.checksum}",
        BY_HAND,
    )


def _accept(file: RemoteFile, folder: Path) -> bool:
    """Rename the complete file if its checksum is right, else delete it."""

    def rename(url: str, temporary: str, _: Any) -> None:
        _part(file, folder).replace(temporary)

    def silence(_: logging.LogRecord) -> bool:  # pooch would announce a download that is over
        return False

    pooch.get_logger().addFilter(silence)
    try:
        pooch.retrieve(file.url, file.checksum, file.name, folder, downloader=cast(Any, rename))
    except ValueError:  # the only cause here: the hash does not match
        return False
    finally:
        pooch.get_logger().removeFilter(silence)
    return True


def _complete(file: RemoteFile, part: Path, progress: Progress, timeout: float) -> None:
    """Download the bytes that `part` still lacks."""
    have = _size(part)
    if have >= file.size:  # if too long, its checksum will be wrong
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with (
        _network(file.url, timeout),
        requests.get(file.url, headers=headers, stream=True, timeout=timeout) as response,
    ):
        done = _start(response, file, part)
        with part.open("ab") as output:
            output.truncate(done)
            progress(done, file.size, file.name)
            for chunk in response.iter_content(CHUNK):
                output.write(chunk)
                done += len(chunk)
                progress(min(done, file.size), file.size, file.name)
                if done > file.size:
                    break
    if done < file.size:
        raise InputError(f"{file.url} disconnected after {done:,} of {file.size:,} bytes", AGAIN)


def _start(response: requests.Response, file: RemoteFile, part: Path) -> int:
    """Offset of the response body in the file: 0 if it does not resume. Refused, or another size:
    InputError."""
    if response.status_code == 416:  # the server has no such range, or cannot resume
        part.unlink()
        raise InputError(f"{file.url} cannot resume {part.name}", "Run again to start over.")
    _check_status(response)
    start, total = "0", response.headers.get("Content-Length", "*")
    if range_ := re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "")):
        start, total = range_.groups()
    if total not in ("*", str(file.size)):
        part.unlink(missing_ok=True)
        raise InputError(f"{file.url} has {total} bytes, the record says {file.size}", BY_HAND)
    return int(start)


def _part(file: RemoteFile, folder: Path) -> Path:
    return folder / f"{file.name}.part"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_status(response: requests.Response) -> None:
    if not response.ok:
        for_now = response.status_code == 429 or response.status_code >= 500
        raise InputError(
            f"{response.url} answered {response.status_code} {response.reason}", AGAIN if for_now else BY_HAND
        )


@contextlib.contextmanager
def _network(url: str, timeout: float) -> Generator[None, None, None]:
    """Turn network errors in the block into a one-line InputError with a remedy."""
    try:
        yield
    except requests.RequestException as error:
        host = urlsplit(url).netloc
        if isinstance(error, requests.Timeout) or "timed out" in str(error):
            raise InputError(f"{host} sent nothing for {timeout:g} seconds", AGAIN) from None
        raise InputError(f"the connection to {host} failed ({_reason(error)})", AGAIN) from None


def _reason(error: requests.RequestException) -> str:
    """The innermost cause of a network error, without urllib3's connection object."""
    cause = error.args[0] if error.args else error
    return str(getattr(cause, "reason", None) or cause).rpartition("): ")[2]
