"""Claims on the trials of a search: which process works on which.

A claim is an exclusive transaction on an empty SQLite file, which the operating system ends with the process,
however that dies. So a trial that has begun and that nobody holds was left behind, and may be taken over.
"""

import sqlite3
from pathlib import Path

from seesay.errors import OutputError

CLAIMS = ".claims"
"""Folder of the claims in that of the search."""

PATIENCE = 60.0
"""Seconds to wait for another process that writes. It writes for milliseconds."""


def hold(path: Path, patience: float = 0.0) -> sqlite3.Connection | None:
    """Holds the file until the connection is closed or the process has died. None: another holds it, for so
    many seconds."""
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return None
        raise OutputError(
            f"cannot write {path}: {error}", "Give an --out folder that can be written to."
        ) from None
    return connection
