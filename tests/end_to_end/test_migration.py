"""Libraries of before there were windows are brought up to date while they are used."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import soundfile
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.embedding.v1 import embedding_service_pb2
from audiosearch.gateway.v1.speakers_pb2 import (
    EnrollSpeakerConfig,
    EnrollSpeakerRequest,
    Recording,
)

from serving.errors import Reason, ServiceError
from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import Running
from tests.end_to_end.indexed import Indexed, long, opened, short
from tests.vowels import record
from tools.servers.processes import until


@pytest.fixture(scope="module")
def stack(shared: Running) -> Iterator[Indexed]:
    """The shared stack."""
    with opened(shared) as indexed:
        yield indexed


def fill(stack: Indexed, name: str, folder: Path, shorts: int, longs: int) -> dict[str, Path]:
    """Uploads recordings; their paths by the ids of their clips."""
    paths = [short(folder, number) for number in range(shorts)]
    paths += [long(folder, number) for number in range(longs)]
    return {stack.client.upload(name, path).clip.name.rpartition("/")[2]: path for path in paths}


def wait_for_the_end(stack: Indexed, name: str) -> None:
    """Waits until a library is in no migration."""
    until(lambda: not stack.library(name).HasField("migration"), seconds=180)


@contextmanager
def searching(stack: Indexed, name: str, paths: dict[str, Path]) -> Iterator[list[str]]:
    """Searches all the time for each recording by its own sound; what went wrong."""
    over, wrong, count = threading.Event(), list[str](), 0

    def search() -> None:
        nonlocal count
        while not over.is_set():
            for clip_id, path in paths.items():
                try:
                    matches = stack.client.search(name, path, k=1).matches
                except ServiceError as error:
                    wrong.append(f"{clip_id}: {error}")
                    continue
                count += 1
                if [match.clip.name.rpartition("/")[2] for match in matches] != [clip_id]:
                    wrong.append(f"{clip_id}: found {[match.clip.name for match in matches]}")
                if over.is_set():
                    break

    thread = threading.Thread(target=search)
    thread.start()
    try:
        yield wrong
    finally:
        over.set()
        thread.join(120)
    assert count


def test_it_is_searched_all_the_time_and_by_windows_afterwards(
    stack: Indexed, tmp_path: Path
) -> None:
    """From one vector for each clip to windows; the old index is gone a moment later."""
    name = stack.old_library()
    paths = fill(stack, name, tmp_path, shorts=6, longs=3)
    before = stack.library(name)
    assert (before.generation, before.HasField("window_rule")) == (0, False)
    assert stack.vectors(before.uid).keys() == paths.keys()
    model = stack.client.call(
        stack.client.stubs.models.GetModel,
        embedding_service_pb2.GetModelRequest(name="models/default"),
    )
    with searching(stack, name, paths) as wrong:
        began = stack.migrate(name)
        assert began.migration.generation == 1
        assert began.migration.window_rule == model.window_rule
        wait_for_the_end(stack, name)
        until(lambda: not stack.has_index(before.uid), seconds=60)
    assert wrong == []
    after = stack.library(name)
    assert (after.generation, after.window_rule) == (1, model.window_rule)
    assert stack.differences(name) == []
    counts = {paths[id_].stem: clip.window_count for id_, clip in stack.clips(name).items()}
    assert all(count == (1 if "short" in stem else count) for stem, count in counts.items())
    assert all(count > 3 for stem, count in counts.items() if "long" in stem)


def test_segments_are_told_afterwards(stack: Indexed, tmp_path: Path) -> None:
    """None before; then three seconds from the middle of a long recording are found in it."""
    name = stack.old_library()
    path = long(tmp_path, 1, 20.0)
    stack.client.upload(name, path)
    fill(stack, name, tmp_path, shorts=3, longs=0)
    sound, rate = soundfile.read(path, dtype="int16")
    part = tmp_path / "part.wav"
    soundfile.write(part, sound[9 * rate : 12 * rate], rate, subtype="PCM_16")
    (match,) = stack.client.search(name, part, k=1).matches
    assert not match.segments
    stack.migrate(name)
    wait_for_the_end(stack, name)
    (match,) = stack.client.search(name, part, k=1).matches
    assert match.clip.display_name == path.name
    place = match.segments[0]
    assert place.start_offset.ToMilliseconds() <= 9_000
    assert place.end_offset.ToMilliseconds() >= 12_000


def test_the_command_line_shows_it(stack: Indexed, tmp_path: Path) -> None:
    """Before, in between and afterwards, and which clips were left out."""
    name = stack.old_library()
    settings = {"AUDIOSEARCH_TARGET": stack.running.stack.target}
    ids = list(fill(stack, name, tmp_path, shorts=3, longs=1))
    said = run("library", "show", name, **settings).stdout
    assert "made before there were windows: long recordings are found only as a whole" in said
    assert f"audiosearch library migrate {name}" in said
    (path,) = stack.running.stack.data_dir.rglob(f"{ids[1]}.*")
    path.write_bytes(b"\x01" * path.stat().st_size)
    done = run("library", "migrate", name, **settings)
    assert f"library {name}: up to date" in done.stdout
    assert f"{ids[1]} is left out: " in done.stderr
    shown = run("library", "show", name, **settings).stdout
    assert "before there were windows" not in shown
    assert "3 s every 1.5 s, whole up to 6 s" in shown
    begun = run("library", "migrate", name, "--no-wait", "--json", **settings)
    assert json.loads(begun.stdout)["migration"]["generation"] == 2
    wait_for_the_end(stack, name)
    assert "LIBRARY_NOT_FOUND" in run("library", "migrate", "nowhere", code=1, **settings).stderr


def test_it_is_begun_once_and_can_be_done_again(stack: Indexed, tmp_path: Path) -> None:
    """A second begin changes nothing; after the end there is a next generation."""
    name = stack.old_library()
    fill(stack, name, tmp_path, shorts=2, longs=1)
    began = stack.migrate(name)
    assert stack.migrate(name).migration.create_time == began.migration.create_time
    wait_for_the_end(stack, name)
    assert stack.migrate(name).migration.generation == 2
    wait_for_the_end(stack, name)
    assert stack.library(name).generation == 2
    assert stack.differences(name) == []
    for index_id in (f"{began.uid}_w1", f"{began.uid}_c1"):
        until(lambda index_id=index_id: not stack.has_index(index_id))  # type: ignore[misc]


def test_an_empty_library_is_brought_up_to_date(stack: Indexed, tmp_path: Path) -> None:
    """So that what comes later is found by its parts."""
    name = stack.old_library()
    stack.migrate(name)
    wait_for_the_end(stack, name)
    stack.client.upload(name, long(tmp_path, 1))
    assert stack.library(name).generation == 1
    assert stack.differences(name) == []


def test_an_enrollment_that_outlasts_a_migration(stack: Indexed, tmp_path: Path) -> None:
    """One recording before, the next when the old index is gone: both count."""
    name = stack.old_library()
    recordings = [record(tmp_path, 0, number, 2.0).read_bytes() for number in range(2)]
    uid = stack.library(name).uid
    config = EnrollSpeakerConfig(parent=f"libraries/{name}", speaker_id="ann")

    def requests() -> Iterator[EnrollSpeakerRequest]:
        yield EnrollSpeakerRequest(config=config)
        yield EnrollSpeakerRequest(recording=Recording(display_name="first"))
        yield EnrollSpeakerRequest(audio_chunk=recordings[0])
        yield EnrollSpeakerRequest(recording=Recording(display_name="second"))
        until(lambda: stack.clips(name))
        stack.migrate(name)
        wait_for_the_end(stack, name)
        until(lambda: not stack.has_index(uid))
        yield EnrollSpeakerRequest(audio_chunk=recordings[1])

    enrolled = stack.client.call(stack.client.stubs.speakers.EnrollSpeaker, requests(), patience=9)
    assert not [each for each in enrolled.outcomes if each.HasField("failure")]
    assert enrolled.speaker.enrollment_count == 2
    assert stack.fitting(stack.library(name), enrolled_speaker="ann") == stack.clips(name).keys()
    assert stack.differences(name) == []


def test_clips_come_and_go_and_change_meanwhile(stack: Indexed, tmp_path: Path) -> None:
    """What a user does during a migration stands after it, in rows and indexes."""
    name = stack.old_library()
    old = list(fill(stack, name, tmp_path, shorts=12, longs=4))
    (tmp_path / "new").mkdir()
    stack.migrate(name)
    deleted, renamed, made = old[::4], old[1::4], list[str]()
    number = 0
    while stack.library(name).HasField("migration") or number < len(deleted):
        path = (long if number % 2 else short)(tmp_path / "new", 30 + number)
        made.append(stack.client.upload(name, path).clip.name.rpartition("/")[2])
        if number < len(deleted):
            stack.client.call(
                stack.client.stubs.clips.DeleteClip,
                clip_pb2.DeleteClipRequest(name=f"libraries/{name}/clips/{deleted[number]}"),
            )
        if number < len(renamed):
            clip = Clip(name=f"libraries/{name}/clips/{renamed[number]}", label=f"new {number}")
            stack.client.call(
                stack.client.stubs.clips.UpdateClip, clip_pb2.UpdateClipRequest(clip=clip)
            )
        number += 1
    assert stack.clips(name).keys() == {*old, *made} - {*deleted}
    assert stack.differences(name) == []
    library = stack.library(name)
    for position, id_ in enumerate(renamed):
        assert stack.fitting(library, label=f"new {position}") == {id_}


def test_a_clip_that_can_not_be_read_again_is_told(stack: Indexed, tmp_path: Path) -> None:
    """It is left out; the others are brought over, and the migration ends."""
    name = stack.old_library()
    ids = list(fill(stack, name, tmp_path, shorts=5, longs=1))
    broken, lost = ids[1], ids[3]
    stored = stack.running.stack.data_dir
    (path,) = stored.rglob(f"{broken}.*")
    path.write_bytes(b"\x01" * path.stat().st_size)
    (path,) = stored.rglob(f"{lost}.*")
    path.unlink()
    told = dict[str, str]()

    def over() -> bool:
        library = stack.library(name)
        told.update({each.clip: each.reason for each in library.migration.failures})
        if library.HasField("migration"):
            assert library.migration.failed_count <= 2
        return not library.HasField("migration")

    stack.migrate(name)
    until(over, seconds=120)
    assert told == {
        f"libraries/{name}/clips/{broken}": Reason.AUDIO_DAMAGED.value,
        f"libraries/{name}/clips/{lost}": Reason.AUDIO_MISSING.value,
    }
    library = stack.library(name)
    assert library.generation == 1
    found = {id_.partition(":")[0] for id_ in stack.vectors(f"{library.uid}_w1")}
    assert found == set(ids) - {broken, lost}


@pytest.mark.parametrize("pause", [0.0, 0.4, 1.5])
def test_a_library_deleted_meanwhile_leaves_nothing(
    stack: Indexed, tmp_path: Path, pause: float
) -> None:
    """Neither rows nor indexes of any generation, and the worker goes on with others."""
    name = stack.old_library()
    fill(stack, name, tmp_path, shorts=8, longs=2)
    uid = stack.migrate(name).uid
    time.sleep(pause)
    stack.client.call(
        stack.client.stubs.libraries.DeleteLibrary,
        library_pb2.DeleteLibraryRequest(name=f"libraries/{name}", force=True),
    )
    with pytest.raises(grpc.RpcError, match="is not there"):
        stack.library(name)
    other = stack.old_library()
    stack.migrate(other)
    wait_for_the_end(stack, other)
    for index_id in (uid, f"{uid}_w1", f"{uid}_c1"):
        assert not stack.has_index(index_id)


def test_a_migration_needs_its_library_and_its_model(stack: Indexed) -> None:
    """Typed errors: no library; a model that is not run."""
    with pytest.raises(ServiceError) as raised:
        stack.migrate("nowhere")
    assert raised.value.reason is Reason.LIBRARY_NOT_FOUND
    made = library_pb2.CreateLibraryRequest(
        library_id="of-another-model",
        library=library_pb2.Library(model="models/of-another-time-0123456789ab"),
    )
    stack.catalog.libraries.CreateLibrary(made)
    stack.catalog.libraries.ActivateLibrary(
        library_pb2.ActivateLibraryRequest(name="libraries/of-another-model")
    )
    with pytest.raises(ServiceError) as raised:
        stack.migrate("of-another-model")
    assert raised.value.reason is Reason.MODEL_MISMATCH
    assert not stack.library("of-another-model").HasField("migration")
