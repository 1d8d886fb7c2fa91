"""Claims on the trials of a search: locks that say which process works on which.

A claim is an exclusive transaction on an empty SQLite file, which the operating system ends with the process,
however it dies. So a started trial without a claim was abandoned, and another process may resume it.
"""

import sqlite3
from pathlib import Path

from seesay.errors import OutputError

CLAIMS = ".claims"
"""Folder of the claims, in the folder of the search."""

PATIENCE = 60.0
"""Seconds to wait for another process to finish writing, which takes milliseconds."""


def hold(path: Path, patience: float = 0.0) -> sqlite3.Connection | None:
    """Lock the file until the connection is closed or the process dies. None if another process still holds
    it after `patience` seconds."""
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return None
        raise OutputError(f"cannot write {path}: {error}", "Give a writable --out folder.") from None
    return connection
