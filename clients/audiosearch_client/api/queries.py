"""`client.queries`."""

from __future__ import annotations

import io

from audiosearch.catalog.v1 import query_pb2

from audiosearch_client.api.given import (
    InLibrary,
    Recording,
    audio_of,
    kept_query_of,
    library_of,
)
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.results.queries import KeptQuery
from audiosearch_client.sounds import Sound


class Queries:
    """Keeps sounds that are searched with. The errors are those of the client."""

    def __init__(self, calls: AudiosearchClient) -> None:
        """Calls through `calls`."""
        self._calls = calls
        self._stubs = calls.stubs.search

    def create(
        self,
        library: InLibrary,
        audio: Recording,
        *,
        rate: int | None = None,
        name: str = "",
        channel: int = 0,
    ) -> KeptQuery:
        """Keeps a sound for a time, so that others can search with it too.

        The same audio is the same query, kept longer. The arguments are those of `clips.upload`.
        """
        sound = audio_of(audio, rate, name)
        return KeptQuery(self._calls.keep_query(library_of(library), sound, name, channel))

    def get(self, query: str | KeptQuery) -> KeptQuery:
        """All that is known of a query, as long as it is kept."""
        request = query_pb2.GetQueryRequest(name=kept_query_of(query))
        return KeptQuery(self._calls.call(self._stubs.GetQuery, request))

    def audio(self, query: str | KeptQuery) -> Sound:
        """The audio of a query in memory, as it came. In a notebook it is a player."""
        file, kind = io.BytesIO(), ""
        request = query_pb2.DownloadQueryRequest(name=kept_query_of(query))
        for response in self._calls.receive(self._stubs.DownloadQuery, request):
            if response.HasField("audio_object"):
                kind = response.audio_object.content_type
            file.write(response.chunk)
        name = query.name if isinstance(query, KeptQuery) else ""
        return Sound(file.getvalue(), name, kind)
