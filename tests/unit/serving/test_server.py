"""The runtime that all services share, run with a small service of its own."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2
from grpc_health.v1 import health_pb2

from serving.errors import Reason, ServiceError, from_rpc_error
from serving.server import LIVENESS
from serving.telemetry import configure
from tests.unit.serving.served import Served, Start, happens, logs, start

__all__ = ["logs", "start"]  # fixtures


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
        assert await served.health(LIVENESS) == health_pb2.HealthCheckResponse.SERVING
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
