"""A client of the catalog service, and ways to run the service."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import obstore
import pytest
from audiosearch.catalog.v1 import clip_pb2, import_job_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, Failure
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import (
    AddEnrollmentsRequest,
    CreateSpeakerRequest,
    GetSpeakerRequest,
    RecordVoiceprintRequest,
    RemoveEnrollmentsRequest,
    Speaker,
)
from audiosearch.embedding.v1.embedding_pb2 import (
    AUDIO_REMARK_CUT_OFF,
    AUDIO_REMARK_UNLIKE_CHANNELS_MIXED,
    AudioProperties,
)
from google.protobuf.duration_pb2 import Duration
from obstore.store import ObjectStore, from_url

from catalog_service.__main__ import start
from catalog_service.settings import CatalogSettings
from serving.client_streams import send
from serving.errors import Reason, ServiceError, from_rpc_error
from serving.peers.stall import Stall
from tools.servers.catalog_stubs import CatalogStubs

STALL_SECONDS = 60.0
HEARD = AudioProperties(
    duration=Duration(seconds=1, nanos=500_000_001),
    sample_rate=16000,
    active_duration=Duration(seconds=1),
    channels=2,
    format="wav/pcm_16",
    level_dbfs=-20.5,
    remarks=[AUDIO_REMARK_UNLIKE_CHANNELS_MIXED, AUDIO_REMARK_CUT_OFF],
)
MODEL = "models/example-0123456789ab"


class Catalog:
    """A client of one catalog service, with the steps that most tests take."""

    def __init__(self, channel: grpc.aio.Channel, settings: CatalogSettings) -> None:
        """Takes a channel to the service, and its settings."""
        self.channel = channel
        self.stubs = CatalogStubs(channel)
        self.settings = settings

    async def library(self, **fields: Any) -> Library:
        """Creates an ACTIVE library."""
        made = await self.stubs.libraries.CreateLibrary(
            library_pb2.CreateLibraryRequest(
                library_id=f"L-{uuid.uuid4().hex}", library=Library(model=MODEL, **fields)
            )
        )
        return await self.stubs.libraries.ActivateLibrary(
            library_pb2.ActivateLibraryRequest(name=made.name)
        )

    async def creating(self, library: Library, **fields: Any) -> Clip:
        """Creates a clip, CREATING."""
        return await self.stubs.clips.CreateClip(
            clip_pb2.CreateClipRequest(parent=library.name, clip=Clip(**fields))
        )

    async def put(self, name: str, *chunks: bytes) -> AudioObject:
        """Stores audio."""
        return await self.send(messages(name, *chunks))

    async def send(self, stream: Iterable[clip_pb2.PutAudioRequest]) -> AudioObject:
        """Makes one PutAudio call with exactly these messages."""

        async def requests() -> AsyncIterator[clip_pb2.PutAudioRequest]:
            for message in stream:
                yield message

        call = self.stubs.clips.PutAudio()
        stall = Stall(STALL_SECONDS, call.cancel, writes=True, reads=False)
        answer: AudioObject = await send(call, requests(), stall)
        return answer

    async def activate(self, name: str) -> Clip:
        """Makes a clip ACTIVE."""
        return await self.stubs.clips.ActivateClip(
            clip_pb2.ActivateClipRequest(name=name, audio=HEARD)
        )

    async def clip(self, library: Library, audio: bytes | None = None, **fields: Any) -> Clip:
        """Creates an ACTIVE clip with audio."""
        made = await self.creating(library, **fields)
        await self.put(made.name, audio or uuid.uuid4().bytes)
        return await self.activate(made.name)

    async def clips(self, library: Library, count: int) -> list[Clip]:
        """Creates `count` ACTIVE clips, at most 1,000, in batches except for their audio."""
        requests = [clip_pb2.CreateClipRequest() for _ in range(count)]
        made = await self.stubs.clips.BatchCreateClips(
            clip_pb2.BatchCreateClipsRequest(parent=library.name, requests=requests)
        )
        names = sorted(outcome.clip.name for outcome in made.outcomes)
        for first in range(0, count, 20):
            part = names[first : first + 20]
            await asyncio.gather(*(self.put(name, name.encode()) for name in part))
        done = await self.stubs.clips.BatchActivateClips(
            clip_pb2.BatchActivateClipsRequest(
                parent=library.name,
                requests=[clip_pb2.ActivateClipRequest(name=name, audio=HEARD) for name in names],
            )
        )
        return [outcome.clip for outcome in done.outcomes]

    async def fail(self, name: str) -> Clip:
        """Makes a clip FAILED."""
        return await self.stubs.clips.FailClip(
            clip_pb2.FailClipRequest(
                name=name, failure=Failure(reason="AUDIO_SILENT", message="nothing to hear")
            )
        )

    async def get(self, name: str) -> Clip:
        """Reads a clip."""
        return await self.stubs.clips.GetClip(clip_pb2.GetClipRequest(name=name))

    async def begin_deletion(self, name: str) -> Clip:
        """Makes a clip DELETING."""
        return await self.stubs.clips.BeginClipDeletion(
            clip_pb2.BeginClipDeletionRequest(name=name)
        )

    async def audio(self, name: str, offset: int = 0, limit: int = 0) -> tuple[AudioObject, bytes]:
        """Reads audio."""
        parts = [
            part
            async for part in self.stubs.clips.GetAudio(
                clip_pb2.GetAudioRequest(name=name, offset=offset, limit=limit)
            )
        ]
        assert parts[0].WhichOneof("response") == "audio_object"
        return parts[0].audio_object, b"".join(part.chunk for part in parts[1:])

    async def speaker(self, library: Library, *clips: Clip, **fields: Any) -> Speaker:
        """Creates a speaker with these enrollments, UPDATING; CREATING without any."""
        made = await self.stubs.speakers.CreateSpeaker(
            CreateSpeakerRequest(
                parent=library.name, speaker_id=f"S-{uuid.uuid4().hex}", speaker=Speaker(**fields)
            )
        )
        return await self.enroll(made.name, *clips) if clips else made

    async def enroll(self, name: str, *clips: Clip, **fields: Any) -> Speaker:
        """Makes clips enrollments of a speaker."""
        return await self.stubs.speakers.AddEnrollments(
            AddEnrollmentsRequest(name=name, clips=[clip.name for clip in clips], **fields)
        )

    async def remove(self, name: str, *clips: Clip) -> Speaker:
        """Removes clips from the enrollments of a speaker."""
        return await self.stubs.speakers.RemoveEnrollments(
            RemoveEnrollmentsRequest(name=name, clips=[clip.name for clip in clips])
        )

    async def record(self, speaker: Speaker) -> Speaker:
        """Records that the index has the voiceprint of the speaker's enrollments."""
        return await self.stubs.speakers.RecordVoiceprint(
            RecordVoiceprintRequest(name=speaker.name, uid=speaker.uid, revision=speaker.revision)
        )

    async def get_speaker(self, name: str) -> Speaker:
        """Reads a speaker."""
        return await self.stubs.speakers.GetSpeaker(GetSpeakerRequest(name=name))

    async def job(self, library: Library, **fields: Any) -> ImportJob:
        """Creates an import job."""
        return await self.stubs.import_jobs.CreateImportJob(
            import_job_pb2.CreateImportJobRequest(
                import_job=ImportJob(library=library.name, folder="/sounds", **fields)
            )
        )

    def files(self) -> Sequence[Path | StoredObject]:
        """Returns all files of audio, also incomplete ones; or the objects."""
        if self.settings.object_store_url:
            return objects(self.settings.object_store_url)
        return sorted(
            path
            for path in self.settings.audio_folder.rglob("*")
            if path.is_file() and path.name != "check"
        )


