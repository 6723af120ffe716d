"""Audio files below a folder: how they are known, and in which order they are met."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from serving.errors import Reason, ServiceError

SUFFIXES = (
    *(".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac"),
    *(".aif", ".aiff", ".aifc", ".webm"),
)
"""Endings of audio files, in lower case; files are known by them whatever their case."""


@dataclass(frozen=True)
class Found:
    """Something met on the walk: an audio file, or a failure in its place."""

    path: str
    """Relative to the folder, parts joined by `/`."""

    failure: ServiceError | None = None


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
        yield Found("/".join(parts), unreadable("folder", error))
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


def unreadable(what: str, error: OSError) -> ServiceError:
    """The failure of a file or folder that the system does not let us read."""
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
