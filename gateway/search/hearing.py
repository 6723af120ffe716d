"""Hears audio as a query: cut into windows by the rule of each library that it is for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence

import numpy as np
from audiosearch.embedding.v1.embedding_pb2 import WindowRule
from audiosearch.embedding.v1.embedding_service_pb2 import EmbedWindowsConfig, EmbedWindowsSummary

from gateway.clips.audio import embed_windows
from gateway.search.query import Query, recorded, seconds
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError

_MOST_RULES = 4
"""Rules by which one search is heard: each takes a place in the embedding service."""


async def hear(
    upstream: Upstream, config: EmbedWindowsConfig, chunks: AsyncIterable[bytes]
) -> Query:
    """The query of audio; errors as those of `embed_windows`."""
    starts, ends, vectors = [], [], []
    summary = EmbedWindowsSummary()
    async for response in embed_windows(upstream, config, chunks):
        if response.WhichOneof("response") == "summary":
            summary = response.summary
        elif response.window.HasField("embedding"):
            starts.append(seconds(response.window.start_offset))
            ends.append(seconds(response.window.end_offset))
            vectors.append(np.array(response.window.embedding.values, np.float32))
    begin = seconds(config.range.start_offset)
    return recorded(
        vectors,
        starts,
        ends,
        (begin, begin + seconds(summary.audio.duration)),
        summary.embedding.model,
        whole=np.array(summary.embedding.values, np.float32),
        audio=summary.audio,
    )


async def by_rule(
    upstream: Upstream,
    config: EmbedWindowsConfig,
    rules: Sequence[WindowRule | None],
    chunks: AsyncIterable[bytes],
) -> list[Query]:
    """The query of audio for each of the rules, of which None takes any.

    The audio is read once. Each different rule is a call of its own, and all get a chunk before the
    next one is read, so memory stays bounded.

    Raises:
        ServiceError: STATE_CONFLICT for more than four different rules; as `embed_windows`.
    """
    keys = [b"" if rule is None else rule.SerializeToString(deterministic=True) for rule in rules]
    different = {key: rule for key, rule in zip(keys, rules, strict=True) if rule is not None}
    if len(different) > _MOST_RULES:
        raise ServiceError(
            Reason.STATE_CONFLICT,
            f"the libraries are cut into windows by {len(different)} different rules, and one "
            f"search is heard by {_MOST_RULES} at most: migrate some to a rule that others have, "
            "or search fewer at once",
        )
    configs = []
    for rule in different.values() or [None]:
        made = EmbedWindowsConfig()
        made.CopyFrom(config)
        if rule is not None:
            made.window_rule.CopyFrom(rule)
        configs.append(made)
    heard = await _each(upstream, configs, chunks)
    queries = dict(zip(different, heard, strict=False))
    return [queries.get(key, heard[0]) for key in keys]


async def _each(
    upstream: Upstream, configs: Sequence[EmbedWindowsConfig], chunks: AsyncIterable[bytes]
) -> list[Query]:
    if len(configs) == 1:
        return [await hear(upstream, configs[0], chunks)]
    queues: list[asyncio.Queue[bytes | None]] = [asyncio.Queue(1) for _ in configs]

    async def share() -> None:
        async for chunk in chunks:
            for queue in queues:
                await queue.put(chunk)
        for queue in queues:
            await queue.put(None)

    async def taken(queue: asyncio.Queue[bytes | None]) -> AsyncIterator[bytes]:
        while (chunk := await queue.get()) is not None:
            yield chunk

    sharing = asyncio.create_task(share())
    hearing = [
        asyncio.create_task(hear(upstream, config, taken(queue)))
        for config, queue in zip(configs, queues, strict=True)
    ]
    try:
        await asyncio.gather(sharing, *hearing)
    finally:
        for task in (sharing, *hearing):
            task.cancel()
        await asyncio.gather(sharing, *hearing, return_exceptions=True)
    return [task.result() for task in hearing]
