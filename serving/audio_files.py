"""Audio files below a folder: their walk, what it passes over, and the counts of an import."""

from __future__ import annotations

import operator
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.import_job_pb2 import ImportProgress
from audiosearch.embedding.v1.embedding_pb2 import AudioRemark

from serving import limits
from serving.audio_signs import HEAD_BYTES, begins, has_ending
from serving.disk.folders import open_below
from serving.errors import Reason, ServiceError

HIDDEN, LINK, UNREADABLE, OTHER = "hidden", "link", "unreadable", "other"
MAX_KINDS = limits.of(ImportProgress, "passed_over").max_items
"""Kinds of files passed over that are told apart. Those met later are OTHER."""

_HIDDEN_FOLDERS = {"__MACOSX"}
_ENDING = re.compile(r"\.[A-Za-z0-9_-]{1,15}", re.ASCII)


@dataclass(frozen=True)
class Found:
    """A result of the walk: an audio file, or a failure in its place."""

    path: str
    """Relative to the folder, parts joined by `/`."""

    failure: ServiceError | None = None


class PassedOver(Counter[str]):
    """Files that a walk passed over, by kind: an ending in lower case, or a name as HIDDEN."""

    def add(self, kind: str) -> None:
        """Counts one."""
        self[kind if kind in self or len(self) < MAX_KINDS - 1 else OTHER] += 1


def count_clip(progress: ImportProgress, clip: Clip, *, created: bool) -> None:
    """Counts the clip of a file, new or there before, and the remarks about its audio."""
    if created:
        progress.imported += 1
    else:
        progress.existing += 1
    for remark in clip.audio.remarks:
        if remark in AudioRemark.values():  # a newer server may know more
            progress.remarks[AudioRemark.Name(remark)] += 1


def walk(
    root: Path,
    after: str = "",
    *,
    roots: Sequence[Path] | None = None,
    passed_over: PassedOver | None = None,
) -> Iterator[Found]:
    """Audio files below `root`, depth first, names sorted within each folder.

    A file is audio by its ending or its first bytes. All else is passed over: hidden files and
    folders, links that lead nowhere, and files of other kinds. Memory is bounded by the names in
    the folders on the way to the current file. A folder that can't be listed and a link to a folder
    are failures in their place.

    Args:
        root: real path of the folder.
        after: path of the last file to skip, as in `Found.path`; empty to skip none.
        roots: folders that links must not lead out of; None for any. The first bytes of a file
            elsewhere are never read.
        passed_over: gets what is passed over in the folders that are listed.
    """
    counted = PassedOver() if passed_over is None else passed_over
    yield from _Walk(root, roots, counted).below((), PurePosixPath(after).parts)


def count(root: Path, *, roots: Sequence[Path] | None = None) -> tuple[int, PassedOver]:
    """The number of results that `walk` will give, files and failures, and what it passes over."""
    passed_over = PassedOver()
    return sum(1 for _ in walk(root, roots=roots, passed_over=passed_over)), passed_over


class _Kind(Enum):
    FOLDER = 1
    LINKED_FOLDER = 2
    AUDIO = 3


@dataclass(frozen=True)
class _Walk:
    root: Path
    roots: Sequence[Path] | None
    passed_over: PassedOver

    def below(self, parts: tuple[str, ...], after: tuple[str, ...]) -> Iterator[Found]:
        try:
            entries = self._entries(self.root.joinpath(*parts))
        except OSError as error:
            yield Found(_printable("/".join(parts)), unreadable("folder", error))
            return
        for name, kind in entries:
            here = (*parts, name)
            if here < after[: len(here)] or here == after:
                continue
            if kind is _Kind.FOLDER:
                yield from self.below(here, after)
            elif kind is _Kind.LINKED_FOLDER:
                message = "a link to a folder is not followed; import the folder itself"
                failure = ServiceError(Reason.PATH_NOT_ALLOWED, message)
                yield Found(_printable("/".join(here)), failure)
            else:
                yield _file("/".join(here))

    def _entries(self, folder: Path) -> list[tuple[str, _Kind]]:
        """The audio files and folders in a folder, by name."""
        found = []
        with self._opened(folder) as entries:
            for entry in entries:
                kind = self._kind(entry, folder)
                if isinstance(kind, _Kind):
                    found.append((entry.name, kind))
                else:
                    self.passed_over.add(kind)
        return sorted(found, key=operator.itemgetter(0))

    @contextmanager
    def _opened(self, folder: Path) -> Iterator[Iterable[os.DirEntry[str]]]:
        """The entries of a folder; OSError if it has become a link that must not be followed."""
        if self.roots is None:
            with os.scandir(folder) as entries:
                yield entries
            return
        descriptor = open_below(folder, self.roots, os.O_DIRECTORY)
        try:
            with os.scandir(descriptor) as entries:
                yield entries
        finally:
            os.close(descriptor)

    def _kind(self, entry: os.DirEntry[str], folder: Path) -> _Kind | str:
        """The kind of an entry to look at, or the name of the kind that is passed over."""
        if is_hidden(entry.name):
            return HIDDEN
        is_link = entry.is_symlink()
        try:
            if entry.is_dir():
                return _Kind.LINKED_FOLDER if is_link else _Kind.FOLDER
            if is_link:
                entry.stat()
        except OSError:  # it leads to itself, to nothing, or to where nobody may look
            return LINK if is_link else UNREADABLE
        if has_ending(entry.name):
            return _Kind.AUDIO
        path = folder / entry.name
        real = Path(os.path.realpath(path)) if is_link else path
        if is_link and not self._allows(real):
            return LINK
        return self._kind_by_content(entry.name, real)

    def _allows(self, real: Path) -> bool:
        return self.roots is None or any(real.is_relative_to(root) for root in self.roots)

    def _kind_by_content(self, name: str, real: Path) -> _Kind | str:
        kind = kind_by_name(name)
        try:
            if not stat.S_ISREG(real.lstat().st_mode):
                return kind
            # A pipe or a link may have taken the file's place: neither is waited for nor followed.
            roots = self.roots or [real.parent]
            with os.fdopen(open_below(real, roots, os.O_NONBLOCK), "rb", buffering=0) as file:
                return _Kind.AUDIO if begins(file.read(HEAD_BYTES) or b"") else kind
        except OSError:
            return UNREADABLE


def is_hidden(name: str) -> bool:
    """True if a walk passes over whatever has this name."""
    return name.startswith(".") or name in _HIDDEN_FOLDERS


def kind_by_name(name: str) -> str:
    """The kind of a file that is no audio."""
    ending = _ENDING.fullmatch(PurePosixPath(name).suffix)
    return ending[0].lower() if ending else OTHER


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
