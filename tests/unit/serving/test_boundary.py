"""The boundary under attack: nobody takes all, and others get in meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from serving.caller import CALLER_KEY
from serving.errors import Reason, ServiceError, from_rpc_error
from serving.telemetry import configure
from tests import http2
from tests.unit.serving.served import NAME, Served, happens, logs, start

__all__ = ["logs", "start"]  # fixtures

LIST_HEALTH = "/grpc.health.v1.Health/List"
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
GET, PUT, AUDIO = f"/{NAME}/GetClip", f"/{NAME}/PutAudio", f"/{NAME}/GetAudio"
LIST = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
Start = Callable[..., Awaitable[Served]]


def raw(served: Served, method: str, who: str = "", **options: Any) -> Any:
    """A call of any method with packed messages, which nobody checks before they are sent."""
    metadata = ((CALLER_KEY, who),) if who else ()
    return served.channel.stream_stream(method)(metadata=metadata, **options)


async def begin(call: Any, message: bytes) -> None:
    """Sends a message on a call that may have been refused already."""
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        await call.write(message)


async def failure(call: Any) -> ServiceError:
    """The typed error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _ in call:
            pass
    error = from_rpc_error(raised.value)
    assert error, raised.value
    return error


@pytest.mark.parametrize("method", [WATCH, REFLECT])
async def test_streams_of_probes_are_few_and_take_nobodys_place(start: Start, method: str) -> None:
    """300 of them: health and calls are answered, and those above the limit learn why."""
    served = await start()
    calls = [raw(served, method) for _ in range(300)]
    await asyncio.gather(*(begin(call, LIST) for call in calls))
    await happens(lambda: sum(call.done() for call in calls) >= 280)
    assert await served.health()
    assert (await served.stub.GetClip(clip_pb2.GetClipRequest(name="x"), timeout=60)).name == "x"
    done = [call for call in calls if call.done()]
    assert (await failure(done[0])).reason is Reason.GATEWAY_BUSY


async def test_questions_for_health_without_a_message_make_way(start: Start) -> None:
    """More of them than there is room for; the next real question is answered."""
    served = await start()
    silent = [raw(served, CHECK) for _ in range(100)]
    await asyncio.gather(*(call.wait_for_connection() for call in silent))
    for _ in range(3):
        assert await served.health()
    await happens(lambda: sum(call.done() for call in silent) >= 36)
    early = next(call for call in silent if call.done())
    assert (await failure(early)).reason is Reason.GATEWAY_BUSY


async def test_calls_above_the_limit_are_refused_and_one_caller_leaves_room(start: Start) -> None:
    """Calls of one caller that last: another caller is let in, and health is answered."""
    served = await start(max_concurrent_calls=8)
    message = clip_pb2.GetClipRequest(name="wait").SerializeToString()
    calls = [raw(served, GET, "key:greedy") for _ in range(12)]
    await asyncio.gather(*(begin(call, message) for call in calls))
    await happens(lambda: sum(call.done() for call in calls) == 6)
    refused = next(call for call in calls if call.done())
    error = await failure(refused)
    assert error.reason is Reason.GATEWAY_BUSY
    assert "try again" in error.message
    request = clip_pb2.GetClipRequest(name="x")
    metadata = ((CALLER_KEY, "key:other"),)
    assert (await served.stub.GetClip(request, metadata=metadata, timeout=60)).name == "x"
    assert await served.health()
    for call in calls:
        call.cancel()
    await happens_to_answer(served)


async def happens_to_answer(served: Served) -> None:
    """Waits until a call gets a place."""

    async def wait() -> None:
        while True:
            try:
                await served.stub.GetClip(clip_pb2.GetClipRequest(name="x"))
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.05)
            else:
                return

    await asyncio.wait_for(wait(), 60)


async def test_a_refusal_of_a_large_message_arrives_and_is_typed(start: Start) -> None:
    """The message is not received, and the answer is not lost for that."""
    served = await start(max_concurrent_calls=1)
    holding = raw(served, PUT)
    await holding.write(clip_pb2.PutAudioRequest(chunk=b"x").SerializeToString())
    await served.behaviour.began.wait()
    large = clip_pb2.GetClipRequest(name="x" * 3_900_000)
    answers = await asyncio.gather(
        *(served.stub.GetClip(large) for _ in range(20)), return_exceptions=True
    )
    for answer in answers:
        assert isinstance(answer, grpc.aio.AioRpcError)
        error = from_rpc_error(answer)
        assert error, answer
        assert error.reason is Reason.GATEWAY_BUSY
    holding.cancel()


@pytest.mark.parametrize("method", [GET, PUT, AUDIO, CHECK, WATCH, REFLECT])
async def test_a_message_that_is_none_is_a_typed_error_of_one_line(
    start: Start, logs: pytest.CaptureFixture[str], method: str
) -> None:
    """One byte, 0xff, in the place of a message: no name of a class, no trace."""
    configure("test")
    served = await start()
    call = raw(served, method)
    await call.write(b"\xff")
    error = await failure(call)
    assert error.reason is Reason.FIELD_INVALID
    assert "Error" not in error.message
    assert await served.health()
    said = logs.readouterr().err
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line for line in lines if line.get("outcome") == "FIELD_INVALID"]
    assert "Traceback" not in said
    assert len(lines) < 8


async def test_a_call_that_failed_keeps_nothing(start: Start) -> None:
    """The servicer's frame, and its request, are gone without a search for circles."""
    served = await start()
    gc.disable()
    try:
        for name in ("typed", "crash", "fine"):
            with contextlib.suppress(grpc.aio.AioRpcError):
                await served.stub.GetClip(clip_pb2.GetClipRequest(name=name))
            await happens(lambda: served.behaviour.marker() is None)
    finally:
        gc.enable()


