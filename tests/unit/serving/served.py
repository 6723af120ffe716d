"""A small service behind a running server, for the tests of the runtime."""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2, clip_service_pb2, clip_service_pb2_grpc
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.errors import Reason, ServiceError
from serving.server import serve
from serving.settings import ServerSettings
from serving.telemetry import remaining, request_id

Start = Callable[..., Awaitable["Served"]]
NAME = clip_service_pb2.DESCRIPTOR.services_by_name["ClipService"].full_name


class Marker:
    """Something that lives as long as the frame of a servicer."""


class Behaviour(clip_service_pb2_grpc.ClipServiceServicer):
    """Does what a test asks for by the name it sends."""

    def __init__(self) -> None:
        """Notes what it saw."""
        self.seen: dict[str, object] = {}
        self.began = asyncio.Event()
        self.marker: Callable[[], object] = lambda: None

    async def GetClip(self, request: clip_pb2.GetClipRequest, context: object) -> Clip:
        """Fails, crashes, waits or answers."""
        self.seen = {"request_id": request_id.get(), "remaining": remaining()}
        marker = Marker()
        self.marker = weakref.ref(marker)
        if request.name == "typed":
            raise ServiceError(Reason.CLIP_NOT_FOUND, "there is none", {"clip": "x"})
        if request.name.startswith("long"):
            message = f"there is no clip {request.name}; name another one"
            raise ServiceError(Reason.CLIP_NOT_FOUND, message, {"clip": request.name})
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
        self.port = port
        self.behaviour = behaviour
        self.stop = stop
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        self.stub = clip_service_pb2_grpc.ClipServiceStub(self.channel)

    async def health(self, service: str = "") -> int:
        """The health of a service, or of all."""
        stub = health_pb2_grpc.HealthStub(self.channel)
        request = health_pb2.HealthCheckRequest(service=service)
        return (await stub.Check(request, timeout=5)).status


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
