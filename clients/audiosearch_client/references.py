"""Audio that clips refer to where it is: the source of an import that copies nothing."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from audiosearch.catalog.v1.clip_pb2 import ListReferencesRequest, ListReferencesResponse

from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.entry import Entry, Source
from audiosearch_client.corpora.sources import layout_named, manifest_source
from serving.audio_files import PassedOver
from serving.errors import Reason, ServiceError
from serving.objects.urls import is_url
from serving.retry import patiently

_PAGE = 1000
_LOOKS = 8
"""Lines of a manifest that are looked up at a time."""

_OF_ONE_LINE = {Reason.PATH_NOT_FOUND, Reason.PATH_NOT_ALLOWED, Reason.FIELD_INVALID}


def uri_of(place: str) -> str:
    """The URI of a place: itself, or that of a folder or a file by its path on this machine."""
    return place if "://" in place else Path(place).expanduser().absolute().as_uri()


def reference_source(
    client: AudiosearchClient, library: str, place: str, layout_name: str = "", label: str = ""
) -> Source:
    """The audio files below a place that the server lets clips refer to.

    Args:
        client: lists them, page by page.
        library: short name of the library that they are for.
        place: a URI as in `Clip.uri`, or a path that the server reads by the same name.
        layout_name: corpus that it holds, for fields from the names of files; none if empty.
        label: for clips without another label.

    Raises:
        ServiceError: FIELD_INVALID for an unknown layout. Reading the entries raises the errors of
            ListReferences.
    """
    layout = layout_named(layout_name) if layout_name else None
    uri, passed_over = uri_of(place), PassedOver()

    def entry(found: ListReferencesResponse.Reference) -> Entry:
        name = found.path.rpartition("/")[2]
        if found.HasField("failure"):
            return Entry(found.path, failure=_failure(found))
        made = Entry(found.path, display_name=name)
        if layout:
            made = layout.describe(found.path, {})
        return _there(replace(made, label=made.label or label), found)

    def entries() -> Iterator[Entry]:
        passed_over.clear()
        request = ListReferencesRequest(parent=f"libraries/{library}", uri=uri, page_size=_PAGE)
        for page in client.pages(client.stubs.clips.ListReferences, request):
            passed_over.update(page.passed_over)
            yield from map(entry, page.references)

    notes: tuple[str, ...] = ()
    if layout and layout.list_file:
        notes = (f"{layout.list_file.paths[0]} is not read there: {layout.list_file.gives}",)
    return Source(Path(), entries, notes, passed_over=passed_over, uri=uri)


def described_source(
    client: AudiosearchClient, library: str, place: str, path: Path, label: str = ""
) -> Source:
    """The audio that a manifest names in a place that the server lets clips refer to.

    Args:
        client: looks for each, some at a time.
        library: short name of the library that they are for.
        place: a URI as in `Clip.uri`, or a path that the server reads by the same name. Paths of
            the manifest start from there; URLs of objects stand for themselves.
        path: the manifest, .csv or .jsonl.
        label: for clips without a label in the manifest.

    Raises:
        ServiceError: as `manifest_source`. Reading the entries raises those errors of
            ListReferences that are not about one of them.
    """
    described = manifest_source(path, label, objects=True)
    uri = uri_of(place)

    def entries() -> Iterator[Entry]:
        stop = threading.Event()

        def look(entry: Entry) -> Entry:
            asked = entry.path if is_url(entry.path) else _below(uri, entry.path)
            try:
                return patiently(lambda: _looked_up(client, library, entry, asked), stop=stop)
            except ServiceError as error:
                if error.reason not in _OF_ONE_LINE:
                    raise
                return replace(entry, failure=error)

        try:
            yield from _in_order(described.entries(), look)
        finally:
            stop.set()

    return Source(Path(), entries, uri=uri)


def _below(uri: str, path: str) -> str:
    """The URI of a path below a place; the keys of objects stand in theirs as they are."""
    return f"{uri.removesuffix('/')}/{path if is_url(uri) else quote(path)}"


def _looked_up(client: AudiosearchClient, library: str, entry: Entry, uri: str) -> Entry:
    request = ListReferencesRequest(parent=f"libraries/{library}", uri=uri, page_size=1)
    found = client.call(client.stubs.clips.ListReferences, request).references
    if len(found) != 1 or found[0].uri.count("/") != uri.count("/"):
        raise ServiceError(Reason.PATH_NOT_FOUND, f"{uri} is a folder, and no audio")
    if found[0].HasField("failure"):
        raise _failure(found[0])
    return _there(entry, found[0])


def _in_order(entries: Iterator[Entry], look: Callable[[Entry], Entry]) -> Iterator[Entry]:
    """The entries as they were found, some looks at a time."""
    with ThreadPoolExecutor(_LOOKS) as pool:
        waiting: deque[Future[Entry]] = deque()
        for entry in entries:
            waiting.append(pool.submit(look, entry))
            if len(waiting) > 2 * _LOOKS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _failure(found: ListReferencesResponse.Reference) -> ServiceError:
    reason = Reason.named(found.failure.reason) or Reason.INTERNAL
    return ServiceError(reason, found.failure.message)


def _there(entry: Entry, found: ListReferencesResponse.Reference) -> Entry:
    """The entry with the place, version and size of its audio."""
    return replace(entry, uri=found.uri, version=_version(found), size_bytes=found.size_bytes)


def _version(found: ListReferencesResponse.Reference) -> str:
    """A text that changes whenever the audio does."""
    text = f"{found.uri}\0{found.size_bytes}\0{found.version}"
    return hashlib.sha256(text.encode()).hexdigest()