async def test_a_question_that_health_does_not_answer_is_a_typed_error(
    start: Start, logs: pytest.CaptureFixture[str]
) -> None:
    """A list of all health; nothing is logged as an error."""
    served = await start()
    configure("test")
    call = raw(served, LIST_HEALTH)
    await call.write(health_pb2.HealthListRequest().SerializeToString())
    await call.done_writing()
    assert (await failure(call)).code is grpc.StatusCode.UNIMPLEMENTED
    assert "Traceback" not in logs.readouterr().err


async def test_a_header_that_is_no_text_is_told_in_one_line(
    start: Start, logs: pytest.CaptureFixture[str]
) -> None:
    """The call is answered; gRPC tells such a header with a trace."""
    served = await start()
    configure("test")
    headers = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": GET.encode(),
        b":authority": b"x",
        b"content-type": b"application/grpc",
        b"te": b"trailers",
        b"x-request-id": b"\xff" * 500,
    }
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(http2.call(headers, b"\0\0\0\0\0"))
    answer = b""
    while b"grpc-status" not in answer:
        answer += await asyncio.wait_for(reader.read(1000), 60)
    writer.close()
    said = logs.readouterr().err
    (line,) = [json.loads(line) for line in said.splitlines() if "Invalid encoding" in line]
    assert line["level"] == "warning"
    assert "exception" not in line
    assert len(line["event"]) < 300


def test_a_caller_that_leaves_while_it_is_refused_is_told_in_one_line(
    logs: pytest.CaptureFixture[str],
) -> None:
    """As gRPC logs it: the moment can't be met at will."""
    configure("test")
    logging.getLogger("grpc._cython.cygrpc").error(
        "ExecuteBatchError raised in core by servicer method [%s]",
        "/a/b" * 100,
        exc_info=grpc.RpcError(),
    )
    (line,) = map(json.loads, logs.readouterr().err.splitlines())
    assert (line["level"], "exception" in line, len(line["event"])) == ("warning", False, 200)


async def test_a_call_without_a_message_is_a_typed_error(start: Start) -> None:
    """A stream that ends at once, in the place of a message."""
    served = await start()
    call = raw(served, GET)
    await call.done_writing()
    assert (await failure(call)).reason is Reason.FIELD_INVALID


@pytest.mark.parametrize("method", [PUT, GET, AUDIO])
async def test_a_call_on_which_nothing_moves_is_ended(start: Start, method: str) -> None:
    """Many such streams give their places back, also those that wait for their only message."""
    served = await start(idle_seconds=0.3, max_concurrent_calls=8)
    calls = [raw(served, method) for _ in range(6)]
    reasons = {(await failure(call)).reason for call in calls}
    assert reasons == {Reason.STREAM_IDLE}
    assert (await served.stub.GetClip(clip_pb2.GetClipRequest(name="x"), timeout=60)).name == "x"


async def test_a_stream_that_moves_slowly_goes_on(start: Start) -> None:
    """Together its pauses are longer than one may be."""
    served = await start(idle_seconds=2)

    async def requests() -> AsyncIterator[clip_pb2.PutAudioRequest]:
        for _ in range(6):
            yield clip_pb2.PutAudioRequest(chunk=b"1")
            await asyncio.sleep(0.5)

    assert (await served.stub.PutAudio(requests())).size_bytes == 6


async def test_an_answer_that_nobody_reads_is_ended(start: Start) -> None:
    """The servicer is closed long before the call's own limit."""
    served = await start(idle_seconds=0.3)
    call = served.stub.GetAudio(clip_pb2.GetAudioRequest(name="endless"))
    responses = aiter(call)
    assert (await anext(responses)).chunk
    await happens(lambda: "closed" in served.behaviour.seen)
    assert (await failure(responses)).reason is Reason.STREAM_IDLE


async def test_messages_share_a_budget_of_bytes(start: Start) -> None:
    """Room for two messages of a greedy caller at a time; all are answered, others do not wait."""
    served = await start(max_buffered_bytes=2**20, max_message_bytes=2**18)
    silent = [raw(served, GET, "key:greedy") for _ in range(20)]
    await asyncio.gather(*(call.wait_for_connection() for call in silent))
    metadata = ((CALLER_KEY, "key:other"),)
    request = clip_pb2.GetClipRequest(name="y" * 200_000)
    for _ in range(5):
        answer = await served.stub.GetClip(request, metadata=metadata, timeout=60)
        assert len(answer.name) == 200_000
    for call in silent:
        await call.write(clip_pb2.GetClipRequest(name="z").SerializeToString())
    for call in silent:
        assert clip_pb2.Clip.FromString(await call.read()).name == "z"


async def test_a_long_text_does_not_burst_the_trailers(start: Start) -> None:
    """An echo of a long value is cut; code, reason and advice arrive."""
    served = await start()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await served.stub.GetClip(clip_pb2.GetClipRequest(name="long" + "語" * 30_000))
    error = from_rpc_error(raised.value)
    assert error, raised.value
    assert error.reason is Reason.CLIP_NOT_FOUND
    assert error.message.startswith("there is no clip long語語")
    assert error.message.endswith("語; name another one")


async def test_a_watch_tells_the_health_and_ends(start: Start) -> None:
    """The first answer comes at once."""
    served = await start()
    call = raw(served, WATCH)
    await call.write(health_pb2.HealthCheckRequest().SerializeToString())
    first = health_pb2.HealthCheckResponse.FromString(await call.read())
    assert first.status in (1, 2)
    call.cancel()
