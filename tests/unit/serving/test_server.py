"""The runtime that all services share, run with a small service of its own."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2, clip_service_pb2, clip_service_pb2_grpc
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.errors import Reason, ServiceError, from_rpc_error
from serving.server import serve
from serving.settings import ServerSettings
from serving.telemetry import configure, remaining, request_id

Start = Callable[..., Awaitable["Served"]]
NAME = clip_service_pb2.DESCRIPTOR.services_by_name["ClipService"].full_name


class Behaviour(clip_service_pb2_grpc.ClipServiceServicer):
    """Does what a test asks for by the name it sends."""

    def __init__(self) -> None:
        """Notes what it saw."""
        self.seen: dict[str, object] = {}
        self.began = asyncio.Event()

    async def GetClip(self, request: clip_pb2.GetClipRequest, context: object) -> Clip:
        """Fails, crashes, waits or answers."""
        self.seen = {"request_id": request_id.get(), "remaining": remaining()}
        if request.name == "typed":
            raise ServiceError(Reason.CLIP_NOT_FOUND, "there is none", {"clip": "x"})
        if request.name == "crash":
            local = "local" + "-variable"
            assert local
            raise RuntimeError("secret detail")
        if request.name == "wait":
            await asyncio.sleep(60)
        return Clip(name=request.name)

    async def GetAudio(
        self, request: clip_pb2.GetAudioRequest, context: object
    ) -> AsyncIterator[clip_pb2.GetAudioResponse]:
        """One chunk, then an error; or chunks without end."""
        try:
            while request.name == "endless":
                yield clip_pb2.GetAudioResponse(chunk=bytes(2**20))
        finally:
            self.seen["closed"] = True
        yield clip_pb2.GetAudioResponse(chunk=b"one")
        raise ServiceError(Reason.AUDIO_NOT_FOUND, "no more")

    async def PutAudio(
        self, request_iterator: AsyncIterator[clip_pb2.PutAudioRequest], context: object
    ) -> AudioObject:
        """Counts bytes."""
        size = 0
        async for message in request_iterator:
            self.began.set()
            size += len(message.chunk)
        return AudioObject(size_bytes=size)


class Served:
    """The behaviour behind a running server."""

    def __init__(self, port: int, behaviour: Behaviour, stop: asyncio.Event) -> None:
        """Connects to it."""
        self.behaviour = behaviour
        self.stop = stop
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.stub = clip_service_pb2_grpc.ClipServiceStub(self.channel)

    async def health(self) -> int:
        """The overall health."""
        stub = health_pb2_grpc.HealthStub(self.channel)
        return (await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)).status


@pytest.fixture
def logs(capfd: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """The text on standard error. A test that reads it calls `configure` first."""
    yield capfd
    logging.getLogger().handlers.clear()


async def happens(condition: Callable[[], bool]) -> None:
    """Waits until something is so."""

    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), 60)


async def fine() -> None:
    """A check that passes."""


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts servers and stops them after the test."""
    running: list[tuple[asyncio.Task[None], Served]] = []

    async def starting(check: Callable[[], Awaitable[None]] = fine, **settings: object) -> Served:
        behaviour, stop = Behaviour(), asyncio.Event()
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        register = clip_service_pb2_grpc.add_ClipServiceServicer_to_server
        task = asyncio.create_task(
            serve(
                ServerSettings(drain_seconds=0, **settings),
                [NAME],
                lambda server: register(behaviour, server),
                check,
                stop,
                port.set_result,
            )
        )
        served = Served(await port, behaviour, stop)
        running.append((task, served))
        return served

    yield starting
    for task, served in running:
        served.stop.set()
        await served.channel.close()
        await task


async def test_a_typed_error_arrives_with_code_reason_and_metadata(start: Start) -> None:
    """As google.rpc.Status with one ErrorInfo."""
    served = await start()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await served.stub.GetClip(clip_pb2.GetClipRequest(name="typed"))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    error = from_rpc_error(raised.value)
    assert error
    assert (error.reason, error.message) == (Reason.CLIP_NOT_FOUND, "there is none")
    assert error.metadata == {"clip": "x"}


async def test_an_error_in_a_stream_arrives_after_what_was_sent(start: Start) -> None:
    """The boundary is around all kinds of calls."""
    served = await start()
    call = served.stub.GetAudio(clip_pb2.GetAudioRequest())
    assert (await call.read()).chunk == b"one"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call.read()
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_crash_is_internal_with_a_fixed_text(
    start: Start,
    logs: pytest.CaptureFixture[str],
) -> None:
    """The cause stands in the log under the call's id and not in the answer."""
    configure("test")
    served = await start()
    metadata = (("x-request-id", "call-7"),)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await served.stub.GetClip(clip_pb2.GetClipRequest(name="crash"), metadata=metadata)
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in raised.value.details()
    assert "call-7" in raised.value.details()
    lines = [json.loads(line) for line in logs.readouterr().err.splitlines()]
    (crash,) = [line for line in lines if line["event"] == "call.crashed"]
    assert crash["request_id"] == "call-7"
    assert "secret detail" in json.dumps(crash)
    assert "local-variable" not in json.dumps(lines)  # such hold keys, passwords, audio


