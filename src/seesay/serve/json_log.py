"""Logs as JSON lines: one for each request, and one for whatever fails. Never a picture or a recording."""

import json
import logging
import os
import time
import traceback
from collections.abc import Mapping
from io import TextIOBase
from typing import Any

LONGEST = 200
"""Characters of a path that are logged."""


class Log:
    """Writes JSON lines to a stream."""

    def __init__(self, stream: TextIOBase | None = None) -> None:
        """`stream`: default: standard error as it is now. It is duplicated, because the file descriptor is
        redirected while an MP3 is decoded (signal/sound_files.py)."""
        self.stream = stream or os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8")

    def write(self, event: str, level: str = "info", **fields: Any) -> None:
        """One line, with the time in seconds since 1970."""
        line = {"time": round(time.time(), 3), "level": level, "event": event, "process": os.getpid()}
        self.stream.write(json.dumps(line | fields) + "\n")

    def request(self, scope: Mapping[str, Any], status: int, seconds: float, size: int) -> None:
        """A request that was answered; `size`: bytes of its body."""
        client = scope.get("client")
        self.write(
            "request",
            method=scope["method"][:LONGEST],
            path=scope["path"][:LONGEST],
            status=status,
            milliseconds=round(1000 * seconds, 3),
            bytes=size,
            client=client[0] if client else None,
        )

    def failure(self, error: BaseException, **fields: Any) -> None:
        """A bug: its type and where it was raised. Not its message, which may quote the input."""
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-10:]]
        self.write("failure", "error", type=type(error).__name__, where=where, **fields)


class Handler(logging.Handler):
    """Passes what libraries log on to a `Log`."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.log.failure(record.exc_info[1], logger=record.name)
        else:
            self.log.write("message", record.levelname.lower(), logger=record.name, text=record.getMessage())
