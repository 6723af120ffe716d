"""Audio on its way between the service and its decoders: a little in memory, much in a file."""

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
    """A private folder for spools; it is gone when the service ends.

    Names are never used twice: a decoder that comes late finds nothing, not another call's audio.
    """

    def __init__(self) -> None:
        """Creates the folder in the system's place for temporary files (TMPDIR)."""
        self._folder = tempfile.TemporaryDirectory(
            prefix="audiosearch-", ignore_cleanup_errors=True
        )
        self._numbers = itertools.count()
        self.folder = Path(self._folder.name)

    def __enter__(self) -> Self:
        """Gives itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Deletes the folder."""
        self._folder.cleanup()

    def open(self) -> Spool:
        """Gives a new, empty spool, to be used in a `with`."""
        return Spool(self.folder / str(next(self._numbers)))


class Spool:
    """Bytes that are gone when it is closed; beyond INLINE_BYTES they are in a file."""

    def __init__(self, path: Path) -> None:
        """Takes the place of the file, which must not exist yet."""
        self.path = path
        self.size = 0
        self._buffer = bytearray()
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        """Gives itself; there is no file yet."""
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        """Deletes the file.

        Raises:
            ServiceError: STORAGE_FULL, when what went wrong inside was that.
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
        """All bytes, when they are in memory; None when they are in the file."""
        return bytes(self._buffer) if len(self._buffer) == self.size else None

    def reserve(self) -> None:
        """Creates the file, empty, for others to write to."""
        self.path.touch(mode=0o600, exist_ok=False)

    async def write(self, data: bytes) -> None:
        """Appends bytes, without blocking the event loop."""
        self._buffer += data
        self.size += len(data)
        if len(self._buffer) > INLINE_BYTES:
            await self._flush()

    async def finish(self) -> None:
        """Makes sure that all bytes are in one place."""
        if self.inline is None:
            await self._flush()

    async def _flush(self) -> None:
        data, self._buffer = self._buffer, bytearray()
        await asyncio.to_thread(self._append, data)

    def _append(self, data: bytearray) -> None:
        with self._lock:
            if not self._closed:  # the call may be over, and its file deleted
                with open(self.path, "ab", opener=_private) as file:
                    file.write(data)

    def read_samples(self, start: int, end: int) -> NDArray[np.float32]:
        """Reads float32 samples number start to end (exclusive), shape (end - start,)."""
        return np.fromfile(self.path, np.float32, end - start, offset=4 * start)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