class StoredObject:
    """An object of an object store, handled as a file."""

    def __init__(self, store: ObjectStore, path: str) -> None:
        """Takes its store, and its path there."""
        self._store = store
        self._path = path
        library, *others = path.split("/")
        self.name = ".".join(others) or library

    def __str__(self) -> str:
        """Its path."""
        return self._path

    def __eq__(self, other: object) -> bool:
        """The same path."""
        return isinstance(other, StoredObject) and str(other) == str(self)

    def __hash__(self) -> int:
        """By its path."""
        return hash(self._path)

    def read_bytes(self) -> bytes:
        """Its content."""
        return bytes(obstore.get(self._store, self._path).bytes())

    def write_bytes(self, content: bytes) -> None:
        """Replaces it."""
        obstore.put(self._store, self._path, content)

    def unlink(self) -> None:
        """Removes it."""
        obstore.delete(self._store, self._path)


def objects(url: str) -> list[StoredObject]:
    """All objects below a URL, also incomplete ones."""
    store = from_url(url, client_options={"allow_http": True})
    paths = [each["path"] for page in obstore.list(store) for each in page]
    return [StoredObject(store, path) for path in sorted(paths) if not path.endswith("/check")]


def messages(name: str, *chunks: bytes) -> Iterator[clip_pb2.PutAudioRequest]:
    """Yields the messages of a PutAudio stream."""
    yield clip_pb2.PutAudioRequest(name=name)
    for chunk in chunks:
        yield clip_pb2.PutAudioRequest(chunk=chunk)


