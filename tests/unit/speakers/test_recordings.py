"""The stream of an enrollment: recordings one after the other, each with its own bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from audiosearch.gateway.v1.speakers_pb2 import (
    EnrollSpeakerConfig,
    EnrollSpeakerRequest,
    Recording,
)

from gateway.speakers.recordings import takes
from serving.errors import Reason, ServiceError
from serving.limits import MAX_RECORDINGS


def begin(name: str = "", clip: str = "") -> EnrollSpeakerRequest:
    """A recording begins."""
    return EnrollSpeakerRequest(recording=Recording(display_name=name, clip=clip))


def chunk(data: bytes) -> EnrollSpeakerRequest:
    """Bytes of it."""
    return EnrollSpeakerRequest(audio_chunk=data)


async def stream(messages: Sequence[EnrollSpeakerRequest]) -> AsyncIterator[EnrollSpeakerRequest]:
    """Messages as they come from a client, behind the config."""
    for message in messages:
        yield message


async def test_each_recording_has_its_own_bytes() -> None:
    """In their order, also where one has none."""
    messages = [
        begin("a"),
        chunk(b"1"),
        chunk(b""),
        chunk(b"2"),
        begin("b"),
        begin("c"),
        chunk(b"3"),
    ]
    found = [
        (take.recording.display_name, b"".join([part async for part in take.chunks]))
        async for take in takes(stream(messages))
    ]
    assert found == [("a", b"12"), ("b", b""), ("c", b"3")]


async def test_bytes_that_nobody_reads_belong_to_no_other_recording() -> None:
    """As when the first ones already showed that it is no audio."""
    found = []
    messages = [begin("a"), chunk(b"1"), chunk(b"2"), chunk(b"3"), begin("b"), chunk(b"4")]
    async for take in takes(stream(messages)):
        found.append((take.recording.display_name, await anext(take.chunks)))
        await take.chunks.aclose()  # type: ignore[attr-defined]
    assert found == [("a", b"1"), ("b", b"4")]


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([], "recording"),
        ([chunk(b"1")], "recording"),
        ([begin("a"), EnrollSpeakerRequest(config=EnrollSpeakerConfig())], "recording"),
        ([begin("a"), EnrollSpeakerRequest()], "recording"),
        ([begin(clip="libraries/l/clips/c"), chunk(b"1")], "audio_chunk"),
        ([begin("a")] * (MAX_RECORDINGS + 1), "recording"),
    ],
)
async def test_streams_out_of_order_are_refused(
    messages: Sequence[EnrollSpeakerRequest], field: str
) -> None:
    """The field is named."""
    with pytest.raises(ServiceError) as raised:
        async for _ in takes(stream(messages)):
            pass
    assert raised.value.reason is Reason.FIELD_INVALID
    assert raised.value.metadata["field"] == field
