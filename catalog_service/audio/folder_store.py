"""Keeps audio in a folder: {library uid}/{last two characters of the clip id}/{clip id}.{hash}.

Bytes are first written to a file in .incoming/{a folder of this process}, which the process keeps
locked while it lives: a starting process removes the folders that nobody holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog
from ulid import ULID

from catalog_service.audio.audio_store import AudioKey, UnreadableError
from catalog_service.audio.file_ranges import pieces
from catalog_service.audio.folder_upload import FolderUpload
from catalog_service.completion import to_the_end
from catalog_service.database.failures import FULL, typed_os
from catalog_service.names import is_ulid
from serving.disk.room import RESERVE_BYTES, Disk
from serving.errors import Reason, ServiceError

log = structlog.get_logger()
T = TypeVar("T")
_THREADS = 8
_FOR_GOOD = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}
"""Errors of opening that do not pass by themselves."""


class FolderStore:
    """An AudioStore in a folder. All that touches the disk runs in a few threads of its own."""

    def __init__(self, folder: Path, reserve_bytes: int = RESERVE_BYTES) -> None:
        """Takes the folder, which `open` makes, and the room that is kept for deletions."""
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._incoming: Path | None = None
        self._lock: int | None = None
        self._threads = ThreadPoolExecutor(_THREADS, "audio")

    async def open(self) -> None:
        """Makes the folders and removes what uploads of dead processes left.

        When that can't be done now, each `check` tries it again.

        Raises:
            SystemExit: the folder can't be written, and that will stay so.
        """
        try:
            await self._typed(self._open)
        except ServiceError as error:  # the log has it, and `check` will say it
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in _FOR_GOOD:
                raise SystemExit(
                    f"can't write to {self.where}: {cause.strerror}; set AUDIOSEARCH_DATA_DIR, or "
                    "UPLOAD_PATH for the audio alone, to a folder that can be written"
                ) from error

    @property
    def where(self) -> str:
        """The folder."""
        return str(self._folder)

    async def count_libraries(self) -> int:
        """Number of libraries that have objects; 0 while that is not known."""
        try:
            return await self._run(self._count_libraries)
        except OSError:
            return 0

    async def close(self) -> None:
        """Removes what unfinished uploads left."""
        if self._incoming is not None and self._lock is not None:
            await self._typed(lambda: shutil.rmtree(str(self._incoming), ignore_errors=True))
            os.close(self._lock)
            self._lock = None
        self._threads.shutdown(wait=False)

    async def check(self) -> None:
        """Raises CATALOG_UNAVAILABLE while nothing can be written; opens again what went away."""
        await self._typed(self._touch)

    @contextlib.asynccontextmanager
    async def upload(self) -> AsyncIterator[FolderUpload]:
        """An upload; what it wrote and did not publish is gone when the block is left."""
        upload = FolderUpload(
            self._own_folder() / str(ULID()), self.path, self._typed, self._require_room
        )
        try:
            yield upload
        finally:
            if not upload.published:
                # A call can be cancelled twice, by its caller and by its deadline.
                await to_the_end(self._typed(upload.discard))

    async def sizes(self, keys: Collection[AudioKey]) -> Mapping[AudioKey, int]:
        """The sizes of those of the objects that are there; -1 for one that can't be looked at."""
        if not keys:
            return {}
        found = await self._run(
            lambda: {key: size for key in keys if (size := self._size(key)) is not None}
        )
        if any(size < 0 for size in found.values()):
            await self.check()  # or is the whole folder away?
        return found

    async def read(
        self,
        key: AudioKey,
        offset: int,
        limit: int,
        chunk_bytes: int,
        heard: Callable[[bytes], object] = lambda _chunk: None,
    ) -> AsyncIterator[bytes]:
        """The bytes of a range in order; FileNotFoundError when there is no such object.

        `heard` gets each chunk in the thread that read it. UnreadableError is raised when the disk
        has lost some of the bytes.
        """

        def piece(size: int, at: int) -> bytes:
            chunk = os.pread(file.fileno(), size, at)
            heard(chunk)
            return chunk

        file = await self._readable(lambda: self.path(key).open("rb", buffering=0))
        try:
            async for chunk in pieces(self._readable, piece, offset, limit, chunk_bytes):
                yield chunk
        finally:
            file.close()

    async def link(self, key: AudioKey, seconds: int) -> str:  # noqa: ARG002  of the interface
        """None: files have no address."""
        return ""

    async def remove(self, key: AudioKey) -> None:
        """Removes one object; none is fine."""
        await self._typed(lambda: self.path(key).unlink(missing_ok=True))

    async def remove_clip(self, library_uid: str, clip_id: str) -> None:
        """Removes all objects of a clip; none is fine."""
        await self._typed(lambda: self._remove_clip(library_uid, clip_id))

    async def remove_library(self, library_uid: str) -> None:
        """Removes all objects of a library; none is fine."""
        await self._typed(lambda: self._remove_library(library_uid))

    def path(self, key: AudioKey) -> Path:
        """The file of an object."""
        return self._clip_folder(key.library_uid, key.clip_id) / f"{key.clip_id}.{key.sha256}"

    def _clip_folder(self, library_uid: str, clip_id: str) -> Path:
        return self._folder / library_uid / clip_id[-2:]

    async def _readable(self, work: Callable[[], T]) -> T:
        """Runs work on one file in a thread. Its failure is one of the file if the disk works."""
        try:
            return await self._run(work)
        except FileNotFoundError:
            raise
        except OSError as error:
            await self.check()
            raise UnreadableError(str(error)) from error

    async def _typed(self, work: Callable[[], T]) -> T:
        """Runs work that touches the disk in a thread; its OSError becomes a typed error."""
        with typed_os():
            return await self._run(work)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _size(self, key: AudioKey) -> int | None:
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("audio.unreadable", clip=key.clip_id, why=str(error))
            return -1

    def _remove_clip(self, library_uid: str, clip_id: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            for entry in list(_entries(self._clip_folder(library_uid, clip_id))):
                if entry.name.startswith(f"{clip_id}."):
                    Path(entry.path).unlink(missing_ok=True)

    def _remove_library(self, library_uid: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._folder / library_uid)

    def _require_room(self) -> None:
        """Raises OSError while the disk has only what rows, vectors and deletions need."""
        if Disk.of(self._folder, self._reserve_bytes).tight:
            raise OSError(errno.ENOSPC, "the rest of the disk is kept for deletions")

    def _count_libraries(self) -> int:
        return sum(
            any(any(_entries(Path(folder.path))) for folder in _entries(Path(library.path)))
            for library in _entries(self._folder)
            if is_ulid(library.name)
        )

    def _own_folder(self) -> Path:
        if self._incoming is None:
            raise ServiceError(
                Reason.CATALOG_UNAVAILABLE,
                "the folder that keeps the audio is not ready yet; try again",
            )
        return self._incoming

    def _open(self) -> None:
        parent = self._folder / ".incoming"
        parent.mkdir(parents=True, exist_ok=True)
        for entry in list(_entries(parent)):
            _remove_if_dead(Path(entry.path))
        lock = None
        while lock is None:
            self._incoming = parent / str(ULID())
            self._incoming.mkdir()
            lock = _lock(self._incoming)
        if self._lock is not None:
            os.close(self._lock)
        self._lock = lock

    def _touch(self) -> None:
        if self._incoming is None or not self._incoming.is_dir():
            self._open()
        file = self._own_folder() / "check"
        try:
            file.touch()
            file.unlink()
        except OSError as error:
            if error.errno not in FULL:  # a full disk still reads and deletes
                raise


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from entries


def _lock(folder: Path) -> int | None:
    """Locks a folder for as long as this process lives; None when another one has it, or had it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            return None
        raise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if not os.path.exists(folder):  # noqa: PTH110  removed between the two steps
        os.close(descriptor)
        return None
    return descriptor


def _remove_if_dead(folder: Path) -> None:
    descriptor = _lock(folder)
    if descriptor is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
