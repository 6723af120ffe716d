"""Deleted clips come back from the trash, by every way in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.catalog.v1.kept_vectors_pb2 import DropKeptVectorsRequest
from audiosearch_cli.app import app
from audiosearch_client import Client
from typer.testing import CliRunner

from gateway.libraries import indexes
from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running
from tests.end_to_end.indexed import Indexed, long, opened, short

DAY_SECONDS = 24 * 3600
TRASHED = ClipFilter(state=Clip.STATE_TRASHED)


@pytest.fixture(scope="module")
def stack(shared: Running) -> Iterator[Indexed]:
    """The shared stack, and the services behind its gateway."""
    with opened(shared) as made:
        yield made


def delete(stack: Indexed, name: str, *, permanent: bool = False) -> None:
    """Deletes a clip."""
    request = clip_pb2.DeleteClipRequest(name=name, permanent=permanent)
    stack.client.call(stack.client.stubs.clips.DeleteClip, request)


def restore(stack: Indexed, name: str) -> Clip:
    """Restores a clip."""
    request = clip_pb2.RestoreClipRequest(name=name)
    return stack.client.call(stack.client.stubs.clips.RestoreClip, request)


def get(stack: Indexed, name: str) -> Clip:
    """A clip as it is now."""
    return stack.client.call(stack.client.stubs.clips.GetClip, clip_pb2.GetClipRequest(name=name))


def refused(call: Callable[[], object]) -> Reason:
    """The reason why a call fails."""
    with pytest.raises(ServiceError) as raised:
        call()
    return raised.value.reason


def without_time(clip: Clip) -> Clip:
    """A clip without the time of its last change."""
    plain = Clip()
    plain.CopyFrom(clip)
    plain.ClearField("update_time")
    return plain


@pytest.mark.parametrize("kept", [True, False])
def test_a_clip_comes_back_as_it_was(stack: Indexed, tmp_path: Path, *, kept: bool) -> None:
    """Row and vectors, also where none are kept. Meanwhile no search and no index has it."""
    library = stack.running.library()
    paths = (short(tmp_path, 1), long(tmp_path, 2))
    clips = [stack.client.upload(library, path).clip for path in paths]
    generation = indexes.present(stack.library(library))
    before = [stack.vectors(index_id) for index_id in generation.kinds]
    for clip in clips:
        delete(stack, clip.name)
        delete(stack, clip.name)  # a repeat after a lost answer
        gone = get(stack, clip.name)
        assert gone.state == Clip.STATE_TRASHED
        left = gone.purge_time.ToSeconds() - gone.update_time.ToSeconds()
        assert left == 7 * DAY_SECONDS
    assert not any(stack.vectors(index_id) for index_id in generation.kinds)
    assert not stack.client.search(library, paths[0]).matches
    trash = stack.client.clips(library, clip_pb2.ListClipsRequest(filter=TRASHED))
    assert [clip.name for clip in trash] == [clip.name for clip in clips]
    if not kept:
        request = DropKeptVectorsRequest(
            parent=f"libraries/{library}", before_generation=generation.number + 1
        )
        stack.catalog.vectors.DropKeptVectors(request)
    for clip in clips:
        assert without_time(restore(stack, clip.name)) == without_time(clip)
        assert restore(stack, clip.name).state == Clip.STATE_ACTIVE
    assert [stack.vectors(index_id) for index_id in generation.kinds] == before
    assert stack.differences(library) == []
    for clip, path in zip(clips, paths, strict=True):
        assert stack.client.search(library, path).matches[0].clip.name == clip.name


def test_a_sound_that_came_again_is_in_the_way(stack: Indexed, sounds: Path) -> None:
    """The refusal names the other clip, and leaves the one in the trash where it is."""
    library, path = stack.running.library(), sounds / "bronze_bell_1.wav"
    first = stack.client.upload(library, path, request_id="one").clip
    delete(stack, first.name)
    again = stack.client.upload(library, path, request_id="one")
    assert (again.created, again.clip.name != first.name) == (True, True)
    with pytest.raises(ServiceError) as raised:
        restore(stack, first.name)
    assert raised.value.reason is Reason.CLIP_EXISTS
    assert raised.value.metadata["clip"] == again.clip.name
    delete(stack, again.clip.name, permanent=True)
    assert refused(lambda: get(stack, again.clip.name)) is Reason.CLIP_NOT_FOUND
    assert restore(stack, first.name).state == Clip.STATE_ACTIVE


def test_what_was_never_there_is_deleted_at_once(stack: Indexed, tmp_path: Path) -> None:
    """A FAILED clip has nothing to come back to."""
    library, path = stack.running.library(), tmp_path / "no.wav"
    path.write_bytes(b"no sound")
    assert refused(lambda: stack.client.upload(library, path)) is Reason.AUDIO_UNDECODABLE
    fit = ClipFilter(state=Clip.STATE_FAILED)
    (failed,) = stack.client.clips(library, clip_pb2.ListClipsRequest(filter=fit))
    assert refused(lambda: restore(stack, failed.name)) is Reason.STATE_CONFLICT
    delete(stack, failed.name)
    assert refused(lambda: restore(stack, failed.name)) is Reason.CLIP_NOT_FOUND


def test_a_restoration_that_was_cut_off_is_taken_on(stack: Indexed, sounds: Path) -> None:
    """The gateway died in the middle: the clip is on its way, and the next call ends it."""
    library, path = stack.running.library(), sounds / "bronze_bell_2.wav"
    clip = stack.client.upload(library, path).clip
    stack.catalog.clips.TrashClip(clip_pb2.TrashClipRequest(name=clip.name))
    assert not stack.client.search(library, path).matches  # its vectors are still there
    stack.catalog.clips.RestoreClip(clip_pb2.RestoreClipRequest(name=clip.name))
    assert get(stack, clip.name).state == Clip.STATE_CREATING
    delete(stack, clip.name)  # for somebody it is in the trash, and stays there
    assert get(stack, clip.name).state == Clip.STATE_TRASHED
    stack.catalog.clips.RestoreClip(clip_pb2.RestoreClipRequest(name=clip.name))
    assert without_time(restore(stack, clip.name)) == without_time(clip)
    assert stack.client.search(library, path).matches[0].clip.name == clip.name


def test_a_stored_vector_comes_back(stack: Indexed) -> None:
    """A library for vectors has a trash like any other."""
    with Client(stack.running.stack.target) as client:
        from tests.end_to_end.test_vectors import fill, make  # noqa: PLC0415

        library = make(stack)
        clip = fill(stack, library).outcomes[0].clip
        client.clips.delete(clip.name)
        assert clip.name not in {f"libraries/{library}/clips/{id_}" for id_ in stack.clips(library)}
        assert [each.full_name for each in client.clips.trash(library)] == [clip.name]
        back = client.clips.restore(clip.name)
        assert (back.full_name, back.kept_until) == (clip.name, None)
        assert not stack.differences(library)


def test_the_trash_by_rest(stack: Indexed, sounds: Path) -> None:
    """Delete, list, restore, delete for good."""
    library = stack.running.library()
    clip = stack.client.upload(library, sounds / "bronze_bell_1.wav").clip
    base = f"{stack.running.stack.web}v1"
    with httpx.Client(base_url=base, timeout=60) as rest:
        path = f"/{clip.name}"
        assert rest.delete(path).json() == {}
        (gone,) = rest.get(f"/libraries/{library}/clips?filter.state=STATE_TRASHED").json()["clips"]
        assert (gone["name"], gone["state"]) == (clip.name, "STATE_TRASHED")
        assert gone["purgeTime"] > gone["updateTime"]
        assert rest.get(f"{path}/audio").status_code == 200
        assert rest.post(f"{path}:restore").json()["state"] == "STATE_ACTIVE"
        assert rest.delete(path).status_code == 200
        assert rest.delete(path, params={"permanent": "true"}).status_code == 200
        assert rest.post(f"{path}:restore").status_code == 404


def test_the_trash_on_the_command_line(stack: Indexed, sounds: Path) -> None:
    """`clip delete` tells the way back; many come back, or go for good, in one command."""
    library = stack.running.library()
    names = [
        stack.client.upload(library, sounds / f"bronze_bell_{number}.wav").clip.name
        for number in (1, 2)
    ]

    def run(*words: str) -> Any:
        result = CliRunner().invoke(app, [*words, "--target", stack.running.stack.target])
        assert result.exit_code == 0, result.output
        return result.output

    assert f"`audiosearch trash restore {names[0]}`" in run("clip", "delete", names[0])
    assert "bronze_bell_1" in run("trash", "list", "-l", library)
    assert "restored" in run("trash", "restore", names[0])
    told = run("clip", "delete", "-l", library, "--all", "--yes")
    assert told.startswith("2 clips deleted, 0 failed\n")
    assert f"`audiosearch trash restore --library {library} --all`" in told
    assert run("trash", "restore", "-l", library, "--all") == "2 clips restored, 0 failed\n"
    assert run("clip", "delete", "--permanent", names[0]).endswith("deleted for good\n")
    run("clip", "delete", names[1])
    (kept,) = json.loads(run("trash", "list", "-l", library, "--json"))["clips"]
    assert kept["name"] == names[1]
    told = run("trash", "empty", "-l", library, "--yes")
    assert told == "1 clips deleted for good, 0 failed\n"
    assert refused(lambda: get(stack, names[1])) is Reason.CLIP_NOT_FOUND
