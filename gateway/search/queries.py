"""Reads queries: from audio, from clips and their stored windows, from vectors and examples."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from audiosearch.catalog.v1.clip_pb2 import Clip, GetClipRequest, LookupClipsRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import PcmFormat, TimeRange, WindowRule
from audiosearch.embedding.v1.embedding_service_pb2 import EmbedAudioConfig, EmbedWindowsConfig
from audiosearch.gateway.v1.search_pb2 import Examples, VectorQuery
from audiosearch.index.v1.index_service_pb2 import ListVectorsRequest

from gateway.clips.audio import stored
from gateway.libraries.indexes import present, read, split_window, whole_vectors
from gateway.search.examples import average
from gateway.search.hearing import by_rule, hear
from gateway.search.query import (
    ROUNDING,
    Query,
    Values,
    check_range,
    check_within,
    recorded,
    seconds,
    thinned,
    timed,
    unit,
)
from gateway.upstream import Upstream, passing_over
from serving import limits
from serving.errors import Reason, ServiceError
from serving.names import clip_within, split_clip


async def searchable(upstream: Upstream, library: Library, clip: Clip) -> Sequence[float]:
    """The vector of a whole clip; STATE_CONFLICT if it is not searchable."""
    _, clip_id = split_clip(clip.name)
    found = await whole_vectors(upstream.index, library, [clip_id])
    if clip.state != Clip.STATE_ACTIVE or clip_id not in found:
        raise _not_searchable(clip)
    return found[clip_id]


def _not_searchable(clip: Clip) -> ServiceError:
    if clip.state == Clip.STATE_ACTIVE:
        return ServiceError(
            Reason.INDEX_UNAVAILABLE,
            f"the index has lost the vectors of {clip.name}, which are being written again; try "
            "again later",
        )
    state = Clip.State.Name(clip.state).removeprefix("STATE_")
    return ServiceError(Reason.STATE_CONFLICT, f"{clip.name} is not searchable: it is {state}")


class Queries:
    """Reads queries from the services behind the gateway."""

    def __init__(self, upstream: Upstream) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream

    async def of_audio(
        self,
        libraries: Sequence[Library],
        chunks: AsyncIterable[bytes],
        pcm: PcmFormat | None,
        channel: int,
        part: TimeRange | None,
    ) -> list[Query]:
        """The query of audio, or of a part of it, for each library: cut by the library's rule.

        Raises:
            ServiceError: As `by_rule` and `embed_windows`, and FIELD_INVALID for the part.
        """
        config = EmbedWindowsConfig(
            audio=EmbedAudioConfig(pcm=pcm, channel=channel),
            range=None if part is None else check_range(part),
        )
        digest = hashlib.sha256(config.SerializeToString(deterministic=True))

        async def counted() -> AsyncIterator[bytes]:
            async for chunk in chunks:
                digest.update(chunk)
                yield chunk

        config.audio.model = libraries[0].model
        queries = await by_rule(
            self._upstream, config, [_rule(one) for one in libraries], counted()
        )
        return [replace(query, made_of=(b"audio", digest.digest())) for query in queries]

    async def of_clip(
        self, libraries: Sequence[Library], name: str, part: TimeRange | None
    ) -> list[Query]:
        """The query of a clip of the first library, or of a part of it, for each library.

        A library of another rule gets the stored audio of the clip cut by that rule.

        Raises:
            ServiceError: CLIP_NOT_FOUND, STATE_CONFLICT if it is not searchable, and FIELD_INVALID
                for a part that is not in it; errors of the services.
        """
        own = libraries[0]
        clip_id = clip_within(own.name, name, "clip")
        if part is not None and own.dimension:
            raise ServiceError(
                Reason.FIELD_INVALID,
                f"range: {own.name} holds vectors, which have no time; search with the clip alone",
                {"field": "range"},
            )
        clip, alone = await asyncio.gather(
            self._upstream.clips.GetClip(GetClipRequest(name=name)),
            self._alone(own, "" if part is not None else clip_id),
        )
        query = await self._of_row(own, clip, clip_id, part, alone)
        others = [one for one in libraries if not _serves(query, own, one)]
        heard: list[Query] = []
        if others:
            config = EmbedWindowsConfig(
                audio=EmbedAudioConfig(model=own.model, channel=clip.channel), range=part
            )
            chunks = stored(self._upstream, clip.name)
            rules = [_rule(one) for one in others]
            heard = await by_rule(self._upstream, config, rules, chunks)
        by_name = {one.name: each for one, each in zip(others, heard, strict=True)}
        parts = (b"clip", name.encode(), b"" if part is None else part.SerializeToString())
        left_out = frozenset([clip_id])
        return [
            replace(by_name.get(one.name, query), made_of=parts, left_out=left_out, audio=None)
            for one in libraries
        ]

    async def _alone(self, library: Library, clip_id: str) -> Values | None:
        """The vector of a clip of one window, as most are; None for another, and for no id."""
        ids = [clip_id] if clip_id else []
        with passing_over(Reason.INDEX_NOT_FOUND):
            async for one in read(self._upstream.index, present(library).windows, ids):
                return np.array(one.values, np.float32)
        return None

    async def _of_row(
        self,
        library: Library,
        clip: Clip,
        clip_id: str,
        part: TimeRange | None,
        alone: Values | None,
    ) -> Query:
        duration = seconds(clip.audio.duration)
        begin, end = (0.0, duration) if part is None else check_within(check_range(part), duration)
        if part is None and (not library.generation or clip.window_count == 1):
            if alone is None or clip.state != Clip.STATE_ACTIVE:
                alone = np.array(await searchable(self._upstream, library, clip), np.float32)
            return recorded([alone], [begin], [end], (begin, end), library.model)
        spans = {} if clip.window_count == 1 else await self._spans(library, clip_id, duration)
        if clip.state != Clip.STATE_ACTIVE:
            raise _not_searchable(clip)
        inside = {
            id_: (start, stop)
            for id_, (start, stop) in spans.items()
            if start >= begin - ROUNDING and stop <= end + ROUNDING
        }
        if part is not None and not inside:
            return await self._cut(library, clip, part)
        vectors = await self._read(library, inside)
        if not vectors:
            raise _not_searchable(clip)
        starts, ends = zip(*(inside[id_] for id_ in vectors), strict=True)
        return recorded(list(vectors.values()), starts, ends, (begin, end), library.model)

    async def _cut(self, library: Library, clip: Clip, part: TimeRange) -> Query:
        """The query of a part of a clip that holds none of its windows, from its stored audio."""
        config = EmbedWindowsConfig(
            audio=EmbedAudioConfig(model=library.model, channel=clip.channel),
            window_rule=library.window_rule,
            range=part,
        )
        return await hear(self._upstream, config, stored(self._upstream, clip.name))

    async def _spans(
        self, library: Library, clip_id: str, duration: float
    ) -> dict[str, tuple[float, float]]:
        """Ids of the vectors of a clip, and start and end of the window of each."""
        length = seconds(library.window_rule.window)
        request = ListVectorsRequest(index_id=present(library).windows, after_id=clip_id)
        spans: dict[str, tuple[float, float]] = {}
        while True:
            page = await self._upstream.index.ListVectors(request)
            for id_ in page.ids:
                owner, start_ms = split_window(id_)
                if owner != clip_id or start_ms is None:
                    return spans or {clip_id: (0.0, duration)}
                spans[id_] = (start_ms / 1000, min(start_ms / 1000 + length, duration))
            if not page.next_after_id:
                return spans or {clip_id: (0.0, duration)}
            request.after_id = page.next_after_id

    async def _read(
        self, library: Library, spans: Mapping[str, tuple[float, float]]
    ) -> dict[str, Values]:
        """The stored vectors of the windows to search with, in order of start."""
        starts, ends = zip(*spans.values(), strict=True) if spans else ((), ())
        windows = timed(starts, ends, (0.0, 0.0))
        ids = [list(spans)[number] for number in thinned(windows)]
        stored_ones = read(self._upstream.index, present(library).windows, ids)
        return {one.id: np.array(one.values, np.float32) async for one in stored_ones}

    def of_vector(self, library: Library, value: VectorQuery) -> Query:
        """The query of a vector of the library's model; FIELD_INVALID or MODEL_MISMATCH if not."""
        vector = self._checked(library, value, "vector")
        return Query(
            vectors=vector[np.newaxis],
            whole=vector,
            model=library.model,
            made_of=(b"vector", value.SerializeToString(deterministic=True)),
        )

    def _checked(self, library: Library, value: VectorQuery, field: str) -> Values:
        if value.model != library.model:
            raise ServiceError(
                Reason.MODEL_MISMATCH,
                f"{field}.model: {value.model[:100]!r} made the vector, but the library holds "
                f"embeddings of {library.model}",
                {"library_model": library.model, "field": f"{field}.model"},
            )
        return unit(value, field)

    async def of_examples(self, library: Library, value: Examples) -> Query:
        """The query of examples; errors as those of clips and vectors."""
        for field, examples in (("positive", value.positive), ("negative", value.negative)):
            limit = limits.of(value, field)
            if not limit.min_items <= len(examples) <= limit.max_items:
                raise ServiceError(
                    Reason.FIELD_INVALID,
                    f"examples.{field}: {len(examples):,} examples, which must be from "
                    f"{limit.min_items} to {limit.max_items}",
                    {"field": f"examples.{field}"},
                )
        if value.strategy not in Examples.Strategy.values():
            raise ServiceError(
                Reason.FIELD_INVALID,
                f"examples.strategy: {value.strategy} is none",
                {"field": "examples.strategy"},
            )
        clips = await self._whole(library, value)
        positive = self._vectors(library, value.positive, "positive", clips)
        negative = self._vectors(library, value.negative, "negative", clips)
        made_of = (b"examples", value.SerializeToString(deterministic=True))
        left_out = frozenset(clips)
        if value.strategy == Examples.STRATEGY_BEST_SCORE:
            return Query(
                vectors=positive,
                whole=positive[0],
                model=library.model,
                made_of=made_of,
                left_out=left_out,
                negative=negative,
            )
        vector = average(positive, negative)
        return Query(
            vectors=vector[np.newaxis],
            whole=vector,
            model=library.model,
            made_of=made_of,
            left_out=left_out,
        )

    async def _whole(self, library: Library, value: Examples) -> dict[str, Values]:
        """The whole-clip vectors of the clips among examples, by id."""
        ids: dict[str, str] = {}
        for field, examples in (("positive", value.positive), ("negative", value.negative)):
            for number, example in enumerate(examples):
                if example.WhichOneof("example") == "clip":
                    path = f"examples.{field}[{number}].clip"
                    ids[clip_within(library.name, example.clip, path)] = example.clip
        if not ids:
            return {}
        clips = await self._upstream.clips.LookupClips(
            LookupClipsRequest(parent=library.name, clip_ids=list(ids))
        )
        found = await whole_vectors(self._upstream.index, library, list(ids))
        for clip_id, name in ids.items():
            if clip_id not in clips.clips or clip_id not in found:
                raise ServiceError(
                    Reason.CLIP_NOT_FOUND,
                    f"{name}: an example must be an ACTIVE clip of the library",
                    {"clip": name},
                )
        return {clip_id: np.array(found[clip_id], np.float32) for clip_id in ids}

    def _vectors(
        self,
        library: Library,
        examples: Sequence[Examples.Example],
        field: str,
        clips: Mapping[str, Values],
    ) -> Values:
        """The unit vectors of examples, shape (n, dimension)."""
        found = []
        for number, example in enumerate(examples):
            path, kind = f"examples.{field}[{number}]", example.WhichOneof("example")
            if kind is None:
                raise ServiceError(
                    Reason.FIELD_INVALID, f"{path}: set clip or vector", {"field": path}
                )
            if kind == "clip":
                found.append(clips[split_clip(example.clip)[1]])
            else:
                found.append(self._checked(library, example.vector, f"{path}.vector"))
        if len({len(vector) for vector in found}) > 1:
            raise ServiceError(
                Reason.FIELD_INVALID,
                f"examples.{field}: the vectors have different lengths",
                {"field": f"examples.{field}"},
            )
        return np.array(found, np.float32) if found else np.empty((0, 0), np.float32)


def _rule(library: Library) -> WindowRule | None:
    """The rule that the clips of a library are cut by; None if each has one vector."""
    return present(library).rule if library.HasField("window_rule") else None


def _serves(query: Query, own: Library, other: Library) -> bool:
    """True if the query of a clip of one library is cut as the other library would cut it."""
    rule = _rule(other)
    if query.windows is None or rule is None or rule == _rule(own):
        return True
    alone = len(query.windows.starts) == 1
    whole = query.windows.starts[0] == query.windows.begin and (
        query.windows.ends[0] == query.windows.end
    )
    return alone and whole and query.windows.end - query.windows.begin <= seconds(rule.single)
