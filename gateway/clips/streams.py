"""Streams of requests: first the config, then audio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeVar

from serving.errors import Reason, ServiceError

RequestT = TypeVar("RequestT", bound=Any)


async def first_config(requests: AsyncIterator[RequestT]) -> RequestT:
    """The first message of a stream, which must hold its config; FIELD_INVALID if not."""
    async for request in requests:
        if request.WhichOneof("request") == "config":
            return request
        break
    raise ServiceError(
        Reason.FIELD_INVALID,
        "config: the first message of the stream must hold it",
        {"field": "config"},
    )


async def audio_chunks(requests: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """The audio chunks of the other messages; FIELD_INVALID if one of them holds a config."""
    async for request in requests:
        if request.WhichOneof("request") == "config":
            raise ServiceError(
                Reason.FIELD_INVALID,
                "config: only the first message may hold it",
                {"field": "config"},
            )
        yield request.audio_chunk


async def require_none(chunks: AsyncIterator[bytes]) -> None:
    """Raises FIELD_INVALID if audio comes with a `uri` that refers to it."""
    async for chunk in chunks:
        if chunk:
            raise ServiceError(
                Reason.FIELD_INVALID,
                "clip.uri: it refers to the audio, so no bytes may follow; send one of both",
                {"field": "clip.uri"},
            )
