"""Audio of clips: whole or not at all, once, and in ranges."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import (
    AudioObject,
    BatchCreateClipsRequest,
    Clip,
    CreateClipRequest,
)
from audiosearch.catalog.v1.library_pb2 import Library

from serving.errors import Reason
from tests.conformance.catalog.conftest import AUDIO_STORES
from tools.servers.catalog import Catalog, refused, until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("catalog", AUDIO_STORES, indirect=True, scope="module"),
]


def files_of(catalog: Catalog, library: Library) -> list[str]:
    """Names of the files of a library's audio, and of all unfinished uploads."""
    return [
        path.name
        for path in catalog.files()
        if library.uid in str(path) or ".incoming" in str(path)
    ]


async def test_audio_comes_back_as_it_went_in(catalog: Catalog) -> None:
    """Size, hash and media type are told; bytes are the same, whole and in ranges."""
    library = await catalog.library()
    audio = b"fLaC" + bytes(range(256)) * 2000
    made = await catalog.creating(library)
    stored = await catalog.put(made.name, audio[:1], b"", audio[1:300_000], audio[300_000:])
    assert stored.size_bytes == len(audio)
    assert stored.sha256 == hashlib.sha256(audio).hexdigest()
    assert stored.content_type == "audio/flac"
    assert await catalog.audio(made.name) == (stored, audio)
    await catalog.activate(made.name)
    for offset, limit in (
        (0, 0),
        (5, 0),
        (0, 7),
        (262_143, 2),
        (len(audio) - 1, 99),
        (len(audio), 0),
        (100, 2**62),
    ):
        until = min(offset + limit, len(audio)) if limit else len(audio)
        assert await catalog.audio(made.name, offset, limit) == (stored, audio[offset:until])


async def test_a_range_that_can_not_be(catalog: Catalog) -> None:
    """Negative numbers and a begin behind the end are refused."""
    library = await catalog.library()
    clip = await catalog.clip(library, b"12345")
    for offset, limit, field in ((6, 0, "offset"), (-1, 0, "offset"), (0, -1, "limit")):
        async with refused(Reason.FIELD_INVALID, field=field):
            await catalog.audio(clip.name, offset, limit)


async def test_a_clip_without_audio_has_none_to_read(catalog: Catalog) -> None:
    """Before PutAudio, after it FAILED, and when the file was cut off."""
    library = await catalog.library()
    made = await catalog.creating(library)
    async with refused(Reason.AUDIO_NOT_FOUND, clip=made.name):
        await catalog.audio(made.name)
    await catalog.put(made.name, b"x")
    await catalog.fail(made.name)
    async with refused(Reason.AUDIO_NOT_FOUND, clip=made.name):
        await catalog.audio(made.name)
    clip = await catalog.clip(library, b"y")
    for path in catalog.files():
        if library.uid in str(path):
            path.write_bytes(b"cut off or grown")
    async with refused(Reason.AUDIO_DAMAGED, clip=clip.name):
        await catalog.audio(clip.name)


async def test_sending_audio_again_takes_its_place(catalog: Catalog) -> None:
    """The old bytes are gone, and may come as another clip; the same bytes change nothing."""
    library = await catalog.library()
    made = await catalog.creating(library)
    await catalog.put(made.name, b"old")
    stored = await catalog.put(made.name, b"new!")
    assert await catalog.put(made.name, b"new!") == stored
    assert await catalog.audio(made.name) == (stored, b"new!")
    assert len(files_of(catalog, library)) == 1
    await catalog.clip(library, b"old")


async def test_the_same_bytes_are_one_clip(catalog: Catalog) -> None:
    """A second clip is refused with the first one's name and leaves nothing behind."""
    library, other = await catalog.library(), await catalog.library()
    clip = await catalog.clip(library, b"bytes")
    second = await catalog.creating(library)
    async with refused(Reason.CLIP_EXISTS, clip=clip.name):
        await catalog.put(second.name, b"by", b"tes")
    assert len(files_of(catalog, library)) == 1
    async with refused(Reason.AUDIO_NOT_FOUND):
        await catalog.audio(second.name)
    await catalog.put(second.name, b"others")
    await catalog.clip(other, b"bytes")


async def test_the_same_bytes_are_a_clip_for_each_channel(catalog: Catalog) -> None:
    """Both sides of a call, and their mix, are clips of their own; each of them only once."""
    library = await catalog.library()
    clips = [await catalog.clip(library, b"call", channel=channel) for channel in (0, 1, 2)]
    assert [clip.channel for clip in clips] == [0, 1, 2]
    assert len({clip.name for clip in clips}) == 3
    for clip in clips:
        again = await catalog.creating(library, channel=clip.channel)
        async with refused(Reason.CLIP_EXISTS, clip=clip.name):
            await catalog.put(again.name, b"call")
        assert (await catalog.audio(clip.name))[1] == b"call"
    known = AudioObject(sha256=clips[0].audio_object.sha256, size_bytes=4)
    answer = await catalog.stubs.clips.BatchCreateClips(
        BatchCreateClipsRequest(
            parent=library.name,
            requests=[
                CreateClipRequest(clip=Clip(channel=channel), audio_object=known)
                for channel in (2, 3, 1, 3)
            ],
        )
    )
    two, three, one, repeated = answer.outcomes
    assert (two.clip.name, one.clip.name) == (clips[2].name, clips[1].name)
    assert not three.HasField("failure")
    assert repeated.failure.reason == "CLIP_EXISTS"
    assert repeated.clip.name == three.clip.name


