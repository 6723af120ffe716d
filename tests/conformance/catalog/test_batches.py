"""Many clips in one call: each has its own outcome, and a repeat changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from audiosearch.catalog.v1.library_pb2 import Library

from serving.errors import Reason
from tools.servers.catalog import HEARD, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")


def known(audio: bytes) -> AudioObject:
    """The properties of audio that are known before it is sent."""
    return AudioObject(sha256=hashlib.sha256(audio).hexdigest(), size_bytes=len(audio))


async def create(catalog: Catalog, library: Library, *parts: dict[str, Any]) -> Sequence[Any]:
    """The outcomes of BatchCreateClips."""
    requests = [clip_pb2.CreateClipRequest(**part) for part in parts]
    answer = await catalog.stubs.clips.BatchCreateClips(
        clip_pb2.BatchCreateClipsRequest(parent=library.name, requests=requests)
    )
    return answer.outcomes


async def activate(catalog: Catalog, library: Library, *names: str) -> Sequence[Any]:
    """The outcomes of BatchActivateClips."""
    requests = [clip_pb2.ActivateClipRequest(name=name, audio=HEARD) for name in names]
    answer = await catalog.stubs.clips.BatchActivateClips(
        clip_pb2.BatchActivateClipsRequest(parent=library.name, requests=requests)
    )
    return answer.outcomes


def reasons(outcomes: Sequence[Any]) -> list[str]:
    """Why each failed; empty for those that did not."""
    return [outcome.failure.reason for outcome in outcomes]


async def test_a_batch_makes_what_single_calls_make(catalog: Catalog) -> None:
    """All fields kept, in the order of the requests, CREATING; then ACTIVE in one call."""
    library = await catalog.library()
    told = [
        Clip(display_name=f"{n}.wav", label="a", speaker="b", metadata={"n": str(n)}, source="x/y")
        for n in range(1000)
    ]
    made = await create(catalog, library, *({"clip": clip} for clip in told))
    assert reasons(made) == [""] * 1000
    for clip, outcome in zip(told, made, strict=True):
        assert outcome.clip.state == Clip.STATE_CREATING
        assert outcome.clip.display_name == clip.display_name
        assert outcome.clip.metadata == clip.metadata
    names = [outcome.clip.name for outcome in made]
    assert len(set(names)) == 1000
    assert await catalog.get(names[7]) == made[7].clip
    for name in names[:20]:
        await catalog.put(name, name.encode())
    active = await activate(catalog, library, *names[:20])
    assert [outcome.clip.name for outcome in active] == names[:20]
    assert await catalog.get(names[3]) == active[3].clip
    assert active[3].clip.state == Clip.STATE_ACTIVE
    assert active[3].clip.audio == HEARD


async def test_a_repeated_batch_makes_nothing(catalog: Catalog) -> None:
    """By request id or by hash, in the same batch or a later one, or many at the same time."""
    library = await catalog.library()
    parts = [
        {"request_id": "r", "clip": Clip(label="first")},
        {"request_id": "r", "clip": Clip(label="second")},
        {"audio_object": known(b"sound")},
        {"audio_object": known(b"sound")},
        *({"request_id": f"r{n}", "audio_object": known(bytes([n]))} for n in range(20)),
    ]
    batches = await asyncio.gather(*(create(catalog, library, *parts) for _ in range(8)))
    names = {tuple(outcome.clip.name for outcome in batch) for batch in batches}
    assert len(names) == 1
    (only,) = names
    assert only[0] == only[1] != only[2] == only[3]
    assert len(set(only)) == 22
    again = reasons(await create(catalog, library, *parts))
    assert again == ["", "", "CLIP_EXISTS", "CLIP_EXISTS", *[""] * 20]
    assert sum(not reason for batch in batches for reason in reasons(batch)[2:4]) == 1
    other = await catalog.library()
    assert reasons(await create(catalog, other, *parts[1:3])) == ["", ""]


async def test_bytes_told_beforehand_are_the_clips_own(catalog: Catalog) -> None:
    """No other clip can have the bytes until this one has failed. Then they are free."""
    library = await catalog.library()
    (first,) = await create(catalog, library, {"audio_object": known(b"bytes")})
    strange = await catalog.creating(library)
    async with refused(Reason.CLIP_EXISTS, clip=first.clip.name):
        await catalog.put(strange.name, b"bytes")
    async with refused(Reason.CLIP_EXISTS, clip=first.clip.name):
        await catalog.stubs.clips.CreateClip(
            clip_pb2.CreateClipRequest(parent=library.name, audio_object=known(b"bytes"))
        )
    await catalog.fail(first.clip.name)
    await catalog.put(strange.name, b"bytes")


async def test_what_comes_counts_not_what_was_told(catalog: Catalog) -> None:
    """Other bytes than told are the clip's, and those told are free again."""
    library = await catalog.library()
    (made,) = await create(catalog, library, {"audio_object": known(b"told")})
    stored = await catalog.put(made.clip.name, b"came")
    assert stored.sha256 == known(b"came").sha256
    assert reasons(await create(catalog, library, {"audio_object": known(b"told")})) == [""]
    assert (await catalog.activate(made.clip.name)).audio_object == stored


