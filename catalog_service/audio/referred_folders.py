"""Files that clips refer to, below folders that the operator allows.

No link leads out of these folders: a path is resolved first, and opened then step by step without
links. All that touches a disk runs in a few threads of its own, so that one that hangs holds up no
stored audio.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TypeVar

from catalog_service.audio.audio_store import UnreadableError
from catalog_service.audio.file_ranges import pieces
from catalog_service.audio.reference_readers import Listed, Version
from serving.audio_files import Found, PassedOver, walk
from serving.disk.folders import open_below
from serving.errors import Reason, ServiceError

T = TypeVar("T")
_THREADS = 8
_NOTHING = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.ELOOP}


class ReferredFolders:
    """A Reader of files."""

    def __init__(self, folders: Sequence[str]) -> None:
        """Takes the folders, without the first `/`. They may be links themselves."""
        self._roots = [Path("/", folder).resolve() for folder in folders]
        self._threads = ThreadPoolExecutor(_THREADS, "references")

    async def look(self, path: str) -> Version:
        """The present state; FileNotFoundError if there is nothing."""

        def look() -> Version:
            with self._open(path) as file:
                return _version(file)

        return await self._run(path, look)

    async def read(
        self,
        path: str,
        version: Version,
        offset: int,
        limit: int,
        chunk_bytes: int,
        heard: Callable[[bytes], object],
    ) -> AsyncIterator[bytes]:
        """A range of the bytes; FileNotFoundError, or UnreadableError if they are others."""

        def piece(size: int, at: int) -> bytes:
            chunk = os.pread(file.fileno(), size, at)
            if _version(file) != version:  # it was written into meanwhile
                raise UnreadableError(f"/{path} was changed")
            heard(chunk)
            return chunk

        file = await self._run(path, lambda: self._open(path))
        try:
            run = partial(self._run, path)
            async for chunk in pieces(run, piece, offset, limit, chunk_bytes):
                yield chunk
        finally:
            file.close()

    async def link(self, path: str, seconds: int) -> str:  # noqa: ARG002  of the interface
        """None: files have no address."""
        return ""

    async def page(
        self, prefix: str, after: str, most: int, passed_over: PassedOver
    ) -> tuple[Sequence[Listed], str]:
        """Audio files below a folder, or one file, and the last path; empty at the end."""
        return await self._run(prefix, lambda: self._page(prefix, after, most, passed_over))

    async def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False)

    def _page(
        self, prefix: str, after: str, most: int, passed_over: PassedOver
    ) -> tuple[Sequence[Listed], str]:
        folder = Path(os.path.realpath(Path("/", prefix), strict=True))
        if not any(folder.is_relative_to(root) for root in self._roots):
            raise ServiceError(Reason.PATH_NOT_ALLOWED, _leads_out(prefix))
        if not folder.is_dir():
            with self._open(prefix) as file:
                return [Listed("", *_version(file))], ""
        found = walk(folder, after, roots=self._roots, passed_over=passed_over)
        some = list(itertools.islice(found, most))
        listed = [self._listed(prefix, each) for each in some]
        return listed, some[-1].path if len(some) == most else ""

    def _listed(self, prefix: str, found: Found) -> Listed:
        if found.failure:
            return Listed(found.path, failure=found.failure)
        try:
            with self._open(f"{prefix}/{found.path}") as file:
                return Listed(found.path, *_version(file))
        except (ServiceError, OSError) as error:
            failure = error if isinstance(error, ServiceError) else _typed(found.path, error)
            return Listed(found.path, failure=failure)

    def _open(self, path: str) -> FileIO:
        """Opens a regular file, and nothing else."""
        real = Path(os.path.realpath(Path("/", path), strict=True))
        if not any(real.is_relative_to(root) for root in self._roots):
            raise ServiceError(Reason.PATH_NOT_ALLOWED, _leads_out(path))
        descriptor = open_below(real, self._roots, os.O_NONBLOCK)
        file = FileIO(descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise FileNotFoundError(errno.ENOENT, "not a regular file")
        return file

    async def _run(self, path: str, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except OSError as error:
            if error.errno in _NOTHING:
                raise FileNotFoundError(error.errno, error.strerror) from error
            raise _typed(path, error) from error


def _version(file: FileIO) -> Version:
    found = os.fstat(file.fileno())
    return Version(str(found.st_mtime_ns), found.st_size)


def _leads_out(path: str) -> str:
    return f"/{path} is a link that leads outside of the folders that clips may refer to"


def _typed(path: str, error: OSError) -> ServiceError:
    if error.errno in _REFUSED:
        return ServiceError(
            Reason.PATH_NOT_ALLOWED,
            f"/{path} can't be read: {error.strerror}; let the user of the catalog read it",
        )
    if error.errno in _NOTHING:
        return ServiceError(Reason.PATH_NOT_FOUND, f"/{path} is gone")
    return ServiceError(
        Reason.CATALOG_UNAVAILABLE, f"/{path} can't be read now: {error.strerror}; try again"
    )
