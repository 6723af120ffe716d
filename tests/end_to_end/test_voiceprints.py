"""A voiceprint follows its enrollments, and goes with its speaker and its library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.index.v1 import index_service_pb2 as index_pb2
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub

from serving.errors import Reason, from_rpc_error
from tests.end_to_end.conftest import Running
from tests.end_to_end.enrollments import ANN, BOB, Take, clips, refused


@pytest.fixture
def two_voices(shared: Running, library: str, take: Take) -> list[str]:
    """`ann` is enrolled with two takes of her own and one of Bob; the names of these clips."""
    answer = shared.client.speakers.enroll(
        library, "ann", [take(ANN, 0), take(ANN, 1), take(BOB, 0)], allow_other_voice=True
    )
    return [outcome.clip.name for outcome in answer.outcomes]


def cosine(shared: Running, library: str, recording: Path) -> float:
    """Returns the cosine of a recording to the voiceprint of `ann`."""
    return float(shared.client.speakers.verify(library, "ann", recording).score.cosine)


@pytest.mark.parametrize("way", ["remove", "delete"])
def test_the_voiceprint_follows_the_enrollments(
    shared: Running, library: str, take: Take, two_voices: Sequence[str], way: str
) -> None:
    """It follows a removed enrollment and a deleted clip. Without any the speaker is not named."""
    speakers, probe = shared.client.speakers, take(ANN, 7)

    def lose(names: Sequence[str]) -> Speaker:
        if way == "remove":
            return speakers.remove_enrollments(library, "ann", names)
        for name in names:
            request = clip_pb2.DeleteClipRequest(name=name)
            shared.client.call(shared.client.stubs.clips.DeleteClip, request)
        return speakers.get(library, "ann")

    mixed = cosine(shared, library, probe)
    assert mixed < 0.93
    left = lose(two_voices[2:])
    assert (left.enrollment_count, left.voiceprint_revision) == (2, left.revision)
    assert cosine(shared, library, probe) > max(mixed, 0.95)
    assert len(clips(shared, library)) == (3 if way == "remove" else 2)
    assert [clip.name for clip in clips(shared, library) if clip.enrolled_speaker] == two_voices[:2]
    nobody = lose(two_voices[:2])
    assert (nobody.enrollment_count, nobody.voiceprint_revision) == (0, 0)
    reason = refused(lambda: speakers.verify(library, "ann", probe))
    assert reason is Reason.SPEAKER_NOT_ENROLLED
    assert speakers.identify(library, probe).candidate_count == 0
    back = speakers.enroll(library, "ann", [take(ANN, 5)])
    assert back.speaker.uid == nobody.uid
    assert cosine(shared, library, probe) > 0.95


@pytest.mark.parametrize("with_clips", [False, True])
def test_a_deleted_speaker_is_gone(
    shared: Running, library: str, take: Take, two_voices: Sequence[str], *, with_clips: bool
) -> None:
    """The clips go too if asked for. Another speaker can have the name then."""
    speakers = shared.client.speakers
    old = speakers.get(library, "ann")
    speakers.delete(library, "ann", with_clips=with_clips)
    left = clips(shared, library)
    assert [clip.name for clip in left] == ([] if with_clips else list(two_voices))
    assert not any(clip.enrolled_speaker for clip in left)
    for call in (
        lambda: speakers.get(library, "ann"),
        lambda: speakers.delete(library, "ann"),
        lambda: speakers.verify(library, "ann", take(ANN, 7)),
        lambda: speakers.remove_enrollments(library, "ann", two_voices),
    ):
        assert refused(call) is Reason.SPEAKER_NOT_FOUND
    assert speakers.identify(library, take(ANN, 7)).candidate_count == 0
    again = speakers.enroll(library, "ann", [take(BOB, 0)], new=True)
    assert again.speaker.uid != old.uid
    assert not speakers.identify(library, take(ANN, 7)).matches


def test_a_librarys_voiceprints_go_with_it(shared: Running, library: str, take: Take) -> None:
    """Their index is dropped."""
    shared.client.speakers.enroll(library, "ann", [take(ANN, 0)])
    stubs, name = shared.client.stubs, f"libraries/{library}"
    uid = shared.client.call(
        stubs.libraries.GetLibrary, library_pb2.GetLibraryRequest(name=name)
    ).uid
    with grpc.insecure_channel(shared.stack.addresses.target("index")) as channel:
        index = IndexServiceStub(channel)
        request = index_pb2.GetIndexStatsRequest(index_id=f"{uid}_speakers")
        assert index.GetIndexStats(request).vector_count == 1
        shared.client.call(
            stubs.libraries.DeleteLibrary, library_pb2.DeleteLibraryRequest(name=name, force=True)
        )
        with pytest.raises(grpc.RpcError) as raised:
            index.GetIndexStats(request)
    error = from_rpc_error(raised.value)
    assert error
    assert error.reason is Reason.INDEX_NOT_FOUND
