"""A change of a clip is in the index as soon as it is answered, and soon if the index was away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from google.protobuf.field_mask_pb2 import FieldMask

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running, start
from tests.end_to_end.indexed import Indexed, long, opened, short
from tests.end_to_end.test_services import kill, launch
from tests.vowels import record
from tools.servers.processes import until


@pytest.fixture(scope="module")
def stack(shared: Running) -> Iterator[Indexed]:
    """The shared stack, whose next look for what was left comes late, and next sweep later."""
    with opened(shared) as indexed:
        yield indexed


def id_of(clip: Clip) -> str:
    """The last part of a clip's name."""
    return clip.name.rpartition("/")[2]


def update(stack: Indexed, clip: Clip, **values: str) -> Clip:
    """Changes a clip."""
    changed = Clip(name=clip.name, **values)
    mask = FieldMask(paths=list(values))
    return stack.client.call(
        stack.client.stubs.clips.UpdateClip,
        clip_pb2.UpdateClipRequest(clip=changed, update_mask=mask),
    )


def test_a_change_is_found_by_the_next_search(stack: Indexed, tmp_path: Path) -> None:
    """On all windows of a clip; one after another, each time."""
    name = stack.running.library()
    first = stack.client.upload(name, short(tmp_path, 1)).clip
    second = stack.client.upload(name, long(tmp_path, 2)).clip
    library = stack.library(name)
    for number in range(5):
        update(stack, first, label=f"first {number}")
        update(stack, second, label=f"second {number}", speaker="Ann")
        assert stack.fitting(library, label=f"first {number}") == {id_of(first)}
        assert stack.fitting(library, label=f"second {number}", speaker="Ann") == {id_of(second)}
    assert stack.fitting(library, label="first 0") == set()
    assert stack.differences(name) == []


def test_enrollments_are_found(stack: Indexed, tmp_path: Path) -> None:
    """By the speaker's id: enrolled with a file or a clip, taken out, deleted with the speaker."""
    name, speakers = stack.running.library(), stack.client.speakers
    recordings = [record(tmp_path, 0, number, 2.0) for number in range(4)]
    there = stack.client.upload(name, recordings[0]).clip
    enrolled = speakers.enroll(name, "ann", recordings)
    assert not [each for each in enrolled.outcomes if each.HasField("failure")]
    library, ids = stack.library(name), {id_of(each.clip) for each in enrolled.outcomes}
    assert id_of(there) in ids
    assert stack.fitting(library, enrolled_speaker="ann") == ids
    speakers.remove_enrollments(name, "ann", [there.name])
    assert stack.fitting(library, enrolled_speaker="ann") == ids - {id_of(there)}
    assert stack.fitting(library, enrolled_speaker="") == {id_of(there)}
    speakers.delete(name, "ann", with_clips=False)
    assert stack.fitting(library, enrolled_speaker="ann") == set()
    assert stack.fitting(library, enrolled_speaker="") == ids
    assert stack.differences(name) == []


def test_a_clip_that_is_deleted_leaves_its_speaker(stack: Indexed, tmp_path: Path) -> None:
    """The others stay enrolled."""
    name, speakers = stack.running.library(), stack.client.speakers
    recordings = [record(tmp_path, 1, number, 2.0) for number in range(3)]
    enrolled = speakers.enroll(name, "bob", recordings)
    gone, *kept = [each.clip for each in enrolled.outcomes]
    stack.client.call(
        stack.client.stubs.clips.DeleteClip, clip_pb2.DeleteClipRequest(name=gone.name)
    )
    library = stack.library(name)
    assert stack.fitting(library, enrolled_speaker="bob") == {id_of(clip) for clip in kept}
    speakers.delete(name, "bob", with_clips=True)
    assert stack.vectors(f"{library.uid}_w1") == {}


def test_an_answer_does_not_wait_for_an_index_that_is_away(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The change is OK, and mirrored in the reconciler's next round after the index is back."""
    settings = {"AUDIOSEARCH_RECONCILE_SECONDS": "0.5", "AUDIOSEARCH_SWEEP_SECONDS": "3600"}
    with (
        start(tmp_path_factory.mktemp("mirror"), **settings) as running,
        opened(running) as stack,
    ):
        name = running.library()
        clips = [running.client.upload(name, short(tmp_path, number)).clip for number in range(3)]
        library = stack.library(name)
        kill(running, "index")
        for clip in clips:
            assert update(stack, clip, label="changed").label == "changed"
        with pytest.raises(ServiceError) as raised:
            running.client.search(name, tmp_path / "short 0.wav")
        assert raised.value.reason is Reason.INDEX_UNAVAILABLE
        launch(running, "index")
        ids = {id_of(clip) for clip in clips}
        until(lambda: stack.fitting(library, label="changed") == ids)
        assert stack.differences(name) == []
