"""Folders to import: what may be read, and in which order."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from serving.errors import Reason, ServiceError

SUFFIXES = frozenset(
    {
        ".wav",
        ".wave",
        ".flac",
        ".mp3",
        ".ogg",
        ".oga",
        ".opus",
        ".m4a",
        ".mp4",
        ".aac",
        ".aif",
        ".aiff",
        ".aifc",
        ".webm",
    }
)
"""Endings of audio files, in lower case; files are known by them whatever their case."""

CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class Found:
    """Something met on the walk: an audio file, or a failure in its place."""

    path: str
    """Relative to the folder, parts joined by `/`."""

    failure: ServiceError | None = None


def resolve_folder(folder: str, roots: Sequence[Path]) -> Path:
    """The real path of a folder below one of `roots`, links resolved.

    Raises:
        ServiceError: PATH_NOT_ALLOWED outside the roots, whether it is there or not;
            PATH_NOT_FOUND if it is no folder; FIELD_INVALID if it is not absolute.
    """
    if "\0" in folder or not Path(folder).is_absolute():
        raise ServiceError(
            Reason.FIELD_INVALID, f"folder: {folder!r} is not an absolute path", {"field": "folder"}
        )
    real = Path(os.path.realpath(folder))
    if not any(real.is_relative_to(root) for root in roots):
        raise ServiceError(
            Reason.PATH_NOT_ALLOWED,
            f"{folder} is not below a folder that this server may read; its operator names them in "
            "AUDIOSEARCH_IMPORT_ROOTS. Files of your own machine can be uploaded instead.",
        )
    if not real.is_dir():
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
        names = sorted(os.listdir(root.joinpath(*parts)))  # noqa: PTH208  names are all it takes
    except OSError as error:
        yield Found(
            "/".join(parts),
            ServiceError(Reason.PATH_NOT_FOUND, f"the folder can't be read: {error.strerror}"),
        )
        return
    for name in names:
        here = (*parts, name)
        if here < after[: len(here)] or here == after:
            continue
        path = root.joinpath(*here)
        if path.is_dir() and not path.is_symlink():
            yield from _walk(root, here, after)
        elif path.is_dir():
            yield Found(
                _printable("/".join(here)),
                ServiceError(
                    Reason.PATH_NOT_ALLOWED,
                    "a link to a folder is not followed; import the folder itself",
                ),
            )
        elif path.suffix.lower() in SUFFIXES:
            yield _file("/".join(here))


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


def _open(path: Path, roots: Sequence[Path]) -> int:
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
    return descriptor


async def read_file(path: Path, roots: Sequence[Path]) -> AsyncIterator[bytes]:
    """The bytes of a file below `roots` in chunks; ServiceError if it can't be read."""
    descriptor = await asyncio.to_thread(_open, path, roots)
    try:
        while chunk := await asyncio.to_thread(_read, descriptor):
            yield chunk
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, CHUNK_BYTES)
    except OSError as error:
        raise ServiceError(
            Reason.PATH_NOT_FOUND, f"the file can't be read: {error.strerror}"
        ) from error