async def test_a_call_takes_over_id_and_deadline(start: Start) -> None:
    """An id that can't be logged is replaced."""
    served = await start(max_call_seconds=100)
    request = clip_pb2.GetClipRequest(name="x")
    await served.stub.GetClip(request, timeout=5, metadata=(("x-request-id", "mine"),))
    assert served.behaviour.seen["request_id"] == "mine"
    assert 0 < served.behaviour.seen["remaining"] < 5.5
    await served.stub.GetClip(request, metadata=(("x-request-id", "y" * 500),))
    assert served.behaviour.seen["request_id"] not in ("", "mine", "y" * 500)
    assert 50 < served.behaviour.seen["remaining"] <= 100


async def test_a_call_without_deadline_ends_at_the_limit(start: Start) -> None:
    """DEADLINE_EXCEEDED."""
    served = await start(max_call_seconds=0.2)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await served.stub.GetClip(clip_pb2.GetClipRequest(name="wait"))
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_stream_whose_reader_stops_reading_ends_at_the_limit(
    start: Start, logs: pytest.CaptureFixture[str]
) -> None:
    """DEADLINE_EXCEEDED for the reader and in the log, the servicer closed, no noise."""
    configure("test")
    served = await start(max_call_seconds=0.5)
    call = served.stub.GetAudio(clip_pb2.GetAudioRequest(name="endless"))
    responses = aiter(call)
    assert (await anext(responses)).chunk
    await happens(lambda: "closed" in served.behaviour.seen)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        [_ async for _ in responses]
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    said = logs.readouterr().err
    assert '"outcome": "DEADLINE_EXCEEDED"' in said
    assert "Traceback" not in said
    assert "ExecuteBatchError" not in said
    logging.getLogger().handlers.clear()


@pytest.mark.parametrize("name", ["endless", "wait"])
async def test_a_stream_that_is_cancelled_makes_no_noise(
    start: Start, logs: pytest.CaptureFixture[str], name: str
) -> None:
    """One line in the log, and the servicer is closed."""
    configure("test")
    served = await start()
    if name == "wait":
        call = served.stub.GetClip(clip_pb2.GetClipRequest(name=name))
        await happens(lambda: bool(served.behaviour.seen))
    else:
        call = served.stub.GetAudio(clip_pb2.GetAudioRequest(name=name))
        assert (await call.read()).chunk
    call.cancel()
    said = ""

    def logged() -> bool:
        nonlocal said
        said += logs.readouterr().err
        return '"outcome": "CANCELLED"' in said

    await happens(logged)
    await happens(lambda: name == "wait" or "closed" in served.behaviour.seen)
    said += logs.readouterr().err
    assert "Traceback" not in said
    assert "ExecuteBatchError" not in said


async def test_a_message_over_the_limit_is_refused(start: Start) -> None:
    """And the server goes on."""
    served = await start(max_message_bytes=2**16)
    big = clip_pb2.PutAudioRequest(chunk=bytes(2**17))
    small = clip_pb2.PutAudioRequest(chunk=bytes(2**10))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await served.stub.PutAudio(iter([big]))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await served.stub.PutAudio(iter([small, small]))).size_bytes == 2**11


async def test_health_follows_the_check(start: Start) -> None:
    """NOT_SERVING while a dependency is gone, SERVING when it is back, whatever it raises."""
    failure: list[Exception] = []

    async def check() -> None:
        if failure:
            raise failure[0]

    served = await start(check)
    for error in (ServiceError(Reason.INDEX_UNAVAILABLE, "gone"), OSError("gone"), KeyError("x")):
        await eventually(served, health_pb2.HealthCheckResponse.SERVING)
        failure.append(error)
        await eventually(served, health_pb2.HealthCheckResponse.NOT_SERVING)
        failure.clear()


async def test_health_waits_for_the_first_check(start: Start) -> None:
    """Nobody is told that it serves before it is known."""
    passes = asyncio.Event()

    async def check() -> None:
        await passes.wait()

    served = await start(check)
    status = health_pb2.HealthCheckResponse
    assert await served.health() == status.NOT_SERVING
    passes.set()
    await eventually(served, status.SERVING)


async def eventually(served: Served, status: int) -> None:
    """Waits until health has a status."""

    async def wait() -> None:
        while await served.health() != status:
            await asyncio.sleep(0.1)

    await asyncio.wait_for(wait(), 60)


async def test_running_calls_end_before_the_server_does(start: Start) -> None:
    """A call under way at shutdown is answered."""
    served = await start()

    async def requests() -> AsyncIterator[clip_pb2.PutAudioRequest]:
        yield clip_pb2.PutAudioRequest(chunk=b"1")
        await asyncio.sleep(0.5)
        yield clip_pb2.PutAudioRequest(chunk=b"2")

    call = asyncio.ensure_future(served.stub.PutAudio(requests()))
    await served.behaviour.began.wait()
    served.stop.set()
    assert (await call).size_bytes == 2
