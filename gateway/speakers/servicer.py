"""The RPCs about speakers: checks, delegates and translates each request."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from audiosearch.catalog.v1 import speaker_pb2
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.gateway.v1 import speaker_service_pb2_grpc, speakers_pb2
from google.protobuf.empty_pb2 import Empty

from gateway.clips.streams import audio_chunks, first_config
from gateway.speakers.wiring import Speakers
from gateway.upstream import Upstream
from serving.names import check_library, split_speaker


class SpeakerServicer(speaker_service_pb2_grpc.SpeakerServiceServicer):
    """audiosearch.gateway.v1.SpeakerService."""

    def __init__(self, upstream: Upstream, speakers: Speakers) -> None:
        """Delegates to the parts given."""
        self._upstream = upstream
        self._speakers = speakers

    async def EnrollSpeaker(
        self,
        request_iterator: AsyncIterator[speakers_pb2.EnrollSpeakerRequest],
        context: grpc.aio.ServicerContext,
    ) -> speakers_pb2.EnrollSpeakerResponse:
        config = (await first_config(request_iterator)).config
        check_library(config.parent, "config.parent")
        split_speaker(f"{config.parent}/speakers/{config.speaker_id}", "config.speaker_id")
        return await self._speakers.enrolling.enroll(config, request_iterator)

    async def GetSpeaker(
        self, request: speaker_pb2.GetSpeakerRequest, context: grpc.aio.ServicerContext
    ) -> Speaker:
        return await self._upstream.speakers.GetSpeaker(request)

    async def ListSpeakers(
        self, request: speaker_pb2.ListSpeakersRequest, context: grpc.aio.ServicerContext
    ) -> speaker_pb2.ListSpeakersResponse:
        return await self._upstream.speakers.ListSpeakers(request)

    async def UpdateSpeaker(
        self, request: speaker_pb2.UpdateSpeakerRequest, context: grpc.aio.ServicerContext
    ) -> Speaker:
        return await self._upstream.speakers.UpdateSpeaker(request)

    async def RemoveEnrollments(
        self, request: speaker_pb2.RemoveEnrollmentsRequest, context: grpc.aio.ServicerContext
    ) -> Speaker:
        return await self._speakers.removing.remove_enrollments(request)

    async def DeleteSpeaker(
        self, request: speaker_pb2.DeleteSpeakerRequest, context: grpc.aio.ServicerContext
    ) -> Empty:
        await self._speakers.removing.delete(request)
        return Empty()

    async def VerifySpeaker(
        self,
        request_iterator: AsyncIterator[speakers_pb2.VerifySpeakerRequest],
        context: grpc.aio.ServicerContext,
    ) -> speakers_pb2.VerifySpeakerResponse:
        config = (await first_config(request_iterator)).config
        return await self._speakers.recognizing.verify(config, audio_chunks(request_iterator))

    async def IdentifySpeaker(
        self,
        request_iterator: AsyncIterator[speakers_pb2.IdentifySpeakerRequest],
        context: grpc.aio.ServicerContext,
    ) -> speakers_pb2.IdentifySpeakerResponse:
        config = (await first_config(request_iterator)).config
        return await self._speakers.recognizing.identify(config, audio_chunks(request_iterator))
