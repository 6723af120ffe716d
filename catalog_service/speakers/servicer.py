"""The RPCs about speakers: checks, delegates and translates each request."""

from __future__ import annotations

from typing import Any

from audiosearch.catalog.v1 import speaker_pb2 as pb
from audiosearch.catalog.v1 import speaker_service_pb2_grpc
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from google.protobuf.empty_pb2 import Empty

from catalog_service import fields, names
from catalog_service.libraries import answers as libraries
from catalog_service.paging import page
from catalog_service.speakers import answers, requests
from catalog_service.speakers.speakers import CHANGEABLE, Speakers


class SpeakerServicer(speaker_service_pb2_grpc.SpeakerServiceServicer):
    """Serves audiosearch.catalog.v1.SpeakerService."""

    def __init__(self, speakers: Speakers) -> None:
        """Takes the speakers."""
        self._speakers = speakers

    async def CreateSpeaker(self, request: pb.CreateSpeakerRequest, context: Any) -> Speaker:
        name, new = requests.new_speaker(request)
        return answers.speaker(name.library, await self._speakers.create(name, new))

    async def GetSpeaker(self, request: pb.GetSpeakerRequest, context: Any) -> Speaker:
        name = names.parse_speaker("name", request.name)
        return answers.speaker(name.library, await self._speakers.get(name))

    async def ListSpeakers(
        self, request: pb.ListSpeakersRequest, context: Any
    ) -> pb.ListSpeakersResponse:
        parent = names.parse_library("parent", request.parent)
        rows, token = await self._speakers.list(
            parent,
            requests.speaker_query(request),
            page(
                fields.page_size(request.page_size),
                request.page_token,
                "speakers",
                parent,
                request.state,
            ),
        )
        return pb.ListSpeakersResponse(
            speakers=[answers.speaker(parent, row) for row in rows], next_page_token=token
        )

    async def LookupSpeakers(
        self, request: pb.LookupSpeakersRequest, context: Any
    ) -> pb.LookupSpeakersResponse:
        parent = names.parse_library("parent", request.parent)
        rows, library, voiceprint_count = await self._speakers.look_up(
            parent, *requests.wanted(request), with_library=request.with_library
        )
        return pb.LookupSpeakersResponse(
            speakers={row.uid: answers.speaker(parent, row) for row in rows},
            library=libraries.of_row(library) if request.with_library and library else None,
            voiceprint_count=voiceprint_count,
        )

    async def UpdateSpeaker(self, request: pb.UpdateSpeakerRequest, context: Any) -> Speaker:
        name = names.parse_speaker("speaker.name", request.speaker.name)
        changed = fields.mask("update_mask", request.update_mask, CHANGEABLE)
        changes = requests.speaker_changes(request.speaker, changed)
        return answers.speaker(name.library, await self._speakers.update(name, changes))

    async def AddEnrollments(self, request: pb.AddEnrollmentsRequest, context: Any) -> Speaker:
        name = names.parse_speaker("name", request.name)
        clips = requests.clips(name, request)
        expected = request.HasField("revision")
        revision = fields.count("revision", request.revision) if expected else None
        uid = names.check_uid("uid", request.uid) if request.uid else None
        row = await self._speakers.add_enrollments(name, clips, revision, uid)
        return answers.speaker(name.library, row)

    async def RemoveEnrollments(
        self, request: pb.RemoveEnrollmentsRequest, context: Any
    ) -> Speaker:
        name = names.parse_speaker("name", request.name)
        clips = requests.clips(name, request)
        return answers.speaker(name.library, await self._speakers.remove_enrollments(name, clips))

    async def RecordVoiceprint(self, request: pb.RecordVoiceprintRequest, context: Any) -> Speaker:
        name = names.parse_speaker("name", request.name)
        row = await self._speakers.record_voiceprint(
            name,
            names.check_uid("uid", request.uid),
            fields.count("revision", request.revision),
            requests.agreement(request),
        )
        return answers.speaker(name.library, row)

    async def BeginSpeakerDeletion(
        self, request: pb.BeginSpeakerDeletionRequest, context: Any
    ) -> Speaker:
        name = names.parse_speaker("name", request.name)
        only = requests.speaker_state("only_state", request.only_state)
        row = await self._speakers.begin_deletion(name, only, delete_clips=request.delete_clips)
        return answers.speaker(name.library, row)

    async def DeleteSpeaker(self, request: pb.DeleteSpeakerRequest, context: Any) -> Empty:
        await self._speakers.delete(names.parse_speaker("name", request.name))
        return Empty()
