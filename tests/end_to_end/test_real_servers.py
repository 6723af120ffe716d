"""The whole stack over a real Milvus server and a real MySQL or MariaDB server."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.calibration_pb2 import NORMALIZATION_NONE, OperatingPoint
from audiosearch.catalog.v1.clip_pb2 import Clip
from pymilvus import MilvusClient

from deploy.local_stack import LocalStack
from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running, start
from tests.end_to_end.indexed import long, opened, short
from tests.end_to_end.test_exports import bring, clips, export
from tests.end_to_end.test_exports import fill as fill_library
from tests.end_to_end.test_import import counts, run_import
from tests.end_to_end.test_lost_index import begin, complete, kill, lose, search, windows
from tests.end_to_end.test_migration import fill, searching, wait_for_the_end
from tests.vowels import record
from tools.servers.mysql_server import running as running_mysql
from tools.servers.processes import until
from tools.servers.stores import running_milvus, settings_for

pytestmark = [
    pytest.mark.server,
    pytest.mark.timeout(900),  # its servers start beside others on a busy machine
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack on real servers; skips where there can be none."""
    with (
        running_mysql() as mysql,
        running_milvus(tmp_path_factory.mktemp("milvus")) as milvus,
        start(
            tmp_path_factory.mktemp("stack"),
            AUDIOSEARCH_COMPARE_SECONDS="1",
            **settings_for(milvus, mysql),
        ) as started,
    ):
        yield started


def restart(stack: LocalStack) -> None:
    """Ends and starts all that could remember anything; the embedding service does not."""
    services = ("catalog", "index", "gateway")
    for service in reversed(services):
        stack._processes[service].terminate()
        assert stack._processes[service].wait(30) == 0
    for service in services:
        stack.launch(service)
    for service in services:
        stack.wait(service)


def test_a_migration_on_real_servers(tmp_path: Path, running: Running) -> None:
    """Searched all the time, interrupted, changed meanwhile: as on the embedded stores."""
    with opened(running) as stack:
        name = stack.old_library()
        paths = fill(stack, name, tmp_path, shorts=12, longs=4)
        uid = stack.migrate(name).uid
        with searching(stack, name, paths) as wrong:
            time.sleep(1)
            added = running.client.upload(name, long(tmp_path, 40)).clip.name
            request = clip_pb2.UpdateClipRequest(clip=Clip(name=added, label="new"))
            running.client.call(running.client.stubs.clips.UpdateClip, request)
            wait_for_the_end(stack, name)
            until(lambda: not stack.has_index(uid))
        assert wrong == []
        assert stack.differences(name) == []
        assert stack.fitting(stack.library(name), label="new") == {added.rpartition("/")[2]}
        stack.migrate(name)
        restart(running.stack)
        wait_for_the_end(stack, name)
        assert stack.library(name).generation == 2
        assert stack.differences(name) == []


def test_a_lost_index_on_real_servers(tmp_path: Path, running: Running) -> None:
    """Collections go behind the service, then rows: told, and filled without the encoder."""
    with opened(running) as stack:
        name = running.library()
        for path in (*(short(tmp_path, number) for number in range(6)), long(tmp_path, 60)):
            running.client.upload(name, path)
        library = stack.library(name)
        before = search(stack, library)
        count = len(stack.vectors(windows(library)))
        server = MilvusClient(f"http://127.0.0.1:{running.stack._settings['MILVUS_PORT']}")
        for collection in server.list_collections():
            if collection.endswith((windows(library), f"{library.uid}_c1")):
                server.release_collection(collection)
                for alias in server.list_aliases(collection)["aliases"]:
                    server.drop_alias(alias)
                server.drop_collection(collection)
        server.close()
        (told,) = search(stack, library).incomplete
        assert (told.library, told.expected_count) == (library.name, count)
        kill(stack, "embedding")
        until(lambda: complete(stack, library))
        assert search(stack, library) == before
        lose(stack, windows(library), sorted(stack.vectors(windows(library)))[::2])
        until(lambda: complete(stack, library))
        assert search(stack, library) == before
        begin(stack, "embedding")


