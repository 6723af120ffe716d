"""Runs `gateway.maps.process` and reads its progress."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import structlog

from gateway.maps.process import DONE, LENGTH_BYTES, pack, unpack
from gateway.maps.projection import Places, Vectors
from serving.compat import timeout
from serving.errors import Reason, ServiceError

LIMIT_SECONDS = 600.0
_LAST_BYTES = 2000
log = structlog.get_logger()


async def run(
    vectors: Vectors,
    start: Places,
    report: Callable[[float], None],
    seconds: float = LIMIT_SECONDS,
) -> Places:
    """Places of vectors by t-SNE in a process, which has ended when this returns or is cancelled.

    Raises:
        ServiceError: DEADLINE_EXCEEDED after `seconds`; INTERNAL if the process crashed, with the
            end of its errors in the log.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.maps.process",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    last_words = asyncio.create_task(_tail(process.stderr))
    try:
        async with timeout(seconds):
            places = await _converse(process, vectors, start, report)
    except (TimeoutError, asyncio.TimeoutError):
        message = f"the map took longer than {seconds:.0f} s to work out"
        raise ServiceError(Reason.DEADLINE_EXCEEDED, message) from None
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        said = await last_words
    if places is None:
        log.error("map.process_failed", code=process.returncode, said=said)
        raise ServiceError(Reason.INTERNAL, "the map could not be worked out; the log says why")
    return places


async def _converse(
    process: asyncio.subprocess.Process,
    vectors: Vectors,
    start: Places,
    report: Callable[[float], None],
) -> Places | None:
    """The places that the process answers; None if it ends without an answer."""
    assert process.stdin  # noqa: S101  both are pipes
    assert process.stdout  # noqa: S101
    try:
        packed = await asyncio.to_thread(pack, vectors, start)
        process.stdin.write(len(packed).to_bytes(LENGTH_BYTES, "big"))
        process.stdin.write(packed)
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return None
    while line := await process.stdout.readline():
        if line == DONE:
            (places,) = unpack(await process.stdout.read())
            return places
        report(float(line))
    return None


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """The end of a stream's text, for the log."""
    said = b""
    while stream and (more := await stream.read(_LAST_BYTES)):
        said = (said + more)[-_LAST_BYTES:]
    return said.decode(errors="replace")
