"""Runs a decoder process for one stream and reads its samples."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import numpy as np
import structlog

from embedding_service.decoding.decoding import Heard
from embedding_service.decoding.stream_decoding import FRAME, Kind, Source, StreamOrder
from serving.errors import Reason, ServiceError

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from numpy.typing import NDArray

_MODULE = "embedding_service.decoding.stream_decoding"

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def decode_stream(
    chunks: AsyncIterator[bytes], order: StreamOrder
) -> AsyncIterator[StreamDecoder]:
    """Runs a decoder process on chunks of bytes, and kills it at the end of the block.

    Pipes carry the bytes in both directions, so a slow reader slows the writer down.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", _MODULE, order.to_json()), stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    feeding = asyncio.create_task(_feed(process, chunks))
    try:
        yield StreamDecoder(process, feeding)
    finally:
        _kill(process)
        feeding.cancel()
        # The pipe is read to its end, because a full one keeps asyncio's transport open.
        await asyncio.gather(_out(process).read(), process.wait(), feeding, return_exceptions=True)


async def _feed(process: Process, chunks: AsyncIterator[bytes]) -> None:
    """Writes the chunks. If they fail, kills the process, so that the reader raises the error."""
    assert process.stdin is not None  # noqa: S101  opened with stdin=PIPE
    try:
        async for chunk in chunks:
            process.stdin.write(chunk)
            await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        return  # the process ended: its last frame says why
    except BaseException:
        _kill(process)
        raise


def _out(process: Process) -> asyncio.StreamReader:
    assert process.stdout is not None  # noqa: S101  opened with stdout=PIPE
    return process.stdout


def _kill(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            # process.kill() would also collect the exit code that the loop waits for.
            os.kill(process.pid, signal.SIGKILL)


class StreamDecoder:
    """Samples of a stream being decoded."""

    def __init__(self, process: Process, feeding: asyncio.Task[None]) -> None:
        """Takes the process and the task that writes to it."""
        self._process = process
        self._feeding = feeding

    async def source(self) -> Source:
        """Returns rate, channels and format of the input; to be called first.

        Raises:
            ServiceError: AUDIO_UNDECODABLE, also when the process died; or the error of the chunks.
        """
        return Source(**json.loads((await self._frame())[1]))

    async def read(self) -> NDArray[np.float32] | Heard:
        """Returns the next samples, shape (n,), or at the end the properties of the audio.

        Raises:
            ServiceError: As `source`.
        """
        kind, data = await self._frame()
        if kind is Kind.SAMPLES:
            return np.frombuffer(data, np.float32)
        return Heard(**json.loads(data))

    async def _frame(self) -> tuple[Kind, bytes]:
        out = _out(self._process)
        try:
            kind, size = FRAME.unpack(await out.readexactly(FRAME.size))
            data = await out.readexactly(size)
        except asyncio.IncompleteReadError as error:
            if self._feeding.done():
                self._feeding.result()
            log.warning("decoder.died", code=await self._process.wait())
            raise ServiceError(
                Reason.AUDIO_UNDECODABLE,
                "the decoder crashed on this audio; convert it to wav or flac",
            ) from error
        if kind == Kind.ERROR:
            fields = json.loads(data)
            raise ServiceError(Reason[fields["reason"]], fields["message"])
        return Kind(kind), data
