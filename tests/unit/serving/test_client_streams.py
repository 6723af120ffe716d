"""Streams of requests that are answered early, against a server of their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator

import grpc
import pytest
from audiosearch.catalog.v1 import clip_service_pb2_grpc
from audiosearch.catalog.v1.clip_pb2 import AudioObject, PutAudioRequest
from audiosearch.embedding.v1 import embedding_service_pb2_grpc
from audiosearch.embedding.v1.embedding_service_pb2 import (
    EmbeddedWindow,
    StreamEmbeddingsConfig,
    StreamEmbeddingsRequest,
    StreamEmbeddingsResponse,
)

from serving.client_streams import converse, send
from serving.peers.stall import Stall

PATIENCE = 60
CHUNK = bytes(2**18)


class Early(clip_service_pb2_grpc.ClipServiceServicer):
    """Refuses a stream after some messages, reads none of it, or counts it."""

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
            if name == "deaf":
                await asyncio.Event().wait()
            async for message in request_iterator:
                size += len(message.chunk)
                if name == "late" and size > 2 * len(CHUNK):
                    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, name, (("why", name),))
                if name == "early":
                    await context.abort(grpc.StatusCode.NOT_FOUND, name, (("why", name),))
        finally:
            self.left.set()
        return AudioObject(size_bytes=size)


class Echo(embedding_service_pb2_grpc.EmbeddingServiceServicer):
    """Answers each chunk, or refuses the stream after two."""

    def __init__(self) -> None:
        """Notes that a stream is over."""
        self.left = asyncio.Event()

    async def StreamEmbeddings(
        self,
        request_iterator: AsyncIterator[StreamEmbeddingsRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[StreamEmbeddingsResponse]:
        """Refuses at once or after two answers, as the model's name says."""
        try:
            model, count = (await anext(request_iterator)).config.model, 0
            async for _ in request_iterator:
                if model == "early" or (model == "late" and count == 2):
                    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, model, (("why", model),))
                count += 1
                yield StreamEmbeddingsResponse(window=EmbeddedWindow())
        finally:
            self.left.set()


