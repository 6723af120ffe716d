"""Bounds the write-ahead log of SQLite."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from sqlalchemy import Engine

PAGES = 4 * 1024
"""Pages after which SQLite begins to move the log into the database by itself."""
MOST_BYTES = 2 * PAGES * 4096
"""Size from which the log is emptied."""
MOST_BYTES_OF_SCARCE_ROOM = 2**20
_WAIT_MS = 100
_PAUSE_SECONDS = 1.0
_PAUSE_SECONDS_OF_SCARCE_ROOM = 0.1


class WriteAheadLog:
    """Empties the log after a transaction that leaves it long.

    SQLite goes on writing at the end of its log as long as readers overlap, and never makes the
    file smaller. To empty it, the writer waits a little for the readers that still need it. One
    that reads for long is let be, and the log is emptied when it has ended.
    """

    def __init__(self, database: Path) -> None:
        """Takes the file of the database."""
        self._file = database.with_name(f"{database.name}-wal")
        self._next = 0.0

    def is_long(self, *, scarce: bool) -> bool:
        """True if the log is to be emptied, sooner if the room on its disk is `scarce`."""
        try:
            size = self._file.stat().st_size
        except FileNotFoundError:
            return False
        return size > (MOST_BYTES_OF_SCARCE_ROOM if scarce else MOST_BYTES)

    def empty(self, engine: Engine, seconds: float, *, scarce: bool) -> None:
        """Moves all of the log into the database and cuts the file, if no reader is in the way.

        Args:
            engine: with the connection that writes, out of use now.
            seconds: its usual wait for others.
            scarce: True to try again sooner after a reader was in the way.
        """
        if time.monotonic() < self._next:
            return
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {_WAIT_MS}")
            try:
                hindered = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.OperationalError:  # the disk is full; what was committed is in the log
                hindered = True
            cursor.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
            cursor.close()
        finally:
            connection.close()
        if hindered:
            pause = _PAUSE_SECONDS_OF_SCARCE_ROOM if scarce else _PAUSE_SECONDS
            self._next = time.monotonic() + pause
