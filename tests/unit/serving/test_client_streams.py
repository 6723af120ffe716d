"""Client streams that are answered early, against a server of their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

import grpc
import pytest
from audiosearch.catalog.v1 import clip_service_pb2_grpc
from audiosearch.catalog.v1.clip_pb2 import AudioObject, PutAudioRequest

from serving.client_streams import send

PATIENCE = 60
CHUNK = bytes(2**18)


class Early(clip_service_pb2_grpc.ClipServiceServicer):
    """Refuses a stream after some messages, or counts it."""

    def __init__(self) -> None:
        """Notes that a stream came, and that it is over."""
        self.began, self.left = asyncio.Event(), asyncio.Event()

    async def PutAudio(
        self,
        request_iterator: AsyncIterator[PutAudioRequest],
        context: grpc.aio.ServicerContext,
    ) -> AudioObject:
        """Refuses at once or after three chunks, as the name says."""
        self.began.set()
        try:
            name, size = (await anext(request_iterator)).name, 0
            async for message in request_iterator:
                size += len(message.chunk)
                if name == "late" and size > 2 * len(CHUNK):
                    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, name, (("why", name),))
                if name == "early":
                    await context.abort(grpc.StatusCode.NOT_FOUND, name, (("why", name),))
        finally:
            self.left.set()
        return AudioObject(size_bytes=size)


class Served:
    """A running server and its client."""

    def __init__(self, early: Early, channel: grpc.aio.Channel) -> None:
        """Takes both."""
        self.early = early
        self._stub = clip_service_pb2_grpc.ClipServiceStub(channel)

    async def put(self, requests: AsyncIterator[PutAudioRequest]) -> AudioObject:
        """Sends a stream."""
        answer: AudioObject = await send(self._stub.PutAudio(timeout=PATIENCE), requests)
        return answer


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    """A server during the block."""
    early, server = Early(), grpc.aio.server()
    clip_service_pb2_grpc.add_ClipServiceServicer_to_server(early, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Served(early, channel)
    finally:
        await server.stop(None)


async def messages(name: str, chunks: int) -> AsyncIterator[PutAudioRequest]:
    """A stream of so many chunks."""
    yield PutAudioRequest(name=name)
    for _ in range(chunks):
        yield PutAudioRequest(chunk=CHUNK)


@pytest.mark.parametrize(
    ("name", "code"),
    [("early", grpc.StatusCode.NOT_FOUND), ("late", grpc.StatusCode.INVALID_ARGUMENT)],
)
async def test_an_early_refusal_is_never_lost(name: str, code: grpc.StatusCode) -> None:
    """Its code, words and metadata, each time of 200, eight at once."""
    seen: Counter[tuple[object, ...]] = Counter()

    async def several(served: Served) -> None:
        for _ in range(25):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await served.put(messages(name, 24))
            error = raised.value
            seen[error.code(), error.details(), error.trailing_metadata().get("why")] += 1

    async with serving() as served:
        await asyncio.gather(*(several(served) for _ in range(8)))
    assert seen == {(code, name, name): 200}


async def test_a_whole_stream_is_answered() -> None:
    """After its last message."""
    async with serving() as served:
        assert (await served.put(messages("well", 20))).size_bytes == 20 * len(CHUNK)


async def test_a_refusal_does_not_wait_for_the_next_message() -> None:
    """A sender that pauses for ever learns of it, and its stream is ended."""
    ended = asyncio.Event()

    async def pausing() -> AsyncIterator[PutAudioRequest]:
        async for message in messages("early", 1):
            yield message
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving() as served:
        with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
            await asyncio.wait_for(served.put(pausing()), PATIENCE / 2)
        assert ended.is_set()


async def test_a_sender_that_fails_ends_the_call() -> None:
    """Its error is raised as it is, also one of another call."""

    async def failing(error: Exception) -> AsyncIterator[PutAudioRequest]:
        async for message in messages("well", 1):
            yield message
        await served.early.began.wait()
        raise error

    other = grpc.aio.AioRpcError(
        grpc.StatusCode.DATA_LOSS, grpc.aio.Metadata(), grpc.aio.Metadata(), "gone"
    )
    for error in (ValueError("mine"), other):
        async with serving() as served:
            with pytest.raises(type(error)) as raised:
                await asyncio.wait_for(served.put(failing(error)), PATIENCE / 2)
            assert raised.value is error
            await asyncio.wait_for(served.early.left.wait(), PATIENCE)


async def test_a_caller_that_is_cancelled_ends_both() -> None:
    """The stream of messages and the call."""
    began, ended = asyncio.Event(), asyncio.Event()

    async def pausing() -> AsyncIterator[PutAudioRequest]:
        async for message in messages("well", 1):
            yield message
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving() as served:
        call = asyncio.create_task(served.put(pausing()))
        await began.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert ended.is_set()
        await asyncio.wait_for(served.early.left.wait(), PATIENCE)
