"""Short audio of many clips in one call: each is stored as by a call of its own."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence

import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, AudioOutcome, Clip, Quota
from audiosearch.catalog.v1.library_pb2 import Library

from serving.errors import Reason
from tests.conformance.catalog.conftest import AUDIO_STORES
from tools.servers.catalog import Catalog, refused

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("catalog", AUDIO_STORES, indirect=True, scope="module"),
]


async def put(
    catalog: Catalog,
    library: Library,
    *audio: tuple[str, bytes],
    quotas: Mapping[str, Quota] | None = None,
) -> Sequence[AudioOutcome]:
    """The outcomes of BatchPutAudio."""
    requests = [
        clip_pb2.ClipAudio(name=name, content=content, quota=(quotas or {}).get(name))
        for name, content in audio
    ]
    answer = await catalog.stubs.clips.BatchPutAudio(
        clip_pb2.BatchPutAudioRequest(parent=library.name, requests=requests)
    )
    return list(answer.outcomes)


async def creating(catalog: Catalog, library: Library, *known: bytes) -> list[str]:
    """Names of clips that are being made, whose audio is told beforehand."""
    requests = [
        clip_pb2.CreateClipRequest(
            audio_object=AudioObject(
                sha256=hashlib.sha256(audio).hexdigest(), size_bytes=len(audio)
            )
        )
        for audio in known
    ]
    made = await catalog.stubs.clips.BatchCreateClips(
        clip_pb2.BatchCreateClipsRequest(parent=library.name, requests=requests)
    )
    return [outcome.clip.name for outcome in made.outcomes]


def reasons(outcomes: Sequence[AudioOutcome]) -> list[str]:
    """Why each failed; empty for those that did not."""
    return [outcome.failure.reason for outcome in outcomes]


def objects(catalog: Catalog, library: Library) -> int:
    """Number of objects of a library, and of unfinished uploads."""
    paths = map(str, catalog.files())
    return sum(library.uid in path or ".incoming" in path for path in paths)


async def test_all_come_back_as_they_went_in(catalog: Catalog) -> None:
    """Told beforehand or not; again, nothing changes; no upload is left."""
    library = await catalog.library()
    audio = [b"RIFF%d" % number * (number + 1) for number in range(100)]
    names = await creating(catalog, library, *audio[:60])
    names += [(await catalog.creating(library)).name for _ in audio[60:]]
    sent = list(zip(names, audio, strict=True))
    outcomes = await put(catalog, library, *sent)
    assert reasons(outcomes) == [""] * 100
    for (name, content), outcome in zip(sent, outcomes, strict=True):
        assert await catalog.audio(name) == (outcome.audio_object, content)
        assert outcome.audio_object.sha256 == hashlib.sha256(content).hexdigest()
    assert await put(catalog, library, *sent) == outcomes
    assert objects(catalog, library) == 100
    assert (await catalog.activate(names[7])).state == Clip.STATE_ACTIVE


async def test_what_is_not_simply_new_is_as_by_a_call_of_its_own(catalog: Catalog) -> None:
    """Other bytes than before, bytes of another clip, none, too many, and clips that take none."""
    library, other = await catalog.library(), await catalog.library()
    again, second, empty, long, failed, good, twice = [
        (await catalog.creating(library)).name for _ in range(7)
    ]
    await catalog.put(again, b"before")
    there = await catalog.clip(library, b"bytes")
    await catalog.fail(failed)
    strange = await catalog.creating(other)
    missing = f"{library.name}/clips/missing"
    outcomes = await put(
        catalog,
        library,
        (again, b"after"),
        (second, b"bytes"),
        (empty, b""),
        (long, bytes(catalog.settings.max_audio_bytes + 1)),
        (failed, b"failed"),
        (good, b"good"),
        (twice, b"first"),
        (twice, b"last"),
        (there.name, b"bytes"),
        (missing, b"missing"),
        (strange.name, b"strange"),
        ("x", b"x"),
    )
    assert reasons(outcomes) == [
        *("", "CLIP_EXISTS", "AUDIO_UNDECODABLE", "AUDIO_TOO_LONG", "STATE_CONFLICT", "", "", ""),
        *("STATE_CONFLICT", "CLIP_NOT_FOUND", "FIELD_INVALID", "FIELD_INVALID"),
    ]
    assert outcomes[1].clip == there.name
    assert (await catalog.audio(again))[1] == b"after"
    assert (await catalog.audio(good))[1] == b"good"
    stored, content = await catalog.audio(twice)
    assert content in {b"first", b"last"}
    assert stored.sha256 == hashlib.sha256(content).hexdigest()
    assert objects(catalog, library) == 4
    await catalog.put(strange.name, b"strange")


async def test_bytes_that_many_send_at_once_are_one_clips(catalog: Catalog) -> None:
    """In one call, and in several at the same time: one wins, all others are told its name."""
    library = await catalog.library()
    names = [(await catalog.creating(library)).name for _ in range(40)]
    calls = [names[first : first + 10] for first in range(0, 40, 10)]
    done = await asyncio.gather(
        *(put(catalog, library, *((name, b"the same") for name in call)) for call in calls)
    )
    outcomes = [outcome for call in done for outcome in call]
    won = [name for name, outcome in zip(names, outcomes, strict=True) if not outcome.clip]
    assert len(won) == 1
    assert {outcome.clip for outcome in outcomes} == {"", *won}
    assert sorted(reasons(outcomes)) == ["", *["CLIP_EXISTS"] * 39]
    assert objects(catalog, library) == 1
    assert (await catalog.audio(won[0]))[1] == b"the same"


async def test_the_bytes_make_damaged_audio_whole_again(catalog: Catalog) -> None:
    """As a call of its own does: of the clip itself, or sent as those of another one."""
    library = await catalog.library()
    clip = await catalog.clip(library, b"sound")
    for path in catalog.files():
        if library.uid in str(path):
            path.write_bytes(b"cut off or grown")
    async with refused(Reason.AUDIO_DAMAGED, clip=clip.name):
        await catalog.audio(clip.name)
    second = await catalog.creating(library)
    (outcome,) = await put(catalog, library, (second.name, b"sound"))
    assert (outcome.failure.reason, outcome.clip) == ("CLIP_EXISTS", clip.name)
    assert (await catalog.audio(clip.name))[1] == b"sound"


async def test_bytes_beyond_a_quota(catalog: Catalog) -> None:
    """One is refused, those that fit are stored."""
    library = await catalog.library()
    quota = Quota(owner="somebody", max_bytes=10)
    made = [
        await catalog.stubs.clips.CreateClip(
            clip_pb2.CreateClipRequest(parent=library.name, quota=quota)
        )
        for _ in range(3)
    ]
    sent = [(clip.name, bytes([number]) * 5) for number, clip in enumerate(made)]
    outcomes = await put(catalog, library, *sent, quotas=dict.fromkeys(dict(sent), quota))
    assert sorted(reasons(outcomes)) == ["", "", "QUOTA_EXCEEDED"]


async def test_a_call_of_no_library_or_of_no_size(catalog: Catalog) -> None:
    """The whole call fails, or every clip is missing."""
    library = await catalog.library()
    for count in (0, 1001):
        async with refused(Reason.FIELD_INVALID, field="requests"):
            await put(catalog, library, *[("x", b"x")] * count)
    async with refused(Reason.FIELD_INVALID, field="parent"):
        await put(catalog, Library(name="none"), ("x", b"x"))
    outcomes = await put(catalog, Library(name="libraries/none"), ("libraries/none/clips/x", b"x"))
    assert reasons(outcomes) == ["CLIP_NOT_FOUND"]
