"""The behaviour when the service, its database or its folder goes away and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1 import speaker_pb2 as spk
from audiosearch.catalog.v1.clip_pb2 import Clip
from grpc_health.v1 import health_pb2, health_pb2_grpc

from catalog_service.settings import CatalogSettings
from serving.errors import Reason
from tests.conformance.catalog.conftest import settings_for
from tools.servers.catalog import Catalog, Program, refused, serving, until
from tools.servers.mysql_server import MysqlServer

LIMIT = 30
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health(catalog: Catalog) -> int:
    """Returns the health of the service as it reports it."""
    stub = health_pb2_grpc.HealthStub(catalog.channel)
    return (await stub.Check(health_pb2.HealthCheckRequest(service=""))).status


async def becomes(catalog: Catalog, status: int) -> None:
    """Waits for a state of health."""
    limit = time.monotonic() + LIMIT
    while await health(catalog) != status:
        assert time.monotonic() < limit, "its health did not change"
        await asyncio.sleep(0.1)


async def works(call: Callable[[], Awaitable[object]]) -> object:
    """Waits until calls pass again; until then they may fail for one reason alone."""
    limit = time.monotonic() + LIMIT
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > limit:
                raise
            await asyncio.sleep(0.1)


async def known(call: Callable[[], Awaitable[object]]) -> None:
    """Waits until a call fails without waiting for the database."""
    limit = time.monotonic() + LIMIT
    while True:
        try:
            await asyncio.wait_for(call(), 1)
        except grpc.aio.AioRpcError:
            return
        except asyncio.TimeoutError:
            assert time.monotonic() < limit, "calls go on waiting"


async def test_a_service_killed_after_the_audio_came(settings: CatalogSettings) -> None:
    """The row is CREATING with its audio, half-sent audio is gone, and work can continue."""
    before = Program(settings)
    async with before.client() as catalog:
        library = await catalog.library()
        made, cut = await catalog.creating(library), await catalog.creating(library)
        await catalog.put(made.name, b"audio")

        async def half() -> object:
            yield clip_pb2.PutAudioRequest(name=cut.name)
            yield clip_pb2.PutAudioRequest(chunk=bytes(600_000))
            await asyncio.sleep(LIMIT)

        call = catalog.stubs.clips.PutAudio(half())
        await until(lambda: len(catalog.files()) == 2)
        before.kill()
        with pytest.raises(grpc.aio.AioRpcError):
            await call
    async with serving(settings) as catalog:
        assert len(catalog.files()) == 1
        assert (await catalog.get(made.name)).state == Clip.STATE_CREATING
        assert (await catalog.audio(made.name))[1] == b"audio"
        assert (await catalog.activate(made.name)).state == Clip.STATE_ACTIVE
        await catalog.put(cut.name, b"again")


async def test_a_service_killed_while_a_speaker_goes(settings: CatalogSettings) -> None:
    """Wherever it was cut off, the speaker is DELETING or gone, and a repeat ends it."""
    async with serving(settings) as catalog:
        library = await catalog.library()
        clips = await catalog.clips(library, 900)
        speaker = await catalog.speaker(library, *clips)
    before = Program(settings)
    async with before.client() as catalog:
        await catalog.stubs.speakers.BeginSpeakerDeletion(
            spk.BeginSpeakerDeletionRequest(name=speaker.name)
        )
        end = spk.DeleteSpeakerRequest(name=speaker.name)
        call = asyncio.ensure_future(catalog.stubs.speakers.DeleteSpeaker(end))
        while (await catalog.get(clips[0].name)).enrolled_speaker:
            await asyncio.sleep(0.005)
        before.kill()
        await asyncio.wait([call])
    async with serving(settings) as catalog:
        with contextlib.suppress(grpc.aio.AioRpcError):  # it may have been done
            left = await catalog.get_speaker(speaker.name)
            assert left.state == spk.Speaker.STATE_DELETING
        await catalog.stubs.speakers.DeleteSpeaker(end)
        async with refused(Reason.SPEAKER_NOT_FOUND):
            await catalog.get_speaker(speaker.name)
        assert (await catalog.speaker(library, *clips)).enrollment_count == len(clips)


@pytest.mark.server
async def test_the_database_is_killed_while_clips_are_enrolled(
    mysql: MysqlServer, tmp_path: object, request: pytest.FixtureRequest
) -> None:
    """Each call took effect or not. Cut-off calls can be repeated, and the counts are true."""
    settings = settings_for("mysql", tmp_path, request, statement_seconds=2)
    async with serving(settings) as catalog:
        library = await catalog.library()
        clips = await catalog.clips(library, 200)
        speaker = await catalog.speaker(library)

        async def enroll() -> None:
            for clip in clips:
                await catalog.enroll(speaker.name, clip)

        call = asyncio.ensure_future(enroll())
        while (await catalog.get_speaker(speaker.name)).revision < 5:
            await asyncio.sleep(0.01)
        mysql.stop(signal.SIGKILL)
        try:
            async with refused(Reason.CATALOG_UNAVAILABLE):
                await call
        finally:
            mysql.start()
        left = await works(lambda: catalog.get_speaker(speaker.name))
        assert isinstance(left, spk.Speaker)
        enrolled = [clip for clip in clips if (await catalog.get(clip.name)).enrolled_speaker]
        assert left.enrollment_count == left.revision == len(enrolled)
        await enroll()
        done = await catalog.get_speaker(speaker.name)
        assert (done.enrollment_count, done.revision) == (200, 200)


async def test_a_second_service_leaves_the_uploads_of_the_first_alone(
    settings: CatalogSettings,
) -> None:
    """Replicas share the folder: only what dead processes left is removed."""
    async with serving(settings) as first:
        library = await first.library()
        made = await first.creating(library)
        go_on = asyncio.Event()

        async def slow() -> object:
            yield clip_pb2.PutAudioRequest(name=made.name)
            yield clip_pb2.PutAudioRequest(chunk=bytes(600_000))
            await go_on.wait()
            yield clip_pb2.PutAudioRequest(chunk=b"end")

        call = first.stubs.clips.PutAudio(slow())
        await until(first.files)
        async with serving(settings) as second:
            go_on.set()
            assert (await call).size_bytes == 600_003
            assert (await second.audio(made.name))[0].size_bytes == 600_003


@pytest.mark.server
async def test_the_database_stops_and_comes_back(
    mysql: MysqlServer, tmp_path: object, request: pytest.FixtureRequest
) -> None:
    """Calls fail with CATALOG_UNAVAILABLE, health says so, and both recover by themselves."""
    settings = settings_for("mysql", tmp_path, request, statement_seconds=2)
    async with serving(settings) as catalog:
        library = await catalog.library()
        clip = await catalog.clip(library)
        speaker = await catalog.speaker(library)
        for number in (signal.SIGTERM, signal.SIGKILL):
            mysql.stop(number)
            try:
                for call in (
                    lambda: catalog.get(clip.name),
                    lambda: catalog.creating(library),
                    lambda: catalog.speaker(library),
                    lambda: catalog.get_speaker(speaker.name),
                    lambda: catalog.enroll(speaker.name, clip),
                ):
                    async with refused(Reason.CATALOG_UNAVAILABLE):
                        await call()
                await becomes(catalog, NOT_SERVING)
            finally:
                mysql.start()
            await works(lambda: catalog.get(clip.name))
            await becomes(catalog, SERVING)
            await catalog.clip(library)


@pytest.mark.server
async def test_a_database_that_hangs_costs_a_call_its_limit(
    mysql: MysqlServer, tmp_path: object, request: pytest.FixtureRequest
) -> None:
    """CATALOG_UNAVAILABLE after the statement limit, not silence; all is well when it goes on."""
    settings = settings_for("mysql", tmp_path, request, statement_seconds=1, pool_size=2)
    async with serving(settings) as catalog:
        library = await catalog.library()
        mysql.send(signal.SIGSTOP)
        try:
            calls = [
                catalog.stubs.libraries.GetLibrary(
                    library_pb2.GetLibraryRequest(name=library.name), timeout=LIMIT
                )
                for _ in range(6)
            ]
            for call in calls:
                async with refused(Reason.CATALOG_UNAVAILABLE):
                    await call
            await becomes(catalog, NOT_SERVING)
        finally:
            mysql.send(signal.SIGCONT)
        await works(lambda: catalog.clip(library))


@pytest.mark.server
async def test_a_database_that_is_known_to_hang_costs_nothing(
    mysql: MysqlServer, tmp_path: object, request: pytest.FixtureRequest
) -> None:
    """Once health has seen it, calls do not wait at all; they pass again when it goes on."""
    settings = settings_for("mysql", tmp_path, request, statement_seconds=LIMIT)
    async with serving(settings) as catalog:
        library = await catalog.library()
        mysql.send(signal.SIGSTOP)
        try:
            await becomes(catalog, NOT_SERVING)
            await known(lambda: catalog.get("libraries/a/clips/b"))
            for call in (lambda: catalog.get("libraries/a/clips/b"), catalog.library):
                async with refused(Reason.CATALOG_UNAVAILABLE):
                    await asyncio.wait_for(call(), LIMIT / 2)
        finally:
            mysql.send(signal.SIGCONT)
        await works(lambda: catalog.clip(library))


@pytest.mark.server
async def test_a_service_that_starts_before_its_database(
    mysql: MysqlServer, tmp_path: object, request: pytest.FixtureRequest
) -> None:
    """It serves, says NOT_SERVING, and makes database and tables once the server is there."""
    settings = settings_for("mysql", tmp_path, request)
    mysql.stop()
    try:
        async with serving(settings) as catalog:
            await becomes(catalog, NOT_SERVING)
            async with refused(Reason.CATALOG_UNAVAILABLE):
                await catalog.library()
            mysql.start()
            await works(
                lambda: catalog.stubs.libraries.ListLibraries(library_pb2.ListLibrariesRequest())
            )
            await catalog.clip(await catalog.library())
            await becomes(catalog, SERVING)
    finally:
        if not mysql.answers():
            mysql.start()


async def test_an_audio_folder_that_goes_away(settings: CatalogSettings) -> None:
    """Uploads fail as unavailable, health says so, and both recover when it can be made again."""
    async with serving(settings) as catalog:
        library = await catalog.library()
        made = await catalog.creating(library)
        folder = settings.audio_folder
        folder.rename(folder.with_name("away"))
        folder.write_text("in its place")
        await becomes(catalog, NOT_SERVING)
        async with refused(Reason.CATALOG_UNAVAILABLE):
            await catalog.put(made.name, b"x")
        folder.unlink()
        await works(lambda: catalog.put(made.name, b"x"))
        await becomes(catalog, SERVING)
