"""Requests about speakers, and lists of them and of their clips."""

from __future__ import annotations

from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1 import speaker_pb2 as spk
from audiosearch.catalog.v1.clip_pb2 import ClipFilter
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker

from tools.servers.catalog import Catalog


def creation(library: Library, speaker: str, request: str = "", **fields: object) -> object:
    """A request for a new speaker."""
    return spk.CreateSpeakerRequest(
        parent=library.name, speaker_id=speaker, request_id=request, speaker=Speaker(**fields)
    )


def deletion(speaker: Speaker, **fields: object) -> spk.BeginSpeakerDeletionRequest:
    """A request that makes a speaker DELETING."""
    return spk.BeginSpeakerDeletionRequest(name=speaker.name, **fields)


async def listed(catalog: Catalog, library: Library, **fields: object) -> list[str]:
    """The {speaker} parts of all speakers of a list, read two by two."""
    found: list[str] = []
    request = spk.ListSpeakersRequest(parent=library.name, page_size=2, **fields)
    while True:
        page = await catalog.stubs.speakers.ListSpeakers(request)
        assert len(page.speakers) <= 2
        found += [speaker.name.rpartition("/")[2] for speaker in page.speakers]
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def enrolled(catalog: Catalog, library: Library, speaker: str, **fields: object) -> list[str]:
    """Names of the clips listed as enrollments of a speaker."""
    which = ClipFilter(enrolled_speaker=speaker, **fields)
    answer = await catalog.stubs.clips.ListClips(
        clip_pb2.ListClipsRequest(parent=library.name, filter=which, page_size=1000)
    )
    return [clip.name for clip in answer.clips]