async def test_twenty_at_once_with_the_same_bytes_are_one_clip(catalog: Catalog) -> None:
    """One wins; all others are told its name; one file is there."""
    library = await catalog.library()
    made = [await catalog.creating(library) for _ in range(20)]
    audio = b"RIFF" + b"x" * 500_000

    async def put(clip: Clip) -> str:
        try:
            await catalog.put(clip.name, audio)
        except grpc.aio.AioRpcError:
            async with refused(Reason.CLIP_EXISTS) as errors:
                await catalog.put(clip.name, audio)
            return errors[0].metadata["clip"]
        return clip.name

    winners = set(await asyncio.gather(*map(put, made)))
    assert len(winners) == 1
    assert len(files_of(catalog, library)) == 1
    assert (await catalog.audio(winners.pop()))[1] == audio


async def test_many_at_once_for_one_clip_end_as_one_of_them(catalog: Catalog) -> None:
    """Row and file belong together whichever came last; the others leave nothing."""
    library = await catalog.library()
    made = await catalog.creating(library)
    bodies = [bytes([number]) * 100_000 for number in range(10)]
    await asyncio.gather(*(catalog.put(made.name, body) for body in bodies))
    stored, audio = await catalog.audio(made.name)
    assert audio in bodies
    assert hashlib.sha256(audio).hexdigest() == stored.sha256
    assert len(files_of(catalog, library)) == 1


async def test_empty_and_too_long_audio(catalog: Catalog) -> None:
    """Both are refused and leave nothing; exactly the limit is taken."""
    library = await catalog.library()
    made = await catalog.creating(library)
    for chunks in ([], [b""], [b"", b""]):
        async with refused(Reason.AUDIO_UNDECODABLE):
            await catalog.put(made.name, *chunks)
    limit = catalog.settings.max_audio_bytes
    async with refused(Reason.AUDIO_TOO_LONG, limit=str(limit)):
        await catalog.put(made.name, *[bytes(2**18)] * 4, b"x")
    assert not files_of(catalog, library)
    assert (await catalog.put(made.name, *[bytes(2**18)] * 4)).size_bytes == limit


async def test_streams_that_break_the_rules(catalog: Catalog) -> None:
    """No message, no name first, a second name, an empty message: each is told, nothing is kept."""
    library = await catalog.library()
    made = await catalog.creating(library)
    name, chunk = clip_pb2.PutAudioRequest(name=made.name), clip_pb2.PutAudioRequest(chunk=b"x")
    for stream, field in (
        ([], "name"),
        ([chunk], "name"),
        ([clip_pb2.PutAudioRequest()], "name"),
        ([name, chunk, name], "chunk"),
        ([name, chunk, clip_pb2.PutAudioRequest()], "chunk"),
    ):
        async with refused(Reason.FIELD_INVALID, field=field):
            await catalog.send(stream)
    assert not files_of(catalog, library)


async def test_a_stream_that_is_cancelled_half_way_leaves_nothing(catalog: Catalog) -> None:
    """The same holds for a cancelled call and one out of time. The clip takes its audio later."""
    library = await catalog.library()
    made = await catalog.creating(library)

    async def forever() -> AsyncIterator[clip_pb2.PutAudioRequest]:
        yield clip_pb2.PutAudioRequest(name=made.name)
        yield clip_pb2.PutAudioRequest(chunk=bytes(600_000))
        await asyncio.sleep(60)

    for limit in (None, 0.5):
        call = catalog.stubs.clips.PutAudio(forever(), timeout=limit)
        if limit is None:
            if not catalog.settings.object_store_url:  # so little waits in memory there
                await until(lambda: files_of(catalog, library))
            call.cancel()
        with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
            await call
        await until(lambda: not files_of(catalog, library))
    async with refused(Reason.AUDIO_NOT_FOUND):
        await catalog.audio(made.name)
    await catalog.put(made.name, b"whole")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"RF64\0\0\0\0WAVEds64", "audio/wav"),
        (b"FORM\0\0\0\0AIFFCOMM", "audio/aiff"),
        (b"FORM\0\0\0\0AIFCFVER", "audio/aiff"),
        (b"fLaC\0\0\0\x22", "audio/flac"),
        (b"OggS\0\x02", "audio/ogg"),
        (b"ID3\x04\0", "audio/mpeg"),
        (b"\xff\xfb\x90\x64", "audio/mpeg"),
        (b"\xff\xf3\x40\xc4", "audio/mpeg"),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "audio/webm"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "audio/x-matroska"),
        (b"plain text", "application/octet-stream"),
        (b"\xff", "application/octet-stream"),
        (b"\xff\xff\xff\xff", "application/octet-stream"),
    ],
)
async def test_the_first_bytes_tell_the_kind(catalog: Catalog, head: bytes, kind: str) -> None:
    """The name of a file says nothing; bytes of no known kind are application/octet-stream."""
    library = await catalog.library()
    made = await catalog.creating(library, display_name="x.mp3")
    assert (await catalog.put(made.name, head[:3], head[3:])).content_type == kind
