"""Milvus Lite: runs Milvus inside this process, with its files in a folder."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from milvus_lite.server_manager import server_manager_instance  # type: ignore[import-untyped]

from serving.disk.room import Room

_NAME = "milvus.db"


class EmbeddedMilvus:
    """Locks a folder for this process and runs Milvus Lite on it."""

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        """Starts Milvus Lite.

        Raises:
            SystemExit: The folder can't be used, or another process uses it.
        """
        self._lock = _claim(folder)
        self.room = Room(folder, reserve_bytes, "the index")
        self.room.let_go()  # a start on a full disk takes room too
        self._path = str(folder / _NAME)
        uri = server_manager_instance.start_and_get_uri(self._path)
        if uri is None:
            raise SystemExit(
                f"can't open the index in {folder}: the log above says why; restore "
                "the folder from a copy, or empty it and import again"
            )
        self.uri: str = uri
        self.room.keep()

    def close(self) -> None:
        """Writes all data to files and ends Milvus Lite."""
        server_manager_instance.release_server(self._path)
        self._lock.close()


def _claim(folder: Path) -> IO[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "service.lock").open("w")
    except OSError as error:
        raise SystemExit(
            f"can't write to {folder}: {error.strerror}; set AUDIOSEARCH_DATA_DIR to "
            "a folder that can be written"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise SystemExit(
            f"another index service uses {folder}: stop it, or set "
            "AUDIOSEARCH_DATA_DIR to another folder"
        ) from error
    return lock
