"""The status, over the whole stack."""

from __future__ import annotations

import io
import os
import signal
import time
from pathlib import Path

import pytest
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, GetClipRequest, ListClipsRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.gateway.v1 import search_pb2
from audiosearch.gateway.v1.system_status_pb2 import GetStatusRequest, ServiceStatus, SystemStatus
from audiosearch_client.client import AudiosearchClient

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running
from tests.end_to_end.guarded import Guarded
from tools.servers.processes import send_signal, until


def read(client: AudiosearchClient) -> SystemStatus:
    """The status now."""
    return client.call(client.stubs.status.GetStatus, GetStatusRequest())


def services(client: AudiosearchClient) -> dict[str, ServiceStatus]:
    """Returns the status of each service."""
    return {service.service: service for service in read(client).services}


def test_all_services_are_there(shared: Running) -> None:
    """The status tells the stores of the services and the times of their start."""
    status = read(shared.client)
    found = {service.service: service for service in status.services}
    assert list(found) == ["gateway", "embedding", "index", "catalog"]
    assert found["index"].store.startswith("milvus-lite ")
    assert found["catalog"].store.startswith("sqlite ")
    assert (found["gateway"].store, found["embedding"].store) == ("", "")
    for service in found.values():
        assert service.state == ServiceStatus.STATE_SERVING
        assert not service.reason
        assert 0 < service.since_time.ToSeconds() <= time.time()
    assert status.version
    assert status.start_time.ToNanoseconds() < status.read_time.ToNanoseconds()
    (model,) = status.models
    assert model.precision in {"fp32", "mixed", "bf16", "paddle"}


def test_searches_are_remembered_with_their_times(
    shared: Running, filled: Library, sounds: Path
) -> None:
    """The newest first, whichever way they came; steps add up to no more than the whole."""
    library = filled.name.removeprefix("libraries/")
    found = shared.client.search(library, sounds / "bronze_bell_1.wav", k=3)
    request = search_pb2.SearchClipsRequest(
        config=search_pb2.SearchConfig(parent=filled.name, k=2), clip=found.matches[0].clip.name
    )
    shared.client.call(shared.client.stubs.search.SearchClips, request)
    status = read(shared.client)
    by_clip, by_sound = status.searches[:2]
    assert (by_clip.by_clip, by_clip.match_count, by_clip.library) == (True, 2, filled.name)
    assert (by_sound.by_clip, by_sound.match_count) == (False, 3)
    assert by_clip.embedding_duration.ToNanoseconds() == 0
    assert by_sound.embedding_duration.ToNanoseconds() > 0
    for search in (by_clip, by_sound):
        steps = (search.embedding_duration, search.index_duration, search.catalog_duration)
        assert min(search.index_duration.ToNanoseconds(), search.catalog_duration.ToNanoseconds())
        whole = search.total_duration.ToNanoseconds()
        assert sum(step.ToNanoseconds() for step in steps) <= whole
    assert status.latency.search_count == len(status.searches)
    p50, p99 = status.latency.p50_duration, status.latency.p99_duration
    assert 0 < p50.ToNanoseconds() <= p99.ToNanoseconds()


def test_no_more_than_fifty_are_remembered(shared: Running, filled: Library, sounds: Path) -> None:
    """This holds for any number of searches. Failed ones are not among them."""
    library = filled.name.removeprefix("libraries/")
    clip = shared.client.search(library, sounds / "bronze_bell_1.wav", k=1).matches[0].clip.name
    request = search_pb2.SearchClipsRequest(
        config=search_pb2.SearchConfig(parent=filled.name, k=1), clip=clip
    )
    for _ in range(55):
        shared.client.call(shared.client.stubs.search.SearchClips, request)
    assert len(read(shared.client).searches) == 50


def test_each_key_sees_the_searches_of_its_libraries(guarded: Guarded, sounds: Path) -> None:
    """Every key sees services and models. Searches show with the right to read the library."""
    with guarded.client("operator") as client:
        for library in ("open", "closed"):
            client.search(library, sounds / "bronze_bell_1.wav", k=1)
    seen = {}
    for key in ("operator", "reader", "stranger"):
        with guarded.client(key) as client:
            status = read(client)
        assert len(status.services) == 4
        assert status.latency.search_count == len(status.searches)
        seen[key] = {search.library for search in status.searches}
    assert seen["operator"] >= {"libraries/open", "libraries/closed"}
    assert seen["reader"] == {"libraries/open"}
    assert seen["stranger"] == set()


