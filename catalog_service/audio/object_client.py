"""The way to buckets of S3, GCS and Azure: connections, and the reading of objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, TypeAlias

import obstore

from serving.errors import ServiceError
from serving.objects import stores

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import AzureStore, GCSStore, S3Store

    Bucket: TypeAlias = AzureStore | GCSStore | S3Store


def connect(url: str, seconds: float) -> Bucket:
    """Opens a bucket; SystemExit if variables that it needs are missing or wrong."""
    try:
        return stores.connect(url, seconds)
    except ServiceError as error:
        raise SystemExit(error.message) from error


async def begin(bucket: Bucket, path: str, offset: int, limit: int) -> GetResult:
    """Asks for a range of an object. Its bytes, which come later, are those of this moment."""
    return await obstore.get_async(bucket, path, options={"range": (offset, offset + limit)})


async def chunks(
    found: GetResult, chunk_bytes: int, heard: Callable[[bytes], object]
) -> AsyncIterator[bytes]:
    """The bytes of an answer in order; `heard` gets each chunk in a thread."""
    async for block in found.stream(chunk_bytes):
        for first in range(0, len(block), chunk_bytes):
            chunk = bytes(block[first : first + chunk_bytes])
            await asyncio.to_thread(heard, chunk)
            yield chunk
