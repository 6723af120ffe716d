"""Searches by words: clips are found by their tags, and by parts of their names and labels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from audiosearch.catalog.v1.clip_pb2 import (
    ClipFilter,
    CountValuesRequest,
    FindClipsRequest,
    ListTagsRequest,
)
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1.search_pb2 import (
    Match,
    SearchClipsRequest,
    SearchClipsResponse,
    SearchConfig,
)

from gateway.libraries.libraries import Libraries
from gateway.search import question, words
from gateway.search.grouping import CLIP, Groups, fill
from gateway.search.neighbors import DECIMALS
from gateway.search.pages import asked_for, question_of
from gateway.search.ranking import Found
from gateway.search.record import SearchLog
from gateway.search.words import Part
from gateway.upstream import Upstream
from serving import limits
from serving.conditions import TAG
from serving.errors import Reason, ServiceError

_WORDS = limits.of(SearchClipsRequest, "words")
_MOST_PARTS = limits.of(FindClipsRequest, "terms").max_items
_PAGE = 1000
_MOST_READ = 10_000
"""Clips of a library that are read to fill groups."""
_SHOWN = 5


@dataclass(frozen=True)
class Named(Found):
    """A clip that words lead to."""

    named: int
    """Parts of the question that its name or its label holds."""

    @property
    def order(self) -> tuple[float, int, str]:
        """Clips are sorted by this."""
        return -self.score, -self.named, self.clip.name


class _Source:
    """The clips of one library that words lead to, the best first."""

    def __init__(
        self,
        upstream: Upstream,
        library: Library,
        asked: Sequence[Part],
        which: ClipFilter,
        least: float | None,
    ) -> None:
        """Begins before the first clip that scores `least` or more."""
        self._clips = upstream.clips
        self._least = least
        self._request = FindClipsRequest(
            parent=library.name, terms=[part.term for part in asked], filter=which
        )
        self._ready: list[Named] = []
        self._read = 0
        self._ended = False

    @property
    def more(self) -> bool:
        """True if there may be clips that `next` did not give."""
        return bool(self._ready) or not self._ended

    async def next(self, wanted: int, *_: object) -> Named | None:
        """The next clip; None after the last."""
        while not self._ready and not self._ended:
            self._request.page_size = min(wanted, _PAGE)
            page = await self._clips.FindClips(self._request)
            self._ready = [
                Named(each.clip.name, each.clip, each.score, each.named_count)
                for each in page.clips
                if self._least is None or round(each.score, DECIMALS) >= self._least
            ]
            self._read += len(page.clips)
            self._request.page_token = page.next_page_token
            below = len(self._ready) < len(page.clips)
            self._ended = below or not page.next_page_token or self._read >= _MOST_READ
        return self._ready[0] if self._ready else None

    def take(self) -> Named:
        """Takes the clip that `next` gave."""
        return self._ready.pop(0)


class WordSearch:
    """Finds the clips of libraries that words lead to."""

    def __init__(
        self, upstream: Upstream, libraries: Libraries, default_k: int, log: SearchLog
    ) -> None:
        """Works on the services of `upstream`. A search without k finds `default_k` groups."""
        self._upstream = upstream
        self._libraries = libraries
        self._default_k = default_k
        self._log = log

    async def search(self, config: SearchConfig, text: str) -> SearchClipsResponse:
        """Searches with words.

        Raises:
            ServiceError: FIELD_INVALID, LIBRARY_NOT_FOUND and those of the catalog.
        """
        asked = question.read(config)
        _check(text)
        with self._log.search(config.parent, by_clip=False) as watch, watch.step("catalog"):
            opened = await asyncio.gather(*map(self._libraries.open, asked.libraries))
            parts = words.parts(text, await self._tags(opened))
            if not 1 <= len(parts) <= _MOST_PARTS:
                raise _refused(f"{len(parts)} words; 1 to {_MOST_PARTS} can be asked at a time")
            page = asked_for(config, question_of(config, (b"words", text.encode())))
            k = page.room(config.k if config.HasField("k") else self._default_k)
            groups = Groups[Named](asked.group_by, asked.group_size, k, page)
            sources = [
                _Source(self._upstream, library, parts, config.filter, asked.least)
                for library in opened
            ]
            await fill(groups, sources)
            answer = SearchClipsResponse(
                understood=[part.understood for part in parts if part.tags],
                not_understood=[part.words for part in parts if not part.tags],
            )
            for group, members in groups.ranked():
                name = "" if groups.by == CLIP else group
                for each in members:
                    score = round(each.score, DECIMALS)
                    answer.matches.append(Match(clip=each.clip, score=score, group=name))
            if groups.more or (groups.by != CLIP and any(source.more for source in sources)):
                answer.next_page_token = page.following(groups.members)
            if not answer.matches and not config.page_token:
                answer.advice = await self._advice(opened, parts)
            watch.match_count = len(answer.matches)
        return answer

    async def _tags(self, opened: Sequence[Library]) -> list[str]:
        """The tags that the clips of libraries have."""
        asked = [ListTagsRequest(parent=library.name) for library in opened]
        lists = await asyncio.gather(*map(self._upstream.clips.ListTags, asked))
        return sorted({name for each in lists for name in each.names})

    async def _advice(self, opened: Sequence[Library], parts: Sequence[Part]) -> str:
        """A sentence for people whose words led to no clip."""
        counts = await asyncio.gather(
            *(
                self._upstream.clips.CountValues(
                    CountValuesRequest(parent=library.name, field=TAG, page_size=_SHOWN)
                )
                for library in opened
            )
        )
        listed = [(value.clip_count, value.value) for each in counts for value in each.values]
        frequent = [name for _, name in sorted(listed, reverse=True) if name][:_SHOWN]
        if not frequent:
            return (
                "The clips have no tags, so names and labels alone were looked through. Ask with "
                "other words of these, or search by sound."
            )
        unknown = [part.words for part in parts if not part.tags]
        begin = (
            f"No kind of sound is known by {', '.join(unknown)}, and no name or label fits."
            if unknown
            else "No clip was heard so."
        )
        return f"{begin} Kinds heard here are, among others: {', '.join(frequent)}."


def _check(text: str) -> None:
    if not _WORDS.min_length <= len(text.strip()) or len(text) > _WORDS.max_length:
        raise _refused(f"{len(text)} characters, which must be 1 to {_WORDS.max_length}")
    if limits.CONTROL.search(text):
        raise _refused("it must have no control characters")


def _refused(problem: str) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, f"words: {problem}", {"field": "words"})
