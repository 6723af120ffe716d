"""Files that hold audio on its way between the service and its decoders."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

_BUFFER_BYTES = 2**20
"""Bytes that are gathered in memory before they are written."""


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
        """Gives a new, empty spool; its file is there inside a `with`."""
        return Spool(self.folder / str(next(self._numbers)))


class Spool:
    """A file that is gone when it is closed, filled without blocking the event loop."""

    def __init__(self, path: Path) -> None:
        """Takes the place of the file, which must not exist yet."""
        self.path = path
        self.size = 0
        self._buffer = bytearray()

    def __enter__(self) -> Self:
        """Creates the file."""
        self.path.touch(mode=0o600, exist_ok=False)
        return self

    def __exit__(self, *_: object) -> None:
        """Deletes the file."""
        self.path.unlink(missing_ok=True)

    async def write(self, data: bytes) -> None:
        """Appends bytes; they are in the file after `flush`."""
        self._buffer += data
        self.size += len(data)
        if len(self._buffer) >= _BUFFER_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Writes what is still in memory."""
        data, self._buffer = self._buffer, bytearray()
        await asyncio.to_thread(self._append, data)

    def _append(self, data: bytearray) -> None:
        # Never creates it: the call may be over, and its file deleted.
        with self.path.open("r+b") as file:
            file.seek(0, 2)
            file.write(data)

    def read_samples(self, start: int, end: int) -> NDArray[np.float32]:
        """Reads float32 samples number start to end (exclusive), shape (end - start,)."""
        return np.fromfile(self.path, np.float32, end - start, offset=4 * start)
