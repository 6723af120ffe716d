"""Audio files below a folder: their suffixes, and the order in which a walk finds them."""

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
"""Suffixes of audio files in lower case. A file's own suffix may be in any case."""


@dataclass(frozen=True)
class Found:
    """A result of the walk: an audio file, or a failure in its place."""

    path: str
    """Relative to the folder, parts joined by `/`."""

    failure: ServiceError | None = None


def walk(root: Path, after: str = "") -> Iterator[Found]:
    """Audio files below `root`, depth first, names sorted within each folder.

    Memory is bounded by the names in the folders on the way to the current file. A folder that
    can't be listed and a link to a folder are failures in their place.

    Args:
        root: real path of the folder.
        after: path of the last file to skip, as in `Found.path`; empty to skip none.
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
    """The audio files and folders in a folder, by name."""
    with os.scandir(folder) as entries:
        kinds = ((entry.name, _kind(entry)) for entry in entries)
        return sorted(((name, kind) for name, kind in kinds if kind), key=operator.itemgetter(0))


def _kind(entry: os.DirEntry[str]) -> _Kind | None:
    if entry.is_dir():
        return _Kind.LINKED_FOLDER if entry.is_symlink() else _Kind.FOLDER
    return _Kind.AUDIO if entry.name.lower().endswith(SUFFIXES) else None


def unreadable(what: str, error: OSError) -> ServiceError:
    """The failure for a file or folder that can't be read."""
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
    """The number of results that `walk` will give, files and failures."""
    return sum(1 for _ in walk(root))
