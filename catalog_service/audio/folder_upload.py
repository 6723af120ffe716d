"""One file on its way into the folder store."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO

from catalog_service.audio.audio_store import AudioKey
from catalog_service.audio.content_type import HEAD_BYTES

_BUFFER_BYTES = 256 * 1024


class FolderUpload:
    """An Upload into a temporary file. One caller at a time; `discard` may come at any moment."""

    def __init__(
        self,
        temporary: Path,
        place: Callable[[AudioKey], Path],
        run: Callable[[Callable[[], Any]], Awaitable[Any]],
        require_room: Callable[[], None],
    ) -> None:
        """Takes the temporary file to be.

        Args:
            temporary: the file.
            place: gives the place of each object.
            run: a way into a thread.
            require_room: raises OSError if the disk may take no more.
        """
        self._require_room = require_room
        self.size = 0
        self.head = b""
        self._temporary = temporary
        self._place = place
        self._run = run
        self._buffer = bytearray()
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._published: Path | None = None
        self._over = False
        # A cancelled caller is gone while its thread still writes: `discard` waits for that here.
        self._turn = threading.Lock()

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes so far, hexadecimal; all of them after `finish`."""
        return self._hash.hexdigest()

    async def write(self, chunk: bytes) -> None:
        """Takes the next bytes; small ones are gathered before they go to the disk."""
        self.size += len(chunk)
        if len(self.head) < HEAD_BYTES:
            self.head += chunk[: HEAD_BYTES - len(self.head)]
        self._buffer += chunk
        if len(self._buffer) >= _BUFFER_BYTES:
            await self._flush()

    async def finish(self) -> None:
        """Makes sure that all bytes are on the disk."""
        chunk, self._buffer = self._buffer, bytearray()

        def end() -> None:
            self._append(chunk)
            self._sync()

        await self._run(end)

    async def place(self, key: AudioKey) -> bool:  # noqa: ARG002  of the interface
        """Does nothing: a rename is quick."""
        return False

    async def publish(self, key: AudioKey) -> None:
        """Makes the bytes an object, at once and whole; needs `finish` before."""
        await self._run(lambda: self._move(self._place(key)))

    @property
    def published(self) -> bool:
        """True if it is an object, and nothing is left to `discard`."""
        return self._published is not None

    def discard(self) -> None:
        """Removes what was not published. Blocks."""
        with self._turn:
            self._over = True
            if self._file:
                self._file.close()
                self._temporary.unlink(missing_ok=True)

    async def _flush(self) -> None:
        chunk, self._buffer = self._buffer, bytearray()
        await self._run(lambda: self._append(chunk))

    def _append(self, chunk: bytearray) -> None:
        with self._turn:
            if self._over:
                return
            self._require_room()
            if self._file is None:
                self._file = self._temporary.open("xb", buffering=0)
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
            self._hash.update(chunk)

    def _sync(self) -> None:
        with self._turn:
            if self._file and not self._over:
                os.fsync(self._file.fileno())

    def _move(self, target: Path) -> None:
        with self._turn:
            if self._published == target:  # the transaction around it is tried again
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            self._temporary.replace(target)
            folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            if self._file:
                self._file.close()
            self._published = target
