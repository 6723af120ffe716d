"""The REST server around a servicer of the tests, on the event loop of the test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1 import clips_pb2, search_pb2
from google.longrunning import operations_pb2, operations_pb2_grpc

from gateway import contracts
from gateway.access.guard import Guard
from gateway.access.keyring import Keyring
from gateway.health.health import Health
from gateway.rest.parts import Parts
from gateway.rest.server import rest
from gateway.settings import GatewaySettings
from gateway.upstream import Upstream
from serving.contracts import Servicers
from serving.errors import Reason, ServiceError

AUDIO = bytes(range(256)) * 4096
"""The audio of every clip: 1 MiB."""

LINK = "https://objects.example.org/audio?signed=1"
"""The address of the audio of the clip `linked`, if one is asked for."""


class Behaviour:
    """Does what a test asks for by the name of a library or clip, in all services."""

    def __init__(self) -> None:
        """Notes what it saw."""
        self.began, self.cancelled = asyncio.Event(), asyncio.Event()
        self.sent = 0
        self.closed = False

    async def GetLibrary(self, request: library_pb2.GetLibraryRequest, context: object) -> Library:
        """Fails, crashes, waits or answers."""
        asked = request.name.removeprefix("libraries/")
        if asked == "typed":
            raise ServiceError(Reason.LIBRARY_NOT_FOUND, "there is none", {"library": "x"})
        if asked == "crash":
            raise RuntimeError("secret detail")
        if asked == "wait":
            await self._wait()
        return Library(name=request.name, display_name="Töne", clip_count=3)

    async def UploadClip(
        self, request_iterator: AsyncIterator[clips_pb2.UploadClipRequest], context: object
    ) -> clips_pb2.UploadClipResponse:
        """Counts bytes."""
        config, received = (await anext(request_iterator)).config, 0
        if config.parent == "libraries/full":
            raise ServiceError(Reason.STORAGE_FULL, "no room")
        self.began.set()
        try:
            async for message in request_iterator:
                received += len(message.audio_chunk)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        stored = Clip(display_name=config.clip.display_name)
        stored.audio_object.size_bytes = received
        return clips_pb2.UploadClipResponse(clip=stored, created=True)

    async def GetClip(self, request: clip_pb2.GetClipRequest, context: object) -> Clip:
        """A clip with AUDIO, or with more than anybody reads."""
        size = 2**40 if request.name.endswith("endless") else len(AUDIO)
        stored = AudioObject(size_bytes=size, sha256="ab" * 32, content_type="audio/wav")
        return Clip(name=request.name, display_name='a "b"/ä.wav', audio_object=stored)

    async def UpdateClip(self, request: clip_pb2.UpdateClipRequest, context: object) -> Clip:
        """Shows the mask in the clip's label."""
        return Clip(name=request.clip.name, label=",".join(request.update_mask.paths))

    async def DownloadAudio(
        self, request: clips_pb2.DownloadAudioRequest, context: object
    ) -> AsyncIterator[clip_pb2.GetAudioResponse]:
        """AUDIO, without end, or broken off."""
        asked, part = request.name.rpartition("/")[2], AUDIO[request.offset :]
        if asked == "broken":
            part = part[: len(part) // 2]
        try:
            if request.link and asked == "linked":
                yield clip_pb2.GetAudioResponse(link=LINK)
                return
            yield clip_pb2.GetAudioResponse(chunk=part[: request.limit or None])
            while asked == "endless":
                self.sent += 1
                yield clip_pb2.GetAudioResponse(chunk=AUDIO)
            if asked == "broken":
                raise ServiceError(Reason.CATALOG_UNAVAILABLE, "gone")
        finally:
            self.closed = True

    async def StreamSearchClips(
        self,
        request_iterator: AsyncIterator[search_pb2.StreamSearchClipsRequest],
        context: object,
    ) -> AsyncIterator[search_pb2.StreamSearchClipsResponse]:
        """A summary, then an error."""
        async for _ in request_iterator:
            pass
        yield search_pb2.StreamSearchClipsResponse(
            summary=search_pb2.SearchClipsResponse(model="models/m")
        )
        raise ServiceError(Reason.INDEX_UNAVAILABLE, "gone")

    async def _wait(self) -> None:
        self.began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class Jobs(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc]  # untyped
    """One operation that never ends."""

    async def GetOperation(
        self, request: operations_pb2.GetOperationRequest, context: object
    ) -> operations_pb2.Operation:
        """It runs."""
        return operations_pb2.Operation(name=request.name)


class Served:
    """A running server and what is behind it."""

    def __init__(self, port: int, behaviour: Behaviour, stop: asyncio.Event) -> None:
        """Makes a client."""
        self.port = port
        self.behaviour = behaviour
        self.stop = stop
        self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20)


@contextlib.asynccontextmanager
async def serving(keyring: Path | None = None, **settings: Any) -> AsyncIterator[Served]:
    """A server during the block."""
    behaviour, stop = Behaviour(), asyncio.Event()
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    chosen = GatewaySettings(
        rest_port=0, keyring=keyring, **{"drain_seconds": 0, "grace_seconds": 1, **settings}
    )
    keys = Keyring(keyring)
    parts = Parts(
        chosen,
        Guard(keys),
        Servicers(
            {
                contracts.LIBRARIES: behaviour,
                contracts.CLIPS: behaviour,
                contracts.SEARCH: behaviour,
                contracts.OPERATIONS: Jobs(),
            }
        ),
        Health(Upstream(chosen), keys),
    )
    async with rest(parts, stop, port.set_result):
        served = Served(await port, behaviour, stop)
        async with served.http:
            yield served
