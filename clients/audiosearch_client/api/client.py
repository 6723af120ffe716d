"""`Client`: the Python client for every day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest
from audiosearch.gateway.v1.search_pb2 import SearchConfig
from typing_extensions import Self

from audiosearch_client import environment
from audiosearch_client.api.clips import Clips
from audiosearch_client.api.given import (
    InLibrary,
    Query,
    Recording,
    Where,
    audio_of,
    filter_of,
    library_of,
    part_of,
    query_of,
)
from audiosearch_client.api.libraries import Libraries
from audiosearch_client.api.operations import Operations
from audiosearch_client.api.queries import Queries
from audiosearch_client.api.speakers import Speakers
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.results.clips import Library, Model
from audiosearch_client.results.searches import Embedding, SearchResult


class Client:
    """Calls one gateway. Use it as a context manager, or close it. Threads may share it.

    `libraries`, `clips`, `speakers`, `operations` and `queries` have the calls for each. Every
    method raises ServiceError with the gateway's reason, or GATEWAY_UNAVAILABLE. `AsyncClient` is
    the same for an event loop. `calls` makes every other call of the contracts.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        key: str | None = None,
        ca: str | Path | None = None,
        timeout: float = 60.0,
    ) -> None:
        """Connects on the first call.

        Args:
            target: address of the gateway, `host:port`; that of AUDIOSEARCH_TARGET, or else
                localhost:50050, if left out.
            key: API key; that of AUDIOSEARCH_API_KEY or AUDIOSEARCH_API_KEY_FILE if left out.
            ca: certificates that vouch for the gateway; those of AUDIOSEARCH_TLS_CA if left out.
                Without either there is no TLS.
            timeout: deadline of each call in seconds; calls that carry audio have sixty times as
                long.

        Raises:
            ValueError: `ca` is unusable, or the key has characters that no key has.
        """
        self.calls = AudiosearchClient(
            target or environment.target(),
            timeout,
            environment.key() if key is None else key,
            environment.ca() if ca is None else Path(ca),
        )
        self.libraries = Libraries(self.calls)
        self.clips = Clips(self.calls)
        self.speakers = Speakers(self.calls)
        self.operations = Operations(self.calls)
        self.queries = Queries(self.calls)

    def __enter__(self) -> Self:
        """Returns the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the connection."""
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self.calls.close()

    def search(
        self,
        library: InLibrary | Sequence[InLibrary],
        query: Query,
        *,
        k: int | None = None,
        min_score: float | None = None,
        rate: int | None = None,
        channel: int = 0,
        part: tuple[float, float | None] | None = None,
        where: Where | None = None,
        label: str | None = None,
        speaker: str | None = None,
        group_by: str = "",
        group_size: int = 0,
        segments: int = 0,
        page: str = "",
    ) -> SearchResult:
        """Finds the clips most like a sound. Clips that the query names are left out.

        Args:
            library: the library, or several of one model.
            query: a path, the bytes of an encoded file, an array of samples, a clip or a query of
                `queries` or the full name of either, a vector of `embed`, or examples (`Like`).
            k: number of matches; the gateway's default, mostly 10, if left out.
            min_score: lowest score of a match.
            rate: frames a second of samples.
            channel: the channel of audio to hear, counted from 1; 0 for all, mixed to one.
            part: the part of the query to search with, as its start and its end in seconds; None
                for the end is that of the recording.
            where: conditions of `audiosearch_client.conditions`, which all must hold.
            label: only clips with this label; empty for those without any.
            speaker: only clips of this speaker; empty for those without any.
            group_by: field to group matches by, such as `label` or `metadata.{key}`; `k` counts
                groups then.
            group_size: most clips of a group; 0 is 1.
            segments: most stretches told of a match; 0 is 3.
            page: `next_page` of the result before, for the next matches of the same search.
        """
        first, config = _config(library, k, page)
        fit = filter_of(where, label, speaker)
        config.MergeFrom(
            SearchConfig(
                min_score=min_score,
                filter=fit,
                group_by=group_by,
                group_size=group_size,
                segments_per_match=segments,
            )
        )
        return SearchResult(
            self.calls.search(
                first,
                query_of(query, rate),
                channel=channel,
                config=config,
                part=part_of(part),
            )
        )

    def search_words(
        self,
        library: InLibrary | Sequence[InLibrary],
        words: str,
        *,
        k: int | None = None,
        where: Where | None = None,
        label: str | None = None,
        speaker: str | None = None,
        page: str = "",
    ) -> SearchResult:
        """Finds clips by words, such as `dog barking`, among their tags, names and labels.

        The other arguments are those of `search`.
        """
        first, config = _config(library, k, page)
        fit = filter_of(where, label, speaker)
        config.MergeFrom(SearchConfig(filter=fit))
        return SearchResult(self.calls.search_by_words(first, words, config))

    def embed(
        self, audio: Recording, *, rate: int | None = None, model: str = "", channel: int = 0
    ) -> Embedding:
        """The vector of a sound, by the first model if none is named. Nothing is stored.

        Args:
            audio: a path, the bytes of an encoded file, or an array of samples.
            rate: frames a second of samples.
            model: a name of `models()`, or `models/voices` and `models/sounds` for the first of
                either.
            channel: the channel to hear, counted from 1; 0 for all, mixed to one.
        """
        return Embedding(self.calls.embed(audio_of(audio, rate), model, channel))

    def models(self) -> list[Model]:
        """The models that run, the default first."""
        answer = self.calls.call(self.calls.stubs.models.ListModels, ListModelsRequest())
        return [Model(each) for each in answer.models]


def _config(
    library: InLibrary | Sequence[InLibrary], k: int | None, page: str
) -> tuple[str, SearchConfig]:
    """The first library, and a search in all of them.

    Raises:
        ValueError: no library is named.
    """
    several = [library] if isinstance(library, (str, Library)) else library
    shorts = [library_of(each) for each in several]
    if not shorts:
        raise ValueError("name a library to search")
    more = [f"libraries/{each}" for each in shorts[1:]]
    return shorts[0], SearchConfig(k=k, page_token=page, more_libraries=more)
