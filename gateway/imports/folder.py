"""Folders of the server: what of them may be read, and how."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Sequence
from io import BufferedReader
from pathlib import Path

from serving.audio_files import unreadable
from serving.errors import Reason, ServiceError

CHUNK_BYTES = 256 * 1024


def resolve_path(path: str, roots: Sequence[Path], field: str) -> Path:
    """The real path of something below one of `roots`, links resolved; it need not be there.

    Raises:
        ServiceError: PATH_NOT_ALLOWED outside the roots, whether it is there or not;
            FIELD_INVALID of `field` if it is not absolute.
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
    """As `resolve_path`, of a folder that is there; PATH_NOT_FOUND if it is none."""
    real = resolve_path(folder, roots, "folder")
    if not os.path.isdir(real):  # noqa: PTH112  pathlib's raises for names that are too long
        raise ServiceError(Reason.PATH_NOT_FOUND, f"{folder} is not a folder on the server")
    return real


def _open(path: Path, roots: Sequence[Path]) -> BufferedReader:
    """Opens a regular file below `roots` and nothing else; links are resolved beforehand."""
    try:
        real = Path(os.path.realpath(path, strict=True))
        if not any(real.is_relative_to(root) for root in roots):
            raise ServiceError(
                Reason.PATH_NOT_ALLOWED, "a link that leads outside the allowed folders"
            )
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
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
    # A buffered reader, because its lock keeps a cancelled read apart from the closing.
    file = await asyncio.to_thread(_open, path, roots)
    try:
        while chunk := await asyncio.to_thread(_read, file):
            yield chunk
    finally:
        file.close()


async def hash_file(path: Path, roots: Sequence[Path]) -> tuple[str, int]:
    """SHA-256, hexadecimal, and size in bytes of a file below `roots`; errors as in `read_file`."""
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