class Served:
    """A running server and its client."""

    def __init__(self, early: Early, echo: Echo, channel: grpc.aio.Channel) -> None:
        """Takes all three."""
        self.early, self.echo = early, echo
        self.stall_seconds: float = PATIENCE
        self._stub = clip_service_pb2_grpc.ClipServiceStub(channel)
        self._embedding = embedding_service_pb2_grpc.EmbeddingServiceStub(channel)

    def converse(
        self, requests: AsyncIterator[StreamEmbeddingsRequest]
    ) -> contextlib.aclosing[AsyncGenerator[StreamEmbeddingsResponse, None]]:
        """Sends a stream and reads the other."""
        call = self._embedding.StreamEmbeddings(timeout=PATIENCE)
        stall = Stall(self.stall_seconds, call.cancel, writes=True, reads=True)
        return contextlib.aclosing(converse(call, requests, stall))

    async def hear(
        self, requests: AsyncIterator[StreamEmbeddingsRequest], heard: asyncio.Queue[object]
    ) -> None:
        """Sends a stream and collects the other."""
        async with self.converse(requests) as answers:
            async for answer in answers:
                heard.put_nowait(answer)

    async def put(self, requests: AsyncIterator[PutAudioRequest]) -> AudioObject:
        """Sends a stream."""
        call = self._stub.PutAudio(timeout=PATIENCE)
        stall = Stall(self.stall_seconds, call.cancel, writes=True, reads=False)
        answer: AudioObject = await send(call, requests, stall)
        return answer


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Served]:
    """A server during the block."""
    early, echo, server = Early(), Echo(), grpc.aio.server()
    clip_service_pb2_grpc.add_ClipServiceServicer_to_server(early, server)
    embedding_service_pb2_grpc.add_EmbeddingServiceServicer_to_server(echo, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Served(early, echo, channel)
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


async def sound(model: str, chunks: int) -> AsyncIterator[StreamEmbeddingsRequest]:
    """A stream of so many chunks for both ways."""
    yield StreamEmbeddingsRequest(config=StreamEmbeddingsConfig(model=model))
    for _ in range(chunks):
        yield StreamEmbeddingsRequest(audio_chunk=CHUNK)


@pytest.mark.parametrize(("model", "answers"), [("early", 0), ("late", 2)])
async def test_an_early_refusal_of_both_ways_is_never_lost(model: str, answers: int) -> None:
    """Its code, words and metadata, and all answers before it, each time of 200, eight at once."""
    seen: Counter[tuple[object, ...]] = Counter()

    async def several(served: Served) -> None:
        for _ in range(25):
            heard: asyncio.Queue[object] = asyncio.Queue()
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await served.hear(sound(model, 24), heard)
            error = raised.value
            why = error.trailing_metadata().get("why")
            seen[heard.qsize(), error.code(), error.details(), why] += 1

    async with serving() as served:
        await asyncio.gather(*(several(served) for _ in range(8)))
    assert seen == {(answers, grpc.StatusCode.INVALID_ARGUMENT, model, model): 200}


async def test_answers_come_while_requests_are_sent() -> None:
    """Each request waits for the answer to the one before."""
    heard: asyncio.Queue[None] = asyncio.Queue()

    async def waiting() -> AsyncIterator[StreamEmbeddingsRequest]:
        async for message in sound("well", 20):
            yield message
            if message.audio_chunk:
                await asyncio.wait_for(heard.get(), PATIENCE)

    async with serving() as served, served.converse(waiting()) as answers:
        count = 0
        async for _ in answers:
            heard.put_nowait(None)
            count += 1
    assert count == 20


async def test_requests_that_fail_end_both_ways() -> None:
    """Their error is raised as it is."""

    async def failing() -> AsyncIterator[StreamEmbeddingsRequest]:
        async for message in sound("well", 1):
            yield message
        while heard.empty():
            await asyncio.sleep(0)
        raise ValueError("mine")

    async with serving() as served:
        heard: asyncio.Queue[object] = asyncio.Queue()
        with pytest.raises(ValueError, match="mine"):
            await served.hear(failing(), heard)
        await asyncio.wait_for(served.echo.left.wait(), PATIENCE)


async def test_a_reader_that_leaves_ends_both_ways() -> None:
    """The stream of requests and the call."""
    ended = asyncio.Event()

    async def pausing() -> AsyncIterator[StreamEmbeddingsRequest]:
        async for message in sound("well", 1):
            yield message
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with serving() as served:
        async with served.converse(pausing()) as answers:
            await anext(answers)
        assert ended.is_set()
        await asyncio.wait_for(served.echo.left.wait(), PATIENCE)


async def test_a_stream_that_is_not_taken_is_given_up() -> None:
    """Once it has waited for so long."""
    async with serving() as served:
        served.stall_seconds = 0.2
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(served.put(messages("deaf", 1000)), PATIENCE / 2)
        await asyncio.wait_for(served.early.left.wait(), PATIENCE)


async def test_a_slow_sender_is_waited_for() -> None:
    """The server takes all that comes."""

    async def slow() -> AsyncIterator[PutAudioRequest]:
        async for message in messages("well", 3):
            yield message
            await asyncio.sleep(2 * served.stall_seconds)

    async with serving() as served:
        served.stall_seconds = 0.2
        assert (await served.put(slow())).size_bytes == 3 * len(CHUNK)


async def test_a_slow_reader_is_waited_for() -> None:
    """The server has sent all that is wanted."""
    async with serving() as served:
        served.stall_seconds, count = 0.2, 0
        async with served.converse(sound("well", 4)) as answers:
            async for _ in answers:
                count += 1
                await asyncio.sleep(2 * served.stall_seconds)
    assert count == 4
