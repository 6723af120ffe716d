"""The RPCs about clips and their audio: checks, delegates and translates each request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from audiosearch.catalog.v1 import clip_pb2 as pb
from audiosearch.catalog.v1 import clip_service_pb2_grpc
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from catalog_service import fields, names
from catalog_service.audio.clip_audio import Audio
from catalog_service.audio.referring import Referring
from catalog_service.audio.short_audio import ShortAudios
from catalog_service.clips import answers, requests
from catalog_service.clips.batches import NewClip, Outcome
from catalog_service.clips.clips import CHANGEABLE, Clips
from catalog_service.libraries import answers as libraries
from catalog_service.paging import page
from serving.audio_files import PassedOver
from serving.conditions import check_counted
from serving.errors import ServiceError

DoneT = TypeVar("DoneT")
PartT = TypeVar("PartT")


class ClipServicer(clip_service_pb2_grpc.ClipServiceServicer):
    """Serves audiosearch.catalog.v1.ClipService."""

    def __init__(
        self, clips: Clips, audio: Audio, short_audio: ShortAudios, referring: Referring
    ) -> None:
        """Takes the clips, their audio, that of many at a time, and that which lies elsewhere."""
        self._clips = clips
        self._audio = audio
        self._short_audio = short_audio
        self._referring = referring

    async def CreateClip(self, request: pb.CreateClipRequest, context: Any) -> Clip:
        parent = names.parse_library("parent", request.parent)
        return answers.clip(parent, await self._clips.create(parent, self._new(request)))

    async def BatchCreateClips(
        self, request: pb.BatchCreateClipsRequest, context: Any
    ) -> pb.BatchCreateClipsResponse:
        parent = names.parse_library("parent", request.parent)
        parts = requests.batch(request, request.requests, lambda part: part.parent, self._new)
        return pb.BatchCreateClipsResponse(
            outcomes=await self._outcomes(
                parent, parts, lambda good: self._clips.create_all(parent, good)
            )
        )

    async def PutAudio(
        self, request_iterator: AsyncIterator[pb.PutAudioRequest], context: Any
    ) -> AudioObject:
        stream = request_iterator.__aiter__()  # the second reader continues after the first
        name, quota = await requests.audio_name(stream)
        chunks = requests.audio_chunks(stream)
        return answers.audio_object(await self._audio.put(name, chunks, quota))

    async def BatchPutAudio(
        self, request: pb.BatchPutAudioRequest, context: Any
    ) -> pb.BatchPutAudioResponse:
        parent = names.parse_library("parent", request.parent)
        parts = requests.batch(request, request.requests, requests.parent_of, requests.short_audio)
        done = await _in_order(parts, lambda good: self._short_audio.put(parent, good))
        return pb.BatchPutAudioResponse(outcomes=map(answers.audio_outcome, done))

    async def ReferAudio(
        self, request: pb.ReferAudioRequest, context: Any
    ) -> AsyncIterator[pb.GetAudioResponse]:
        name = names.parse_clip("name", request.name)
        found, chunks = await self._referring.refer(name)
        yield pb.GetAudioResponse(audio_object=answers.audio_object(found))
        async for chunk in chunks:
            yield pb.GetAudioResponse(chunk=chunk)

    async def ListReferences(
        self, request: pb.ListReferencesRequest, context: Any
    ) -> pb.ListReferencesResponse:
        place = self._referring.place(fields.text("uri", request))
        size = fields.page_size(request.page_size)
        passed_over = PassedOver()
        found, token = await self._referring.page(
            place, page(size, request.page_token, place.uri), passed_over
        )
        return pb.ListReferencesResponse(
            references=[answers.reference(place, each) for each in found],
            next_page_token=token,
            passed_over=passed_over,
        )

    async def ActivateClip(self, request: pb.ActivateClipRequest, context: Any) -> Clip:
        return answers.clip(
            names.parse_clip("name", request.name).library,
            await self._clips.activate(requests.activation(request)),
        )

    async def BatchActivateClips(
        self, request: pb.BatchActivateClipsRequest, context: Any
    ) -> pb.BatchActivateClipsResponse:
        parent = names.parse_library("parent", request.parent)
        parts = requests.batch(request, request.requests, requests.parent_of, requests.activation)
        return pb.BatchActivateClipsResponse(
            outcomes=await self._outcomes(parent, parts, self._clips.activate_all)
        )

    async def FailClip(self, request: pb.FailClipRequest, context: Any) -> Clip:
        name = names.parse_clip("name", request.name)
        reason, message = fields.failure("failure", request.failure)
        return answers.clip(name.library, await self._clips.fail(name, reason, message))

    async def GetClip(self, request: pb.GetClipRequest, context: Any) -> Clip:
        name = names.parse_clip("name", request.name)
        return answers.clip(name.library, await self._clips.get(name))

    async def GetPeaks(self, request: pb.GetPeaksRequest, context: Any) -> pb.Peaks:
        return pb.Peaks(values=await self._clips.peaks(names.parse_clip("name", request.name)))

    async def ListClips(self, request: pb.ListClipsRequest, context: Any) -> pb.ListClipsResponse:
        parent = names.parse_library("parent", request.parent)
        order = requests.clip_order(request.order_by)
        query = replace(requests.clip_query(parent, request.filter), order=order)
        asked: list[Message | str] = [parent, request.filter, *request.order_by.split()]
        size = fields.page_size(request.page_size)
        rows, token = await self._clips.list(parent, query, page(size, request.page_token, *asked))
        return pb.ListClipsResponse(
            clips=[answers.clip(parent, row) for row in rows], next_page_token=token
        )

    async def CountValues(
        self, request: pb.CountValuesRequest, context: Any
    ) -> pb.CountValuesResponse:
        parent = names.parse_library("parent", request.parent)
        counts = await self._clips.count_values(
            parent,
            check_counted("field", request.field),
            requests.clip_query(parent, request.filter),
            fields.page_size(request.page_size),
        )
        return answers.counts(counts)

    async def CountOwned(
        self, request: pb.CountOwnedRequest, context: Any
    ) -> pb.CountOwnedResponse:
        found = await self._clips.count_owned(requests.owners(request))
        return pb.CountOwnedResponse(
            usages={
                owner: pb.CountOwnedResponse.Usage(
                    clip_count=used.clips, size_bytes=used.size_bytes
                )
                for owner, used in found.items()
            }
        )

    async def ListTags(self, request: pb.ListTagsRequest, context: Any) -> pb.ListTagsResponse:
        parent = names.parse_library("parent", request.parent)
        return pb.ListTagsResponse(names=await self._clips.tags(parent))

    async def FindClips(self, request: pb.FindClipsRequest, context: Any) -> pb.FindClipsResponse:
        parent = names.parse_library("parent", request.parent)
        terms = requests.terms(request)
        size = fields.page_size(request.page_size)
        asked = pb.FindClipsRequest(terms=request.terms)
        found, token = await self._clips.find(
            parent,
            terms,
            requests.active_query(parent, request.filter),
            page(size, request.page_token, parent, asked, request.filter),
        )
        return answers.found(parent, found, terms, token)

    async def LookupClips(
        self, request: pb.LookupClipsRequest, context: Any
    ) -> pb.LookupClipsResponse:
        parent = names.parse_library("parent", request.parent)
        rows, library = await self._clips.look_up(
            parent, requests.clip_ids(request), with_library=request.with_library
        )
        return pb.LookupClipsResponse(
            clips={row.id: answers.clip(parent, row) for row in rows},
            library=libraries.of_row(library) if request.with_library and library else None,
        )

    async def UpdateClip(self, request: pb.UpdateClipRequest, context: Any) -> Clip:
        name = names.parse_clip("clip.name", request.clip.name)
        changed = fields.mask("update_mask", request.update_mask, CHANGEABLE)
        return answers.clip(
            name.library,
            await self._clips.update(name, requests.clip_changes(request.clip, changed)),
        )

    async def BeginClipDeletion(self, request: pb.BeginClipDeletionRequest, context: Any) -> Clip:
        name = names.parse_clip("name", request.name)
        only = requests.clip_state(request.only_state)
        speaker = requests.clip_speaker(name.library, request.only_speaker)
        return answers.clip(name.library, await self._clips.begin_deletion(name, only, speaker))

    async def TrashClip(self, request: pb.TrashClipRequest, context: Any) -> Clip:
        name = names.parse_clip("name", request.name)
        return answers.clip(name.library, await self._clips.trash(name))

    async def RestoreClip(self, request: pb.RestoreClipRequest, context: Any) -> Clip:
        name = names.parse_clip("name", request.name)
        return answers.clip(name.library, await self._clips.restore(name))

    async def DeleteClip(self, request: pb.DeleteClipRequest, context: Any) -> Empty:
        await self._clips.delete(names.parse_clip("name", request.name))
        return Empty()

    async def GetAudio(
        self, request: pb.GetAudioRequest, context: Any
    ) -> AsyncIterator[pb.GetAudioResponse]:
        name = names.parse_clip("name", request.name)
        if request.link_seconds:
            stored, link = await self._audio.link(
                name, fields.count("link_seconds", request.link_seconds)
            )
            if link:
                yield pb.GetAudioResponse(audio_object=answers.audio_object(stored))
                yield pb.GetAudioResponse(link=link)
                return
        stored, chunks = await self._audio.get(
            name, fields.count("offset", request.offset), fields.count("limit", request.limit)
        )
        yield pb.GetAudioResponse(audio_object=answers.audio_object(stored))
        async for chunk in chunks:
            yield pb.GetAudioResponse(chunk=chunk)

    def _new(self, request: pb.CreateClipRequest) -> NewClip:
        """Reads CreateClip, and refuses a URI that is not allowed."""
        new = requests.new_clip(request)
        if new.reference:
            self._referring.require_allowed(new.reference.uri)
        return new

    async def _outcomes(
        self,
        parent: str,
        parts: Sequence[PartT | ServiceError],
        work: Callable[[list[PartT]], Awaitable[Sequence[Outcome]]],
    ) -> list[pb.ClipOutcome]:
        """Runs the valid parts of a batch together. Returns all outcomes in order."""
        return [
            answers.outcome(parent, Outcome(None, each) if isinstance(each, ServiceError) else each)
            for each in await _in_order(parts, work)
        ]


async def _in_order(
    parts: Sequence[PartT | ServiceError],
    work: Callable[[list[PartT]], Awaitable[Sequence[DoneT]]],
) -> list[DoneT | ServiceError]:
    """Does work with the valid parts together. Bad ones keep their errors, in their places."""
    good = [part for part in parts if not isinstance(part, ServiceError)]
    done = iter(await work(good) if good else ())
    return [part if isinstance(part, ServiceError) else next(done) for part in parts]
