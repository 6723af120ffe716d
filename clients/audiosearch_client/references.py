"""Audio that clips refer to where it is: the source of an import that copies nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from audiosearch.catalog.v1.clip_pb2 import ListReferencesRequest, ListReferencesResponse

from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.entry import Entry, Source
from audiosearch_client.corpora.sources import layout_named
from serving.audio_files import PassedOver
from serving.errors import Reason, ServiceError

_PAGE = 1000


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
            reason = Reason.named(found.failure.reason) or Reason.INTERNAL
            return Entry(found.path, failure=ServiceError(reason, found.failure.message))
        made = Entry(found.path, display_name=name)
        if layout:
            made = layout.describe(found.path, {})
        return replace(made, label=made.label or label, uri=found.uri, version=_version(found))

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


def _version(found: ListReferencesResponse.Reference) -> str:
    """A text that changes whenever the audio does."""
    text = f"{found.uri}\0{found.size_bytes}\0{found.version}"
    return hashlib.sha256(text.encode()).hexdigest()