def test_each_key_sees_the_names_of_bad_audio_in_its_libraries(guarded: Guarded) -> None:
    """Every key sees how much of it there is. A file that is back is whole again."""
    with guarded.client("operator") as client:
        clips = [next(client.clips(name, ListClipsRequest())).name for name in ("open", "closed")]
        files = [next(guarded.stack.data_dir.rglob(f"{name.split('/')[3]}.*")) for name in clips]
        for name, file in zip(clips, files, strict=True):
            file.rename(file.with_suffix(".away"))
            with pytest.raises(ServiceError):
                client.download(name, io.BytesIO())
    seen = {}
    for key in ("operator", "reader", "stranger"):
        with guarded.client(key) as other:
            audio = read(other).audio
        assert audio.missing_count == 2
        seen[key] = list(audio.clips)
    assert seen == {"operator": sorted(clips), "reader": clips[:1], "stranger": []}
    with guarded.client("operator") as client:
        for name, file in zip(clips, files, strict=True):
            file.with_suffix(".away").rename(file)
            client.download(name, io.BytesIO())
        assert read(client).audio.missing_count == 0


def test_a_service_that_is_gone_is_named(fragile: Running) -> None:
    """The answer still comes, with the reason and without the missing parts."""
    stack, client = fragile.stack, fragile.client
    before = services(client)["index"].since_time.ToNanoseconds()
    send_signal(stack.pid("index"), signal.SIGSTOP)
    try:
        until(lambda: services(client)["index"].state == ServiceStatus.STATE_NOT_SERVING, 60)
        found = services(client)
    finally:
        os.kill(stack.pid("index"), signal.SIGCONT)
    assert found["index"].reason == found["gateway"].reason == "INDEX_UNAVAILABLE"
    assert found["index"].message
    assert found["index"].store == ""
    assert found["index"].since_time.ToNanoseconds() > before
    assert found["catalog"].state == ServiceStatus.STATE_SERVING
    until(lambda: services(client)["gateway"].state == ServiceStatus.STATE_SERVING, 60)


def test_damaged_and_missing_audio_is_told_and_mended(
    shared: Running, library: str, sounds: Path
) -> None:
    """Nobody hears it. An upload and an import of the same files make it whole."""
    client, folder = shared.client, shared.folder()
    flipped, gone = (
        sounds / "bronze_bell_1.wav",
        sounds / "bronze_bell_2.wav",
    )
    clips = [client.upload(library, path).clip for path in (flipped, gone)]
    files = [next(shared.stack.data_dir.rglob(f"{each.name.split('/')[3]}.*")) for each in clips]
    content = files[0].read_bytes()
    files[0].write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    files[1].unlink()
    for clip, reason in zip(clips, (Reason.AUDIO_DAMAGED, Reason.AUDIO_MISSING), strict=True):
        with pytest.raises(ServiceError) as raised:
            client.download(clip.name, io.BytesIO())
        assert raised.value.reason is reason
    told = read(client).audio
    assert told.damaged_count >= 1
    assert told.missing_count >= 1
    assert {clip.name for clip in clips} <= set(told.clips)
    assert client.upload(library, flipped).clip.name == clips[0].name
    (folder / gone.name).write_bytes(gone.read_bytes())
    operation = client.import_folder(library, str(folder))
    until(lambda: client.import_job(operation.name)[1])
    for clip, path in zip(clips, (flipped, gone), strict=True):
        now: Clip = client.call(client.stubs.clips.GetClip, GetClipRequest(name=clip.name))
        assert now.audio_object.condition == AudioObject.CONDITION_UNSPECIFIED
        heard = io.BytesIO()
        client.download(clip.name, heard)
        assert heard.getvalue() == path.read_bytes()
    assert not {clip.name for clip in clips} & set(read(client).audio.clips)
