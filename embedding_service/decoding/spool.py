"""Holds audio between the service and its decoders: in memory if it is small, else in a file."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from embedding_service.decoding.decoding import INLINE_BYTES
from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

_FULL = {errno.ENOSPC, errno.EDQUOT}


class Spools:
    """A private folder for spools, deleted when the service ends.

    No name is used twice, so that a late decoder never finds the audio of another call.
    """

    def __init__(self) -> None:
        """Creates the folder in the system's place for temporary files (TMPDIR)."""
        self._folder = tempfile.TemporaryDirectory(
            prefix="audiosearch-", ignore_cleanup_errors=True
        )
        self._numbers = itertools.count()
        self.folder = Path(self._folder.name)

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Deletes the folder."""
        self._folder.cleanup()

    def open(self) -> Spool:
        """Returns a new, empty spool, to be used in a `with`."""
        return Spool(self.folder / str(next(self._numbers)))


class Spool:
    """Bytes that are deleted when the spool is closed. More than INLINE_BYTES are in a file."""

    def __init__(self, path: Path) -> None:
        """Takes the path of the file, which must not exist yet."""
        self.path = path
        self.size = 0
        self._buffer = bytearray()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        """Returns itself; there is no file yet."""
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        """Deletes the file.

        Raises:
            ServiceError: STORAGE_FULL, when the block failed because the disk is full.
        """
        with self._lock:
            self._closed = True
            self.path.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _FULL:
            raise ServiceError(
                Reason.STORAGE_FULL,
                f"no room for audio in {tempfile.gettempdir()}: make room there, or name another "
                "folder in TMPDIR and start the service again",
            ) from error

    @property
    def inline(self) -> bytes | None:
        """The bytes if all are in memory, or None if some are in the file."""
        return bytes(self._buffer) if len(self._buffer) == self.size else None

    def reserve(self) -> None:
        """Creates the file, empty, for a decoder to write to."""
        self.path.touch(mode=0o600, exist_ok=False)

    async def write(self, data: bytes) -> None:
        """Appends bytes, without blocking the event loop."""
        self._buffer += data
        self.size += len(data)
        if len(self._buffer) > INLINE_BYTES:
            await self._flush()

    async def finish(self) -> None:
        """Makes sure that all bytes are either in memory or in the file."""
        if len(self._buffer) != self.size:
            await self._flush()

    async def _flush(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        await asyncio.to_thread(self._append, data)

    def _append(self, data: bytearray) -> None:
        with self._lock:
            if not self._closed:  # the call may have ended, which deletes the file
                with open(self.path, "ab", opener=_private) as file:
                    file.write(data)

    def read_samples(self, start: int, end: int) -> NDArray[np.float32]:
        """Reads the float32 samples from number start to end (exclusive), shape (end - start,)."""
        return np.fromfile(self.path, np.float32, end - start, offset=4 * start)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
