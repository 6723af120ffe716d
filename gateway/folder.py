"""Folders to import: what may be read, and in which order."""

from __future__ import annotations

import asyncio
import hashlib
import operator
import os
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from io import BufferedReader
from pathlib import Path, PurePosixPath

from serving.errors import Reason, ServiceError

SUFFIXES = (
    *(".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac"),
    *(".aif", ".aiff", ".aifc", ".webm"),
)
"""Endings of audio files, in lower case; files are known by them whatever their case."""

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class Found:
    """Something met on the walk: an audio file, or a failure in its place."""

    path: str
    """Relative to the folder, parts joined by `/`."""

    failure: ServiceError | None = None


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


def walk(root: Path, after: str = "") -> Iterator[Found]:
    """Audio files below `root`, depth first, names sorted within each folder.

    Memory is bounded by the names of one folder on the way. A folder that can't be listed and a
    link to a folder are failures in their place.

    Args:
        root: real path of the folder.
        after: path up to which files are passed over, as `Found.path`; empty for none.
    """
    yield from _walk(root, (), PurePosixPath(after).parts)


def _walk(root: Path, parts: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Found]:
    try:
        entries = _entries(root.joinpath(*parts))
    except OSError as error:
        yield Found("/".join(parts), _unreadable("folder", error))
        return
    for name, kind in entries:
        here = (*parts, name)
        if here < after[: len(here)] or here == after:
            continue
        if kind is _Kind.FOLDER:
            yield from _walk(root, here, after)
        elif kind is _Kind.LINKED_FOLDER:
            message = "a link to a folder is not followed; import the folder itself"
            yield Found(_printable("/".join(here)), ServiceError(Reason.PATH_NOT_ALLOWED, message))
        else:
            yield _file("/".join(here))


class _Kind(Enum):
    FOLDER = 1
    LINKED_FOLDER = 2
    AUDIO = 3


def _entries(folder: Path) -> list[tuple[str, _Kind]]:
    """What matters in a folder, by name."""
    with os.scandir(folder) as entries:
        kinds = ((entry.name, _kind(entry)) for entry in entries)
        return sorted(((name, kind) for name, kind in kinds if kind), key=operator.itemgetter(0))


def _kind(entry: os.DirEntry[str]) -> _Kind | None:
    if entry.is_dir():
        return _Kind.LINKED_FOLDER if entry.is_symlink() else _Kind.FOLDER
    return _Kind.AUDIO if entry.name.lower().endswith(SUFFIXES) else None


def _unreadable(what: str, error: OSError) -> ServiceError:
    return ServiceError(Reason.PATH_NOT_FOUND, f"the {what} can't be read: {error.strerror}")


def _file(path: str) -> Found:
    if path == _printable(path):
        return Found(path)
    return Found(
        _printable(path),
        ServiceError(
            Reason.FIELD_INVALID, "the name is not UTF-8; rename the file and import it again"
        ),
    )


def _printable(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def count(root: Path) -> int:
    """How many entries `walk` will give, files and failures."""
    return sum(1 for _ in walk(root))


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
        raise _unreadable("file", error) from error
