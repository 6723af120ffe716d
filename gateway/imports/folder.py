"""Folders of the server: the check that they may be read, and the reading of files."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Sequence
from io import BufferedReader
from pathlib import Path

from serving.audio_files import unreadable
from serving.disk.folders import open_below
from serving.errors import Reason, ServiceError

CHUNK_BYTES = 256 * 1024


def resolve_path(path: str, roots: Sequence[Path], field: str) -> Path:
    """The real path of a file or folder below one of `roots`, with links resolved.

    Raises:
        ServiceError: PATH_NOT_ALLOWED outside the roots, even if nothing is there; FIELD_INVALID of
            `field` if the path is not absolute.
    """
    if "\0" in path or not Path(path).is_absolute():
        raise ServiceError(
            Reason.FIELD_INVALID, f"{field}: {path!r} is not an absolute path", {"field": field}
        )
    real = Path(os.path.realpath(path))
    if not any(real.is_relative_to(root) for root in roots):
        raise ServiceError(
            Reason.PATH_NOT_ALLOWED,
            f"{path} is not below a folder that this server may read; its operator names them in "
            "AUDIOSEARCH_IMPORT_ROOTS. Files of your own machine can be uploaded instead.",
        )
    return real


def resolve_folder(folder: str, roots: Sequence[Path]) -> Path:
    """The real path of an existing folder, as `resolve_path`; PATH_NOT_FOUND if there is none."""
    real = resolve_path(folder, roots, "folder")
    if not os.path.isdir(real):  # noqa: PTH112  pathlib's raises for names that are too long
        raise ServiceError(Reason.PATH_NOT_FOUND, f"{folder} is not a folder on the server")
    return real


def _open(path: Path, roots: Sequence[Path]) -> BufferedReader:
    """Opens a regular file below `roots` and nothing else, with links resolved before."""
    try:
        real = Path(os.path.realpath(path, strict=True))
        descriptor = open_below(real, roots, os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise ServiceError(Reason.PATH_NOT_FOUND, "the file is gone") from error
    except OSError as error:
        raise ServiceError(
            Reason.PATH_NOT_ALLOWED, f"the file can't be read: {error.strerror}"
        ) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ServiceError(Reason.AUDIO_UNDECODABLE, "not a regular file")
    return os.fdopen(descriptor, "rb")


async def read_file(path: Path, roots: Sequence[Path]) -> AsyncIterator[bytes]:
    """The bytes of a file below `roots` in chunks; ServiceError if it can't be read."""
    # A buffered reader has a lock, so a cancelled read and the closing can't overlap.
    file = await asyncio.to_thread(_open, path, roots)
    try:
        while chunk := await asyncio.to_thread(_read, file):
            yield chunk
    finally:
        file.close()


async def hash_file(path: Path, roots: Sequence[Path]) -> tuple[str, int]:
    """Hexadecimal SHA-256 and size in bytes of a file below `roots`; errors as in `read_file`."""
    return await asyncio.to_thread(_hash, path, roots)


def _hash(path: Path, roots: Sequence[Path]) -> tuple[str, int]:
    found, size = hashlib.sha256(), 0
    with _open(path, roots) as file:
        while chunk := _read(file):
            found.update(chunk)
            size += len(chunk)
    return found.hexdigest(), size


def _read(file: BufferedReader) -> bytes:
    try:
        return file.read(CHUNK_BYTES)
    except OSError as error:
        raise unreadable("file", error) from error
