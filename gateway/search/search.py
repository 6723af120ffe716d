"""A search: a query, the ranking of each library, the groups of the page, and their segments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence

from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.query_pb2 import GetQueryRequest
from audiosearch.embedding.v1.embedding_pb2 import PcmFormat, TimeRange
from audiosearch.gateway.v1.search_pb2 import (
    Examples,
    Match,
    SearchClipsResponse,
    SearchConfig,
    VectorQuery,
)

from gateway.clips.audio import kept, no_audio
from gateway.libraries.incomplete import incomplete
from gateway.libraries.libraries import Libraries
from gateway.libraries.recent import ChangedError, same
from gateway.search import matches, question
from gateway.search.by_words import WordSearch
from gateway.search.grouping import CLIP, Groups, fill
from gateway.search.pages import asked_for, question_of
from gateway.search.queries import Queries
from gateway.search.query import Query
from gateway.search.question import Question
from gateway.search.ranking import Candidate, Ranking
from gateway.search.record import SearchLog, Stopwatch
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.names import purpose_word, query_within


class Search:
    """Finds the clips of libraries most like a query."""

    def __init__(
        self, upstream: Upstream, libraries: Libraries, default_k: int, log: SearchLog
    ) -> None:
        """Works on the services of `upstream`. A search without k finds `default_k` groups."""
        self._log = log
        self._upstream = upstream
        self._libraries = libraries
        self._default_k = default_k
        self._queries = Queries(upstream)
        self._words = WordSearch(upstream, libraries, default_k, log)

    async def by_audio(
        self,
        config: SearchConfig,
        chunks: AsyncIterable[bytes],
        pcm: PcmFormat | None = None,
        channel: int = 0,
        part: TimeRange | None = None,
    ) -> SearchClipsResponse:
        """Searches with audio, encoded or raw, or with one channel or a part of it."""
        asked = question.read(config)
        with self._log.search(config.parent, by_clip=False) as watch:
            with watch.step("catalog"):
                opened = await self._recent(asked, part)
            try:
                with watch.step("embedding"):
                    queries = await self._queries.of_audio(opened, chunks, pcm, channel, part)
            except ServiceError as error:
                if error.reason is Reason.MODEL_MISMATCH:
                    opened = await self._same_model(asked, opened, error)
                    if opened[0].dimension:
                        raise no_audio(opened[0]) from error
                raise
            return await self._answer(asked, opened, queries, watch)

    async def by_kept_query(
        self, config: SearchConfig, name: str, part: TimeRange | None = None
    ) -> SearchClipsResponse:
        """Searches with a sound that is kept for a time, or with a part of it."""
        question.read(config)
        query_within(config.parent, name, "kept_query")
        query = await self._upstream.queries.GetQuery(GetQueryRequest(name=name))
        chunks = kept(self._upstream, name)
        return await self.by_audio(config, chunks, channel=query.channel, part=part)

    async def by_clip(
        self, config: SearchConfig, name: str, part: TimeRange | None = None
    ) -> SearchClipsResponse:
        """Searches with a clip of the library, or with a part of it. The clip is left out."""

        async def read(opened: Sequence[Library]) -> list[Query]:
            return await self._queries.of_clip(opened, name, part)

        return await self._by_stored(config, read, part)

    async def by_vector(self, config: SearchConfig, value: VectorQuery) -> SearchClipsResponse:
        """Searches with a vector."""

        async def read(opened: Sequence[Library]) -> list[Query]:
            return [self._queries.of_vector(opened[0], value)] * len(opened)

        return await self._by_stored(config, read)

    async def by_examples(self, config: SearchConfig, value: Examples) -> SearchClipsResponse:
        """Searches with examples for and against. Clips among them are left out."""

        async def read(opened: Sequence[Library]) -> list[Query]:
            return [await self._queries.of_examples(opened[0], value)] * len(opened)

        return await self._by_stored(config, read)

    async def by_words(self, config: SearchConfig, text: str) -> SearchClipsResponse:
        """Searches with words, among tags and names."""
        return await self._words.search(config, text)

    async def _by_stored(
        self,
        config: SearchConfig,
        read: Callable[[Sequence[Library]], Awaitable[list[Query]]],
        part: TimeRange | None = None,
    ) -> SearchClipsResponse:
        asked = question.read(config)
        with self._log.search(config.parent, by_clip=True) as watch:
            with watch.step("catalog"):
                opened = await self._recent(asked, part)
            try:
                return await self._read_and_answer(asked, opened, read, watch)
            except ServiceError:
                # Perhaps only because a library is no more as it was remembered.
                now = await self._open(asked, part)
                if all(map(same, opened, now)):
                    raise
            return await self._read_and_answer(asked, now, read, watch)

    async def _read_and_answer(
        self,
        asked: Question,
        opened: Sequence[Library],
        read: Callable[[Sequence[Library]], Awaitable[list[Query]]],
        watch: Stopwatch,
    ) -> SearchClipsResponse:
        try:
            with watch.step("index"):
                queries = await read(opened)
        except ServiceError as error:
            opened = await self._reopened(asked, opened, error)
            with watch.step("index"):
                queries = await read(opened)
        return await self._answer(asked, opened, queries, watch)

    async def _recent(self, asked: Question, part: TimeRange | None) -> list[Library]:
        """The libraries as they were some seconds ago, if they were fit, or as they are now."""
        try:
            return await self._open(asked, part, self._libraries.recent)
        except ServiceError as error:
            if error.reason not in {Reason.MODEL_MISMATCH, Reason.STATE_CONFLICT}:
                raise
        return await self._open(asked, part)

    async def _open(
        self,
        asked: Question,
        part: TimeRange | None = None,
        one: Callable[[str], Awaitable[Library]] | None = None,
    ) -> list[Library]:
        """The libraries of a question, all ACTIVE, of one model and fit to answer it.

        Each is read by `one`, or as it is now.
        """
        opened = await asyncio.gather(*map(one or self._libraries.open, asked.libraries))
        for library in opened:
            if library.model != opened[0].model:
                raise ServiceError(
                    Reason.MODEL_MISMATCH,
                    f"{_described(library)}, and {_described(opened[0])}; search them one by one",
                    {"library": library.name, "library_model": library.model},
                )
            wants = "a range" if part is not None else asked.needs_windows
            if wants and not library.generation:
                raise ServiceError(
                    Reason.STATE_CONFLICT,
                    f"{library.name} was made before there were windows, so it can't be searched "
                    f"with {wants}; migrate it first",
                    {"library": library.name},
                )
        return list(opened)

    async def _reopened(
        self, asked: Question, opened: Sequence[Library], error: ServiceError
    ) -> list[Library]:
        """The libraries anew after INDEX_NOT_FOUND, or a change; another error is raised.

        A migration may have given one other indexes, or an index is lost, and made again.
        """
        changed = isinstance(error, ChangedError)
        if not changed and error.reason is not Reason.INDEX_NOT_FOUND:
            raise error
        now = await self._same_model(asked, opened, error)
        if changed or not all(map(same, opened, now)):
            return now
        return list(await asyncio.gather(*map(self._libraries.lost, now)))

    async def _same_model(
        self, asked: Question, opened: Sequence[Library], error: Exception
    ) -> list[Library]:
        """The libraries as they are now; INDEX_UNAVAILABLE if they have another model now."""
        now = await self._open(asked)
        if now[0].model != opened[0].model:
            raise ServiceError(
                Reason.INDEX_UNAVAILABLE,
                f"{now[0].name} has just been given another model, {now[0].model}; search again",
            ) from error
        return now

    async def _answer(
        self,
        asked: Question,
        opened: Sequence[Library],
        queries: Sequence[Query],
        watch: Stopwatch,
    ) -> SearchClipsResponse:
        """The answer, by the query for each library.

        If a migration ended or an index was lost meanwhile, the search is made again, with the
        queries as they are: audio that has been heard is not kept.
        """
        try:
            answer = await self._page(asked, opened, queries, watch)
        except ServiceError as error:
            opened = await self._reopened(asked, opened, error)
            answer = await self._page(asked, opened, queries, watch)
        watch.match_count = len(answer.matches)
        return answer

    async def _page(
        self,
        asked: Question,
        opened: Sequence[Library],
        queries: Sequence[Query],
        watch: Stopwatch,
    ) -> SearchClipsResponse:
        config, query = asked.config, queries[0]
        page = asked_for(config, question_of(config, query.made_of))
        k = page.room(config.k if config.HasField("k") else self._default_k)
        groups = Groups[Candidate](asked.group_by, asked.group_size, k, page)
        sources = [
            Ranking(self._upstream, library, own, asked.least, asked.scope, watch, self._libraries)
            for library, own in zip(opened, queries, strict=True)
        ]
        await fill(groups, sources)
        await asyncio.gather(*(source.confirm() for source in sources))
        answer = SearchClipsResponse(
            model=opened[0].model, incomplete=incomplete(source.library for source in sources)
        )
        if query.audio is not None:
            answer.query_audio.CopyFrom(query.audio)
        answer.matches.extend(await self._matches(asked, groups))
        if groups.more or (groups.by != CLIP and any(source.more for source in sources)):
            answer.next_page_token = page.following(groups.members)
        return answer

    async def _matches(self, asked: Question, groups: Groups[Candidate]) -> list[Match]:
        ranked = groups.ranked()
        every: list[Candidate] = [one for _, members in ranked for one in members]
        hits = await matches.complete(every) if asked.segments else {}
        found = []
        for group, members in ranked:
            for one in members:
                plain = matches.match(one, "" if groups.by == CLIP else group)
                if asked.segments:
                    matches.segmented(plain, one, hits[one.clip.name], asked.segments)
                found.append(plain)
        return found


def _described(library: Library) -> str:
    """A library with its purpose and its model."""
    purpose = purpose_word(library.purpose) or "vectors"
    return f"{library.name} is for {purpose}, by {library.model}"