async def test_audio_told_is_not_audio_sent(catalog: Catalog) -> None:
    """A clip whose audio did not come yet can't be heard or made ACTIVE."""
    library = await catalog.library()
    (made,) = await create(catalog, library, {"audio_object": known(b"later")})
    async with refused(Reason.AUDIO_NOT_FOUND):
        await catalog.audio(made.clip.name)
    async with refused(Reason.STATE_CONFLICT):
        await catalog.activate(made.clip.name)
    await catalog.put(made.clip.name, b"later")
    assert (await catalog.activate(made.clip.name)).state == Clip.STATE_ACTIVE


async def test_a_bad_part_keeps_no_other_from_it(catalog: Catalog) -> None:
    """Its outcome names the field; the rest is made."""
    library, other = await catalog.library(), await catalog.library()
    outcomes = await create(
        catalog,
        library,
        {"clip": Clip(label="x" * 256)},
        {"clip": Clip(label="good")},
        {"parent": other.name},
        {"parent": library.name},
        {"audio_object": AudioObject(sha256="A" * 64, size_bytes=1)},
        {"audio_object": AudioObject(sha256="a" * 64, size_bytes=-1)},
        {"request_id": "\n"},
    )
    bad = "FIELD_INVALID"
    assert reasons(outcomes) == [bad, "", bad, "", bad, bad, bad]
    assert "clip.label" in outcomes[0].failure.message
    assert [outcome.HasField("clip") for outcome in outcomes].count(True) == 2
    only_bad = await create(catalog, library, {"request_id": "\n"})
    assert reasons(only_bad) == [bad]


async def test_each_clip_has_its_own_outcome(catalog: Catalog) -> None:
    """Ready, ACTIVE, twice, without audio, FAILED, not there, and of another library."""
    library, other = await catalog.library(), await catalog.library()
    ready, bare, failed = [(await catalog.creating(library)).name for _ in range(3)]
    await catalog.put(ready, b"1")
    await catalog.fail(failed)
    active = await catalog.clip(library)
    strange = await catalog.clip(other)
    missing = f"{library.name}/clips/missing"
    outcomes = await activate(
        catalog, library, ready, active.name, ready, bare, failed, missing, strange.name, "x"
    )
    conflict, invalid = "STATE_CONFLICT", "FIELD_INVALID"
    assert reasons(outcomes) == [
        *("", "", "", conflict, conflict, "CLIP_NOT_FOUND", invalid, invalid),
    ]
    assert outcomes[0].clip == outcomes[2].clip == await catalog.get(ready)
    assert outcomes[1].clip == active
    assert outcomes[4].clip.state == Clip.STATE_FAILED
    assert await catalog.get(strange.name) == strange


async def test_a_batch_for_no_library_or_of_no_size(catalog: Catalog) -> None:
    """The whole call fails: nothing of it can be done."""
    library, going = await catalog.library(), await catalog.library()
    for parts in ((), ({},) * 1001):
        async with refused(Reason.FIELD_INVALID, field="requests"):
            await create(catalog, library, *parts)
        async with refused(Reason.FIELD_INVALID, field="requests"):
            await activate(catalog, library, *("x" for _ in parts))
    async with refused(Reason.LIBRARY_NOT_FOUND):
        await create(catalog, Library(name="libraries/none"), {})
    async with refused(Reason.FIELD_INVALID, field="parent"):
        await create(catalog, Library(name="none"), {})
    await catalog.stubs.libraries.BeginLibraryDeletion(
        library_pb2.BeginLibraryDeletionRequest(name=going.name, force=True)
    )
    async with refused(Reason.STATE_CONFLICT):
        await create(catalog, going, {})
