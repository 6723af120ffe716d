"""Milvus Lite: runs Milvus inside this process, with its files in a folder."""

from __future__ import annotations

import errno
import fcntl
import threading
import time
from pathlib import Path
from typing import IO

import structlog
from milvus_lite.adapter.grpc.server import start_server_in_thread  # type: ignore[import-untyped]

from index_service import collection_names
from serving.disk.room import Room

NAME = "Milvus Lite, the embedded store of the index,"
_FILES = "milvus.db"
_COLLECTIONS = "collections"
_SCHEMA = "schema.json"
_INDEXES = "partitions/*/indexes"
_STOP_SECONDS = 2.0
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}
"""Numbers of errors of the system that mean damage. All others, such as a full disk, pass."""
log = structlog.get_logger()


class EmbeddedMilvus:
    """Locks a folder for this process and runs Milvus Lite on it.

    Each collection is opened at the start. One that can't be opened is set aside: its folder is
    renamed and stays, and the collection is gone, to be made again. So it harms no other.
    """

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        """Starts Milvus Lite.

        Raises:
            SystemExit: The folder can't be used, or another process uses it.
        """
        self._lock = _claim(folder)
        self._folder = folder
        self.room = Room(folder, reserve_bytes, "the index")
        self.room.let_go()  # a start on a full disk takes room too
        self._collections = folder / _FILES / _COLLECTIONS
        self._mending = threading.Lock()
        try:
            self._server, self._db, port = start_server_in_thread(str(folder / _FILES))
        except Exception as error:  # a boundary: any failure of Milvus Lite ends the start
            log.exception("store.not_started", folder=str(folder))
            self._lock.close()
            raise SystemExit(
                f"can't open the index in {folder}: {error}; restore the folder from a copy, or "
                "empty it: it is filled again from the catalog"
            ) from error
        self.uri = f"http://127.0.0.1:{port}"
        for each in sorted(self._collections.iterdir()):
            if each.is_dir():
                self._opened(each.name)
        self.room.keep()

    def lost(self, collection: str) -> bool:
        """Opens a collection anew from its files, after it failed. True if it is gone.

        No other call may use the collection meanwhile.
        """
        with self._mending:
            held = self._db._collections.pop(("default", collection), None)  # noqa: SLF001  Milvus Lite closes none alone
            if held is not None:
                try:
                    held.close()
                except Exception as error:  # noqa: BLE001  what it holds is what failed
                    log.info("store.not_closed", collection=collection, why=str(error))
            return not self._opened(collection)

    def close(self) -> None:
        """Writes all data to files and ends Milvus Lite."""
        self._server.stop(_STOP_SECONDS).wait(2 * _STOP_SECONDS)
        try:
            self._db.close()
        except Exception as error:  # noqa: BLE001  the others are closed, and the next start looks
            log.warning("store.not_closed", why=str(error))
        self._lock.close()

    def _opened(self, collection: str) -> bool:
        """Opens a collection and its index; False if there is none, or none any more."""
        if not (self._collections / collection).is_dir():
            return False
        if not (self._collections / collection / _SCHEMA).exists():
            self._set_aside(collection, "its schema is not there")
            return False
        try:
            self._load(collection)
        except Exception as error:  # noqa: BLE001  damage shows in any way
            if _passes(error):
                log.warning("store.not_opened", collection=collection, why=str(error))
                return True
            self._set_aside(collection, str(error) or type(error).__name__)
            return False
        return True

    def _load(self, collection: str) -> None:
        """Opens a collection. Its index is built anew if that alone is damaged.

        Raises:
            Exception: of any kind, if it is damaged.
        """
        opened = self._db.get_collection(collection)
        try:
            opened.load()
        except Exception as error:
            if _passes(error):
                raise
            log.warning("store.index_built_anew", collection=collection, why=str(error))
            for number, built in enumerate((self._collections / collection).glob(_INDEXES)):
                built.rename(self._aside(f"{collection}-index{number}"))
            opened.load()

    def _set_aside(self, collection: str, why: str) -> None:
        kept = self._aside(collection)
        (self._collections / collection).rename(kept)
        log.error(
            "store.damaged",
            index_id=collection_names.index_of(collection),
            why=why,
            kept_as=str(kept),
            then="it is made again",
        )

    def _aside(self, name: str) -> Path:
        return self._folder / f"{name}.damaged-{time.time_ns() // 1_000_000}"


def _passes(error: Exception) -> bool:
    """True for an error of the machine and not of the files, such as a full disk."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno not in _ABSENT
    return isinstance(error, MemoryError)


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