def test_whose_voice_it_is_on_real_servers(tmp_path: Path, running: Running) -> None:
    """Enroll, calibrate, identify, restart, identify again, delete: as on the embedded stores."""
    library, speakers = running.library(), running.client.speakers
    for voice in range(7):
        recordings = [record(tmp_path, voice, number, 2.0) for number in range(5)]
        speakers.enroll(library, f"v{voice}", recordings)
    point = OperatingPoint(max_false_alarm_rate=0.05)
    calibration = speakers.calibrate(library, point, NORMALIZATION_NONE)
    assert calibration.speaker_count == 7
    probe, stranger = record(tmp_path, 0, 20, 2.0), record(tmp_path, 7, 20, 2.0)
    before = speakers.identify(library, probe)
    assert [each.speaker.name.rpartition("/")[2] for each in before.matches] == ["v0"]
    assert not speakers.identify(library, stranger).matches
    restart(running.stack)
    assert speakers.identify(library, probe) == before
    assert speakers.calibration(library) == calibration
    clip = next(speakers.enrollments(library, "v0")).name
    left = speakers.remove_enrollments(library, "v0", [clip])
    assert (left.enrollment_count, left.voiceprint_revision) == (4, left.revision)
    assert speakers.identify(library, probe).matches[0].speaker == left
    speakers.delete(library, "v0", with_clips=True)
    assert not speakers.identify(library, probe).matches
    kept = running.client.clips(library, clip_pb2.ListClipsRequest())
    assert len(list(kept)) == 31
    delete = library_pb2.DeleteLibraryRequest(name=f"libraries/{library}", force=True)
    running.client.call(running.client.stubs.libraries.DeleteLibrary, delete)
    with pytest.raises(ServiceError) as raised:
        speakers.identify(library, probe)
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND


def test_the_main_job_on_real_servers(sounds: Path, running: Running) -> None:
    """Import, search, restart, search again, delete: as on the embedded stores."""
    query, client = sounds / "bronze_bell_2.wav", running.client
    library, folder = running.library(), running.folder()
    for path in sounds.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert counts(run_import(running, library, folder)) == (20, 20, 0, 0)
    assert counts(run_import(running, library, folder)) == (20, 0, 20, 0)
    before = client.search(library, query)
    names = [match.clip.display_name for match in before.matches]
    assert names[0] == query.name
    assert {name.rsplit("_", 1)[0] for name in names[:3]} == {"bronze_bell"}
    assert not (running.stack.data_dir / "index").exists()
    assert not (running.stack.data_dir / "catalog").exists()
    restart(running.stack)
    assert client.search(library, query) == before
    clip = before.matches[0].clip
    audio = io.BytesIO()
    client.download(clip.name, audio)
    assert audio.getvalue() == query.read_bytes()
    client.call(client.stubs.clips.DeleteClip, clip_pb2.DeleteClipRequest(name=clip.name))
    after = client.search(library, query)
    assert clip.name not in {match.clip.name for match in after.matches}
    delete = library_pb2.DeleteLibraryRequest(name=f"libraries/{library}", force=True)
    client.call(client.stubs.libraries.DeleteLibrary, delete)
    with pytest.raises(ServiceError) as raised:
        client.search(library, query)
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND


def test_an_export_of_the_embedded_stores_is_imported(
    shared: Running, running: Running, tmp_path: Path
) -> None:
    """With all that an import keeps, and the same answers to its own clips."""
    name = fill_library(shared, tmp_path)
    export(shared, name, tmp_path / "out", "--audio")
    assert bring(running, tmp_path / "out", name)["created"] == 6
    assert clips(running, name) == clips(shared, name)
    found = []
    for stack in (shared, running):
        every = stack.client.clips(name, clip_pb2.ListClipsRequest())
        found.append(
            {
                clip.audio_object.sha256: [
                    (match.clip.display_name, round(match.score, 4), len(match.segments))
                    for match in stack.client.search_by_clip(name, clip.name, k=10).matches
                ]
                for clip in every
            }
        )
    assert found[0] == found[1]
