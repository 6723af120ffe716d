"""Reads a range of a file piece by piece, each in a thread of whoever has the file open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial


async def pieces(
    run: Callable[[Callable[[], bytes]], Awaitable[bytes]],
    read: Callable[[int, int], bytes],
    offset: int,
    limit: int,
    chunk_bytes: int,
) -> AsyncIterator[bytes]:
    """The bytes of a range in order; fewer where the file ends.

    Args:
        run: runs blocking work in a thread.
        read: reads so many bytes at a place.
        offset: first byte.
        limit: number of bytes.
        chunk_bytes: most bytes of a piece.
    """
    while limit > 0:
        chunk = await run(partial(read, min(limit, chunk_bytes), offset))
        if not chunk:
            return
        offset, limit = offset + len(chunk), limit - len(chunk)
        yield chunk
