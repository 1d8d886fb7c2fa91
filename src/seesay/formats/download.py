"""The *Written and spoken digits database*, fetched from Zenodo, file by file, resumable.

A file grows under `NAME.part` and takes its name only when its checksum is right. So what stands under a
name is whole, and a download that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import logging
import os
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

ZENODO_API = "https://zenodo.org/api"
"""`{api}/records/{id}` answers with JSON: `files: [{key, size, checksum: "md5:...", links: {self: url}}]`."""

RECORD = "4452953"
"""Version 2 of the database (Khacef, Rodriguez, Miramond), DOI 10.5281/zenodo.4452953."""

WSD_FILES = tuple(
    f"{kind}_{split}.npy" for split in ("train", "test") for kind in ("data_wr", "data_sp", "labels")
)
"""Written digits, spoken digits and labels, to train and to test."""

TIMEOUT = 60.0
"""Seconds in which a server must send something."""

CHUNK = 1 << 16
"""Bytes that are written at once, and the most that a broken connection loses."""

AGAIN = "Run the same command again: it goes on where it stopped."
BY_HAND = (
    f"Run again later, or fetch the six files by hand from https://doi.org/10.5281/zenodo.{RECORD} "
    "and use seesay data import on their folder."
)

Progress = Callable[[int, int, str], None]
"""Called with (bytes there, bytes in all, name of the file) whenever some have arrived."""


@dataclass(frozen=True)
class RemoteFile:
    """What the record says of one file: `size` in bytes, `checksum` as `md5:...`."""

    name: str
    url: str
    size: int
    checksum: str


def wsd_folder() -> Path:
    """Where the database lies: `wsd` in the folder that SEESAY_CACHE names, else in the user's cache."""
    return Path(os.environ.get("SEESAY_CACHE") or pooch.os_cache("seesay")) / "wsd"


def wsd() -> Path:
    """The folder with the six files of the database; where one is not there, they are downloaded, with bars.

    Once they are there no network is needed. Errors as `download_wsd`.
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
    """Fetches the six files into `out`, else `wsd_folder()`, and returns that folder.

    Files that are there with the record's checksum stay, and `say` hears of it; of an interrupted one the
    rest is fetched. A server that cannot be reached, breaks off, stalls for `timeout` seconds or sends
    something else than the record says: InputError. Too little room, a folder that cannot be written to, or
    another file under one of the names: OutputError.
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
            f"Mend that or choose another --out. {AGAIN}",
        ) from error
    return folder


@contextlib.contextmanager
def progress_bars() -> Generator[Progress, None, None]:
    """A bar per file on standard error; nothing at all where that is not a terminal."""
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
    say(f"{file.name} is there already and its checksum is right: not fetched again.")
    progress(file.size, file.size, file.name)
    return True


def _check_room(missing: list[RemoteFile], folder: Path) -> None:
    needed = sum(max(0, file.size - _size(_part(file, folder))) for file in missing)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"{needed / 1e6:,.1f} MB are still to be fetched and {folder} has room for {free / 1e6:,.1f} MB",
            "Make room or choose another --out.",
        )


def _fetch(
    file: RemoteFile, folder: Path, progress: Progress, say: Callable[[str], None], timeout: float
) -> None:
    """The file under its name, checked. What fails its checksum is deleted and fetched once more."""
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
    """Renames the complete file if its checksum is right, and deletes it if not."""

    def rename(url: str, temporary: str, _: Any) -> None:
        _part(file, folder).replace(temporary)

    def silence(_: logging.LogRecord) -> bool:  # pooch would announce a download, and this one is over
        return False

    pooch.get_logger().addFilter(silence)
    try:
        pooch.retrieve(file.url, file.checksum, file.name, folder, downloader=cast(Any, rename))
    except ValueError:  # the only one that pooch raises here: the hash does not match
        return False
    finally:
        pooch.get_logger().removeFilter(silence)
    return True


def _complete(file: RemoteFile, part: Path, progress: Progress, timeout: float) -> None:
    """Makes `part` as long as the file, asking only for the bytes that an earlier call did not get."""
    have = _size(part)
    if have >= file.size:  # when it is too long, its checksum will tell
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
        raise InputError(f"{file.url} broke off after {done:,} of {file.size:,} bytes", AGAIN)


def _start(response: requests.Response, file: RemoteFile, part: Path) -> int:
    """Where the body starts in the file: 0 if it does not resume. A refusal or another size: InputError."""
    if response.status_code == 416:  # the server has no such range, or cannot resume
        part.unlink()
        raise InputError(f"{file.url} does not go on where {part.name} stops", "Run again, from the start.")
    _check_status(response)
    start, total = "0", response.headers.get("Content-Length", "*")
    if found := re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "")):
        start, total = found.groups()
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
    """Whatever goes wrong between here and the server, as one line that says what to do."""
    try:
        yield
    except requests.RequestException as error:
        host = urlsplit(url).netloc
        if isinstance(error, requests.Timeout) or "timed out" in str(error):
            raise InputError(f"{host} sent nothing for {timeout:g} seconds", AGAIN) from None
        raise InputError(f"the connection to {host} failed or broke off ({_reason(error)})", AGAIN) from None


def _reason(error: requests.RequestException) -> str:
    """The innermost cause that urllib3 names, without the connection object in front of it."""
    cause = error.args[0] if error.args else error
    return str(getattr(cause, "reason", None) or cause).rpartition("): ")[2]
