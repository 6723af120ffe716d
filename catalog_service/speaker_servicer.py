"""The RPCs about speakers and calibrations: checks, delegates and translates each request."""

from __future__ import annotations

from typing import Any

from audiosearch.catalog.v1 import calibration_pb2, catalog_service_pb2_grpc, speaker_pb2
from audiosearch.catalog.v1.calibration_pb2 import Calibration
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from google.protobuf.empty_pb2 import Empty

from catalog_service import answers, fields, names
from catalog_service.paging import page
from catalog_service.speakers import requests as speaker_requests
from catalog_service.speakers.calibrations import Calibrations
from catalog_service.speakers.speakers import CHANGEABLE, Speakers


class SpeakerServicer(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Serves the RPCs of the catalog about speakers and calibrations."""

    def __init__(self, speakers: Speakers, calibrations: Calibrations) -> None:
        """Takes the speakers and the calibrations."""
        self._speakers = speakers
        self._calibrations = calibrations

    async def CreateSpeaker(
        self, request: speaker_pb2.CreateSpeakerRequest, context: Any
    ) -> Speaker:
        name, new = speaker_requests.new_speaker(request)
        return answers.speaker(name.library, await self._speakers.create(name, new))

    async def GetSpeaker(self, request: speaker_pb2.GetSpeakerRequest, context: Any) -> Speaker:
        name = names.parse_speaker("name", request.name)
        return answers.speaker(name.library, await self._speakers.get(name))

    async def ListSpeakers(
        self, request: speaker_pb2.ListSpeakersRequest, context: Any
    ) -> speaker_pb2.ListSpeakersResponse:
        parent = names.parse_library("parent", request.parent)
        rows, token = await self._speakers.list(
            parent,
            speaker_requests.speaker_query(request),
            page(
                fields.page_size(request.page_size),
                request.page_token,
                "speakers",
                parent,
                request.state,
            ),
        )
        return speaker_pb2.ListSpeakersResponse(
            speakers=[answers.speaker(parent, row) for row in rows], next_page_token=token
        )

    async def LookupSpeakers(
        self, request: speaker_pb2.LookupSpeakersRequest, context: Any
    ) -> speaker_pb2.LookupSpeakersResponse:
        parent = names.parse_library("parent", request.parent)
        rows = await self._speakers.look_up(parent, *speaker_requests.wanted(request))
        return speaker_pb2.LookupSpeakersResponse(
            speakers={row.uid: answers.speaker(parent, row) for row in rows}
        )

    async def UpdateSpeaker(
        self, request: speaker_pb2.UpdateSpeakerRequest, context: Any
    ) -> Speaker:
        name = names.parse_speaker("speaker.name", request.speaker.name)
        changed = fields.mask("update_mask", request.update_mask, CHANGEABLE)
        changes = speaker_requests.speaker_changes(request.speaker, changed)
        return answers.speaker(name.library, await self._speakers.update(name, changes))

    async def AddEnrollments(
        self, request: speaker_pb2.AddEnrollmentsRequest, context: Any
    ) -> Speaker:
        name = names.parse_speaker("name", request.name)
        clips = speaker_requests.clips(name, request.clips)
        expected = request.HasField("revision")
        revision = fields.count("revision", request.revision) if expected else None
        uid = names.check_uid("uid", request.uid) if request.uid else None
        row = await self._speakers.add_enrollments(name, clips, revision, uid)
        return answers.speaker(name.library, row)

    async def RemoveEnrollments(
        self, request: speaker_pb2.RemoveEnrollmentsRequest, context: Any
    ) -> Speaker:
        name = names.parse_speaker("name", request.name)
        clips = speaker_requests.clips(name, request.clips)
        return answers.speaker(name.library, await self._speakers.remove_enrollments(name, clips))

    async def RecordVoiceprint(
        self, request: speaker_pb2.RecordVoiceprintRequest, context: Any
    ) -> Speaker:
        name = names.parse_speaker("name", request.name)
        row = await self._speakers.record_voiceprint(
            name,
            names.check_uid("uid", request.uid),
            fields.count("revision", request.revision),
        )
        return answers.speaker(name.library, row)

    async def BeginSpeakerDeletion(
        self, request: speaker_pb2.BeginSpeakerDeletionRequest, context: Any
    ) -> Speaker:
        name = names.parse_speaker("name", request.name)
        only = speaker_requests.speaker_state("only_state", request.only_state)
        row = await self._speakers.begin_deletion(name, only, delete_clips=request.delete_clips)
        return answers.speaker(name.library, row)

    async def DeleteSpeaker(self, request: speaker_pb2.DeleteSpeakerRequest, context: Any) -> Empty:
        await self._speakers.delete(names.parse_speaker("name", request.name))
        return Empty()

    async def GetCalibration(
        self, request: calibration_pb2.GetCalibrationRequest, context: Any
    ) -> Calibration:
        library = names.parse_calibration("name", request.name)
        return answers.calibration(library, await self._calibrations.get(library))

    async def PutCalibration(
        self, request: calibration_pb2.PutCalibrationRequest, context: Any
    ) -> Calibration:
        new = speaker_requests.new_calibration(request)
        return answers.calibration(new.library, await self._calibrations.put(*new))

    async def DeleteCalibration(
        self, request: calibration_pb2.DeleteCalibrationRequest, context: Any
    ) -> Empty:
        await self._calibrations.delete(names.parse_calibration("name", request.name))
        return Empty()