async def until(condition: Callable[[], object]) -> None:
    """Waits for a condition that changes outside this event loop."""
    while not condition():
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def refused(reason: Reason, **metadata: str) -> AsyncIterator[list[ServiceError]]:
    """Checks that the block fails for this reason, with a message and with this metadata."""
    caught: list[ServiceError] = []
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        yield caught
    error = from_rpc_error(raised.value)
    assert error is not None, raised.value
    assert error.reason is reason, error.message
    assert raised.value.code() is error.code
    assert error.message
    assert error.metadata.items() >= metadata.items(), error.metadata
    caught.append(error)


@contextlib.asynccontextmanager
async def serving(settings: CatalogSettings) -> AsyncIterator[Catalog]:
    """Runs a catalog service in this process."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(start(settings, stop, port.set_result))
    await asyncio.wait([task, port], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    async with grpc.aio.insecure_channel(f"127.0.0.1:{await port}") as channel:
        yield Catalog(channel, settings)
    stop.set()
    await task


class Program:
    """The service as a separate process."""

    def __init__(self, settings: CatalogSettings, **variables: str) -> None:
        """Starts the service and waits until it listens."""
        self.settings = settings
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "catalog_service"],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment(settings), **variables},
        )
        self.port = self._port()

    def _port(self) -> int:
        assert self.process.stderr
        for line in self.process.stderr:
            self.log.append(line)
            event = json.loads(line)
            if event.get("event") == "listening":
                return int(event["port"])
        raise AssertionError("the service ended before it listened")

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[Catalog]:
        """Opens a client of the service."""
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            yield Catalog(channel, self.settings)

    def kill(self) -> None:
        """Kills the service by SIGKILL."""
        self.process.kill()
        self.process.wait(30)


def environment(settings: CatalogSettings) -> dict[str, str]:
    """Returns the environment variables that give a process these settings."""
    values = {
        "AUDIOSEARCH_CATALOG_PORT": "0",
        "AUDIOSEARCH_DATA_DIR": str(settings.data_dir),
        "AUDIOSEARCH_DRAIN_SECONDS": "0",
        "AUDIOSEARCH_GRACE_SECONDS": "1",
        "AUDIOSEARCH_AUDIO_URL": settings.audio_url or "",
        "MYSQL_HOST": settings.mysql_host or "",
        "MYSQL_PORT": str(settings.mysql_port),
        "MYSQL_DB": settings.mysql_db,
    }
    return {**values, "UPLOAD_PATH": "", "MYSQL_USER": "", "MYSQL_PWD": ""}
