"""Lists and look-ups of speakers."""

from __future__ import annotations

import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1 import speaker_pb2 as spk
from audiosearch.catalog.v1.speaker_pb2 import Speaker

from serving.errors import Reason
from tests.conformance.catalog.speaker_calls import creation, deletion, listed
from tools.servers.catalog import Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

METADATA = {"mic": "a\nb", "take": ""}


async def test_upper_and_lower_case_are_two_speakers(catalog: Catalog) -> None:
    """Names are compared exactly, and sorted by code point."""
    library = await catalog.library()
    for speaker in ("b", "a", "B", "a-", "a_", "A", "a1"):
        made = await catalog.stubs.speakers.CreateSpeaker(creation(library, speaker))
        assert (await catalog.get_speaker(made.name)).uid == made.uid
    found = await listed(catalog, library, state=Speaker.STATE_CREATING)
    assert found == ["A", "B", "a", "a-", "a1", "a_", "b"]


async def test_speakers_are_listed_by_name_and_state(catalog: Catalog) -> None:
    """Without a state those that can be found: ACTIVE and UPDATING."""
    library, empty = await catalog.library(), await catalog.library()
    for speaker in ("e", "a", "d", "b", "c", "f"):
        made = await catalog.stubs.speakers.CreateSpeaker(creation(library, speaker))
        if speaker != "f":
            made = await catalog.enroll(made.name, await catalog.clip(library))
        if speaker in "ace":
            await catalog.record(made)
        if speaker == "e":
            gone = await catalog.stubs.speakers.BeginSpeakerDeletion(deletion(made))
            assert gone.state == Speaker.STATE_DELETING
    assert await listed(catalog, library) == ["a", "b", "c", "d"]
    for state, names in (
        (Speaker.STATE_CREATING, ["f"]),
        (Speaker.STATE_ACTIVE, ["a", "c"]),
        (Speaker.STATE_UPDATING, ["b", "d"]),
        (Speaker.STATE_DELETING, ["e"]),
    ):
        assert await listed(catalog, library, state=state) == names
    assert await listed(catalog, empty) == []


async def test_speakers_last_changed_before_a_time(catalog: Catalog) -> None:
    """The order is still by name. Speakers changed since are left out."""
    library = await catalog.library()
    made = [
        await catalog.stubs.speakers.CreateSpeaker(creation(library, name))
        for name in ("c", "a", "b")
    ]
    state = Speaker.STATE_CREATING
    before = made[2].update_time
    assert await listed(catalog, library, state=state, update_time_before=before) == ["a", "c"]
    await catalog.stubs.speakers.UpdateSpeaker(
        spk.UpdateSpeakerRequest(speaker=Speaker(name=made[0].name))
    )
    assert await listed(catalog, library, state=state, update_time_before=before) == ["a"]
    assert await listed(catalog, library, update_time_before=before) == []


async def test_page_tokens_are_for_the_same_library_and_state(catalog: Catalog) -> None:
    """Another time does not matter: it is a moment later at each sweep."""
    library, other = await catalog.library(), await catalog.library()
    made = [await catalog.stubs.speakers.CreateSpeaker(creation(library, name)) for name in "ab"]
    request = spk.ListSpeakersRequest(
        parent=library.name, page_size=1, state=Speaker.STATE_CREATING
    )
    request.page_token = (await catalog.stubs.speakers.ListSpeakers(request)).next_page_token
    request.update_time_before.seconds = made[0].update_time.seconds + 9
    second = await catalog.stubs.speakers.ListSpeakers(request)
    assert ([speaker.name for speaker in second.speakers], second.next_page_token) == (
        [made[1].name],
        "",
    )
    for change in (
        {"parent": other.name},
        {"state": Speaker.STATE_ACTIVE},
        {"page_token": request.page_token[::-1]},
    ):
        strange = spk.ListSpeakersRequest()
        strange.CopyFrom(request)
        strange.MergeFrom(spk.ListSpeakersRequest(**change))
        async with refused(Reason.FIELD_INVALID, field="page_token"):
            await catalog.stubs.speakers.ListSpeakers(strange)
    async with refused(Reason.FIELD_INVALID, field="page_token"):
        await catalog.stubs.clips.ListClips(
            clip_pb2.ListClipsRequest(parent=library.name, page_token=request.page_token)
        )


async def test_lookup_finds_speakers_that_can_be_found_alone(catalog: Catalog) -> None:
    """By uid and by name. CREATING, DELETING and missing ones and those elsewhere are left out."""
    library, other = await catalog.library(), await catalog.library()
    clips = [await catalog.clip(library) for _ in range(3)]
    updating, gone, active = [await catalog.speaker(library, clip) for clip in clips]
    active = await catalog.record(active)
    gone = await catalog.stubs.speakers.BeginSpeakerDeletion(deletion(gone))
    strange = await catalog.speaker(other, await catalog.clip(other))
    speakers = [updating, active, gone, strange, await catalog.speaker(library)]
    uids = [speaker.uid for speaker in speakers]
    ids = [speaker.name.rpartition("/")[2] for speaker in speakers]
    bad = ["", "' OR '1'='1", "x" * 999, ids[0].upper(), uids[0].upper()]
    for by in (
        {"uids": [*uids, *bad]},
        {"speaker_ids": [*ids, *bad]},
        {"uids": uids, "speaker_ids": ids},
        {"uids": uids[:1], "speaker_ids": ids[1:]},
    ):
        answer = await catalog.stubs.speakers.LookupSpeakers(
            spk.LookupSpeakersRequest(parent=library.name, **by)
        )
        assert dict(answer.speakers) == {updating.uid: updating, active.uid: active}
