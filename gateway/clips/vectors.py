"""The vectors of clips in the indexes of their library."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.kept_vectors_pb2 import KeptVectors
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties, Tag
from audiosearch.embedding.v1.embedding_service_pb2 import (
    EmbedAudioConfig,
    EmbeddedWindow,
    EmbedWindowsConfig,
    EmbedWindowsSummary,
)
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2 import (
    DeleteVectorsRequest,
    ListVectorsRequest,
    UpdateAttributesRequest,
)

from gateway.clips.audio import embed
from gateway.clips.batches import Batches
from gateway.clips.keeping import RIDE_BYTES, Keeping, Packer
from gateway.clips.peaks import PEAKS
from gateway.clips.source import Source
from gateway.clips.stored_vectors import decode
from gateway.libraries import indexes
from gateway.libraries.indexes import Generation
from gateway.upstream import Upstream, passing_over
from serving import limits
from serving.conditions import MOST_TAGS, surest
from serving.errors import Reason, ServiceError
from serving.names import split_clip

AT_ONCE = 256
"""Windows of a clip that are in memory at a time."""
PAGE = 1000
ROUNDS = 3
_RUNS_NO_MORE = {Reason.MODEL_MISMATCH, Reason.MODEL_NOT_FOUND}
_CLIPS = limits.of(UpdateAttributesRequest, "clips").max_items


@dataclass(frozen=True)
class Stored:
    """A clip whose vectors are in the indexes."""

    audio: AudioProperties | None
    """Properties of its audio; None for a vector that was made elsewhere."""

    window_count: int
    """Vectors in the index of windows; 0 if the library has none."""

    tags: Sequence[Tag] | None = None
    """Its tags; None if they are not known, or are those of other vectors."""

    kept: Sequence[KeptVectors] = ()
    """Their parts that are kept when the clip becomes ACTIVE."""

    peaks: bytes = b""
    """Its outline; empty if it is not known."""


@dataclass
class _Windows:
    """One clip on its way into the indexes of a generation."""

    generation: Generation
    clip: Clip
    hurry: bool
    library: Library
    packer: Packer
    source: Source
    ids: set[str] = field(default_factory=set)
    """Ids of the vectors that are in the index of windows."""
    waiting: list[EmbeddedWindow] = field(default_factory=list)
    """Windows that are not in the index yet."""
    heard: bool = False
    """True if `clip` has its length and tags."""
    unlike: bool = False
    """True if vectors in the index lack them."""

    @property
    def clip_id(self) -> str:
        return split_clip(self.clip.name)[1]


class Vectors:
    """Writes the vectors of clips, and removes them. Every step can be repeated.

    A library in migration has two generations of indexes. Both are written.
    """

    def __init__(self, upstream: Upstream, batches: Batches) -> None:
        """Works on the services of `upstream`, for single vectors by `batches`."""
        self._upstream = upstream
        self._batches = batches
        self.keeping = Keeping(upstream)

    async def store(
        self,
        library: Library,
        clip: Clip,
        *,
        hurry: bool = True,
        fresh: bool = False,
        source: Source | None = None,
    ) -> Stored:
        """Embeds a clip into all generations that its library has by then.

        Args:
            library: of the clip.
            clip: its row.
            hurry: True if a caller waits for this one clip.
            fresh: True if there can be no vectors of an earlier try.
            source: its audio; the stored one if it is left out.

        Raises:
            ServiceError: of the services; LIBRARY_NOT_FOUND.
        """
        done: dict[int, Stored] = {}
        now = library
        for _ in range(ROUNDS):
            lost = await self._store_missing(
                now, clip, done, hurry=hurry, fresh=fresh, source=source
            )
            # A migration may have begun or ended meanwhile.
            now = await self._batches.library(library)
            present = indexes.present(now).number
            if lost and present in lost:
                raise lost[present]
            if all(each.number in done or each.number in lost for each in indexes.written(now)):
                break
        kept = [part for number in sorted(done) for part in done[number].kept]
        counted = indexes.counted(now).number
        last = next(number for number in (counted, present, max(done)) if number in done)
        return replace(done[last], kept=kept)

    async def _store_missing(
        self,
        library: Library,
        clip: Clip,
        done: dict[int, Stored],
        *,
        hurry: bool,
        fresh: bool,
        source: Source | None,
    ) -> dict[int, ServiceError]:
        """Stores in the generations that lack the clip. Returns those without indexes.

        A migration that has not made its indexes yet will come to the clip, and so does the way
        back to a generation that is kept, but whose model runs no more.
        """
        kept = indexes.coming(library) if indexes.keeps(library) else None
        lost: dict[int, ServiceError] = {}
        for generation in indexes.written(library):
            if generation.number in done:
                continue
            try:
                done[generation.number] = await self.store_in(
                    generation, library, clip, hurry=hurry, fresh=fresh, source=source
                )
            except ServiceError as error:
                gone = generation == kept and error.reason in _RUNS_NO_MORE
                if error.reason is not Reason.INDEX_NOT_FOUND and not gone:
                    raise
                lost[generation.number] = error
        return lost

    async def store_in(
        self,
        generation: Generation,
        library: Library,
        clip: Clip,
        *,
        hurry: bool = True,
        fresh: bool = False,
        source: Source | None = None,
    ) -> Stored:
        """Embeds a clip into one generation; arguments as for `store`."""
        source = source or Source(self._upstream, clip.name)
        if library.dimension:
            return await self._store_given(generation, library, clip, source, hurry=hurry)
        if generation.rule is None:
            return await self._store_whole(generation, library, clip, source, hurry=hurry)
        packer = Packer(generation, clip.name)
        state = _Windows(generation, clip, hurry, library, packer, source)
        config = EmbedWindowsConfig(
            audio=EmbedAudioConfig(
                model=generation.model, channel=clip.channel, max_tags=MOST_TAGS
            ),
            window_rule=generation.rule,
            max_peaks=PEAKS,
        )
        summary = EmbedWindowsSummary()
        async for response in source.windows(config):
            if response.HasField("summary"):
                summary = response.summary
                state.clip, state.heard = _heard(clip, summary), True
            elif response.window.HasField("embedding"):
                state.waiting.append(response.window)
                if len(state.waiting) == AT_ONCE:
                    await self._flush(state, numbered=True)
        await self._finish(state, summary, fresh=fresh)
        tags = surest(summary.tags)
        kept = await self._kept(library, packer, tags)
        return Stored(summary.audio, len(state.ids), tags, kept, summary.peaks)

    async def _kept(
        self, library: Library, packer: Packer, tags: Sequence[Tag]
    ) -> Sequence[KeptVectors]:
        """The last part of what is kept. A large one is sent at once, and none is left."""
        last = packer.last(tags)
        if len(last.values) <= RIDE_BYTES:
            return [last]
        await self.keeping.keep(library, [last])
        return []

    async def _store_given(
        self, generation: Generation, library: Library, clip: Clip, source: Source, *, hurry: bool
    ) -> Stored:
        """Stores the vector of a clip that was made elsewhere."""
        values = await decode(await source.read(), library.dimension)
        await source.settled()
        clip_id = split_clip(clip.name)[1]
        vector = Vector(
            id=clip_id, values=values, clip_id=clip_id, attributes=indexes.attributes(clip)
        )
        await self._batches.upsert(generation.windows, library.model, [vector], hurry=hurry)
        return Stored(None, 1)

    async def _store_whole(
        self, generation: Generation, library: Library, clip: Clip, source: Source, *, hurry: bool
    ) -> Stored:
        heard = await embed(
            self._upstream,
            generation.model,
            await source.read(),
            channel=clip.channel,
            max_tags=MOST_TAGS,
        )
        await source.settled()
        vector = Vector(id=split_clip(clip.name)[1], values=heard.embedding.values)
        await self._batches.upsert(generation.windows, generation.model, [vector], hurry=hurry)
        packer = Packer(generation, clip.name)
        packer.add(None, vector.values)
        tags = surest(heard.tags)
        kept = await self._kept(library, packer, tags)
        return Stored(heard.audio, 0, tags, kept)

    async def _flush(self, state: _Windows, *, numbered: bool) -> None:
        """Stores the windows that wait. `numbered` is False for the one window of a short clip."""
        await state.source.settled()
        index_id, mirrored = state.generation.windows, indexes.attributes(state.clip)
        vectors, parts = list[Vector](), list[KeptVectors]()
        for window in state.waiting:
            start = indexes.milliseconds(window.start_offset) if numbered else None
            vectors.append(
                Vector(
                    id=indexes.window_id(state.clip_id, start),
                    values=window.embedding.values,
                    clip_id=state.clip_id,
                    attributes=mirrored,
                )
            )
            if part := state.packer.add(start, window.embedding.values):
                parts.append(part)
        state.waiting.clear()
        state.unlike = state.unlike or not state.heard
        await self._upsert(index_id, state, vectors)
        await self.keeping.keep(state.library, parts)
        state.ids |= {vector.id for vector in vectors}

    async def _upsert(self, index_id: str, state: _Windows, vectors: Sequence[Vector]) -> None:
        model = state.generation.model
        await self._batches.upsert(index_id, model, vectors, hurry=state.hurry)

    async def _finish(self, state: _Windows, summary: EmbedWindowsSummary, *, fresh: bool) -> None:
        """Stores the last windows and the whole, and removes what an earlier try has left."""
        numbered = summary.window_count > 1
        await self._flush(state, numbered=numbered)
        wholes = state.generation.wholes
        if numbered and wholes:
            whole = Vector(id=state.clip_id, values=summary.embedding.values)
            await self._upsert(wholes, state, [whole])
            if part := state.packer.add(None, whole.values):
                await self.keeping.keep(state.library, [part])
        if state.unlike:
            await self.mirror_in(state.generation, [state.clip])
        if not fresh:
            await self._remove_others(state, numbered=numbered)

    async def _remove_others(self, state: _Windows, *, numbered: bool) -> None:
        """Removes vectors of the clip that are none of those just stored.

        It comes last, because another call may be storing the same vectors at the same time.
        """
        windows, wholes = state.generation.windows, state.generation.wholes
        there = self.windows_of(state.generation, state.clip_id)
        others = [id_ async for id_ in there if id_ not in state.ids]
        for start in range(0, len(others), PAGE):
            await self._delete(windows, ids=others[start : start + PAGE])
        if wholes and not numbered:
            await self._delete(wholes, ids=[state.clip_id])

    async def windows_of(self, generation: Generation, clip_id: str) -> AsyncIterator[str]:
        """Ids of the vectors of a clip in the index of windows."""
        request = ListVectorsRequest(
            index_id=generation.windows, after_id=indexes.before(clip_id), page_size=PAGE
        )
        while True:
            page = await self._upstream.index.ListVectors(request)
            for id_ in page.ids:
                if indexes.split_window(id_)[0] == clip_id:
                    yield id_
                elif id_ > clip_id:
                    return
            request.after_id = page.next_after_id
            if not page.next_after_id:
                return

    async def remove(self, library: Library, clip_ids: Sequence[str]) -> None:
        """Removes all vectors of clips from all generations. Missing ones are no error."""
        with passing_over(Reason.LIBRARY_NOT_FOUND):
            library = await self._batches.library(library)
        calls = [self.remove_from(each, clip_ids) for each in indexes.written(library)]
        await asyncio.gather(*calls)

    async def remove_from(self, generation: Generation, clip_ids: Sequence[str]) -> None:
        """Removes all vectors of at most 1,000 clips from one generation."""
        if generation.wholes is None:
            await self._delete(generation.windows, ids=clip_ids)
            return
        await asyncio.gather(
            self._delete(generation.windows, clip_ids=clip_ids),
            self._delete(generation.wholes, ids=clip_ids),
        )

    async def _delete(
        self, index_id: str, *, ids: Sequence[str] = (), clip_ids: Sequence[str] = ()
    ) -> None:
        request = DeleteVectorsRequest(index_id=index_id, ids=ids, clip_ids=clip_ids)
        with passing_over(Reason.INDEX_NOT_FOUND):
            await self._upstream.index.DeleteVectors(request)

    async def mirror(self, library: Library, clips: Sequence[Clip]) -> None:
        """Gives the vectors of clips their attributes of now, in all generations."""
        for generation in indexes.written(await self._batches.library(library)):
            await self.mirror_in(generation, clips)

    async def mirror_in(self, generation: Generation, clips: Sequence[Clip]) -> None:
        """Gives the vectors of clips their attributes of now, in one generation."""
        if generation.rule is None:
            return
        for start in range(0, len(clips), _CLIPS):
            request = UpdateAttributesRequest(
                index_id=generation.windows,
                clips=[
                    UpdateAttributesRequest.ClipAttributes(
                        clip_id=split_clip(clip.name)[1], attributes=indexes.attributes(clip)
                    )
                    for clip in clips[start : start + _CLIPS]
                ],
            )
            with passing_over(Reason.INDEX_NOT_FOUND):
                await self._upstream.index.UpdateAttributes(request)


def _heard(clip: Clip, summary: EmbedWindowsSummary) -> Clip:
    """A clip with its audio's properties and tags, which a row has only once it is ACTIVE."""
    heard = Clip()
    heard.CopyFrom(clip)
    heard.audio.CopyFrom(summary.audio)
    heard.ClearField("tags")
    heard.tags.extend(surest(summary.tags))
    return heard
