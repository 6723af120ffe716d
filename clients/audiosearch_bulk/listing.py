"""Lists the files of a plan: of a folder, a corpus or a manifest, or below a prefix of a bucket."""

from __future__ import annotations

import functools
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch_client.corpora.entry import Entry, Source
from audiosearch_client.corpora.layout import Details, Layout, check_list_size
from audiosearch_client.corpora.sources import layout_named

from audiosearch_bulk import objects
from audiosearch_bulk.files import File, time_of
from serving import limits
from serving.audio_files import HIDDEN, UNREADABLE, PassedOver, is_hidden, kind_by_name, unreadable
from serving.audio_signs import begins, has_ending
from serving.errors import Reason, ServiceError
from serving.objects.urls import is_url, is_whole, split

if TYPE_CHECKING:
    from obstore import ObjectMeta


@dataclass(frozen=True)
class Prefix:
    """The audio objects below a prefix, which count as files below a folder."""

    root: str
    """The URL of the prefix."""
    label: str = ""
    layout: Layout | None = None
    details: Details = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """Messages for the user."""
    passed_over: PassedOver = field(default_factory=PassedOver)
    """Objects that the last listing passed over, by kind."""

    def files(self) -> Iterator[File]:
        """Lists them, in the order of the store, a page in memory.

        Raises:
            ServiceError: as `objects.pages`.
        """
        self.passed_over.clear()
        for page in objects.pages(self.root):
            for found in objects.at_once(self._look, page):
                if isinstance(found, File):
                    yield found
                else:
                    self.passed_over.add(found)

    def _look(self, meta: ObjectMeta) -> File | str:
        """The file that an object is, or the kind of one that is passed over."""
        path = meta["path"].removeprefix(split(self.root)[1]).lstrip("/")
        if any(map(is_hidden, path.split("/"))):
            return HIDDEN
        name = path.rpartition("/")[2]
        if not has_ending(name):
            try:
                begin = objects.head(f"{self.root}/{path}") if meta["size"] else b""
            except ServiceError as error:
                if error.reason in objects.OF_NO_OBJECT:
                    raise
                return UNREADABLE
            if not begins(begin):
                return kind_by_name(name)
        entry = Entry(path, display_name=name)
        if self.layout:
            entry = self.layout.describe(path, self.details)
        file = _described(replace(entry, label=entry.label or self.label))
        return file.failed(entry.failure) if entry.failure else _told(file, meta)


def prefix_source(url: str, layout_name: str = "", label: str = "") -> Prefix:
    """The objects below a prefix, perhaps of a corpus, whose list is read.

    Args:
        url: `s3://bucket/prefix`, or the same with `gs` or `az`.
        layout_name: key of LAYOUTS, or empty.
        label: for clips without a label by the layout.

    Raises:
        ServiceError: FIELD_INVALID for another URL, or a list that can't be parsed; and as
            `objects.pages`.
    """
    if not is_whole(url):
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"{url} is no prefix of a bucket; write it as s3://BUCKET/PREFIX, gs:// or az://, "
            "without empty parts",
        )
    where, key = split(url)
    root = f"{where}/{key}" if key else where
    if not layout_name:
        return Prefix(root, label)

    def read(path: str) -> bytes | None:
        there = posixpath.normpath(posixpath.join(key, path))
        if there.startswith(".."):
            return None
        return objects.whole(f"{where}/{there}", check_list_size)

    layout = layout_named(layout_name)
    details, notes = layout.details(read)
    return Prefix(root, label, layout, details, notes)


def files(source: Source | Prefix) -> Iterator[File]:
    """The files of a source as they are now, always in the same order.

    One that can't be imported has a failure.

    Raises:
        ServiceError: of an object store as a whole.
    """
    if isinstance(source, Prefix):
        return source.files()
    look = functools.partial(_file, source)
    if source.confined:  # a manifest, which may name objects: each takes a request
        return objects.at_once(look, source.entries())
    return map(look, source.entries())


def _file(source: Source, entry: Entry) -> File:
    file = _described(entry)
    if entry.failure:
        return file.failed(entry.failure)
    if is_url(entry.path):
        try:
            return _told(file, objects.look(entry.path))
        except ServiceError as error:
            if error.reason in objects.OF_NO_OBJECT:
                raise
            return file.failed(error)
    path = source.root / entry.path
    if source.confined and not Path(os.path.realpath(path)).is_relative_to(source.root):
        outside = "a link that leads outside the manifest's folder"
        return file.failed(ServiceError(Reason.PATH_NOT_ALLOWED, outside))
    try:
        found = path.stat()
    except OSError as error:
        return file.failed(unreadable("file", error))
    return replace(file, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)


def _described(entry: Entry) -> File:
    name = entry.display_name or entry.path.rpartition("/")[2]
    return File(
        entry.path,
        limits.cut(Clip, "display_name", name),
        entry.label,
        entry.speaker,
        dict(entry.metadata),
    )


def _told(file: File, meta: ObjectMeta) -> File:
    """The file with what its store tells: a tag of its bytes, or else the time."""
    tag = meta["e_tag"] or ""
    return replace(file, size_bytes=meta["size"], etag=tag, mtime_ns=0 if tag else time_of(meta))
