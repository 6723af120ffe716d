"""The calls of the contract: check, delegate, translate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from audiosearch.catalog.v1 import catalog_service_pb2 as pb
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import Library
from google.protobuf.empty_pb2 import Empty

from catalog_service import answers, fields, names, requests
from catalog_service.audio.clip_audio import Audio
from catalog_service.clips.batches import Outcome
from catalog_service.clips.clips import CHANGEABLE, Clips
from catalog_service.database.database import Database
from catalog_service.database.product import product
from catalog_service.imports.jobs import ImportJobs
from catalog_service.libraries.libraries import Libraries
from catalog_service.paging import page
from catalog_service.speaker_servicer import SpeakerServicer
from catalog_service.speakers.calibrations import Calibrations
from catalog_service.speakers.speakers import Speakers
from serving.errors import ServiceError

PartT = TypeVar("PartT")
SERVICE = pb.DESCRIPTOR.services_by_name["CatalogService"].full_name


class CatalogServicer(SpeakerServicer):
    """Answers catalog calls; failures are ServiceErrors, which the server turns into statuses."""

    def __init__(
        self,
        database: Database,
        libraries: Libraries,
        clips: Clips,
        audio: Audio,
        speakers: Speakers,
        calibrations: Calibrations,
        jobs: ImportJobs,
    ) -> None:
        """Takes the database, and the parts of the catalog that is in it."""
        super().__init__(speakers, calibrations)
        self._database = database
        self._libraries = libraries
        self._clips = clips
        self._audio = audio
        self._jobs = jobs

    async def CreateLibrary(self, request: pb.CreateLibraryRequest, context: Any) -> Library:
        return answers.library(
            await self._libraries.create(
                names.check_id("library_id", request.library_id),
                fields.text("library.display_name", request.library.display_name),
                names.check_model("library.model", request.library.model),
                fields.request_id(request.request_id),
            )
        )

    async def ActivateLibrary(self, request: pb.ActivateLibraryRequest, context: Any) -> Library:
        return answers.library(
            await self._libraries.activate(names.parse_library("name", request.name))
        )

    async def GetLibrary(self, request: pb.GetLibraryRequest, context: Any) -> Library:
        return answers.library(
            await self._libraries.get(
                names.parse_library("name", request.name), counted=requests.counted(request.view)
            )
        )

    async def ListLibraries(
        self, request: pb.ListLibrariesRequest, context: Any
    ) -> pb.ListLibrariesResponse:
        state = requests.library_state(request.state)
        found, token = await self._libraries.list(
            state,
            page(fields.page_size(request.page_size), request.page_token, "libraries", state),
            counted=requests.counted(request.view),
        )
        return pb.ListLibrariesResponse(
            libraries=map(answers.library, found), next_page_token=token
        )

    async def UpdateLibrary(self, request: pb.UpdateLibraryRequest, context: Any) -> Library:
        fields.mask("update_mask", request.update_mask, ["display_name"])
        return answers.library(
            await self._libraries.rename(
                names.parse_library("library.name", request.library.name),
                fields.text("library.display_name", request.library.display_name),
            )
        )

    async def BeginLibraryDeletion(
        self, request: pb.BeginLibraryDeletionRequest, context: Any
    ) -> Library:
        return answers.library(
            await self._libraries.begin_deletion(
                names.parse_library("name", request.name), force=request.force
            )
        )

    async def DeleteLibrary(self, request: pb.DeleteLibraryRequest, context: Any) -> Empty:
        await self._libraries.delete(names.parse_library("name", request.name))
        return Empty()

    async def CreateClip(self, request: pb.CreateClipRequest, context: Any) -> Clip:
        parent = names.parse_library("parent", request.parent)
        return answers.clip(parent, await self._clips.create(parent, requests.new_clip(request)))

    async def BatchCreateClips(
        self, request: pb.BatchCreateClipsRequest, context: Any
    ) -> pb.BatchCreateClipsResponse:
        parent = names.parse_library("parent", request.parent)
        parts = requests.batch(
            request.parent, request.requests, lambda part: part.parent, requests.new_clip
        )
        return pb.BatchCreateClipsResponse(
            outcomes=await self._outcomes(
                parent, parts, lambda good: self._clips.create_all(parent, good)
            )
        )

    async def PutAudio(
        self, request_iterator: AsyncIterator[pb.PutAudioRequest], context: Any
    ) -> AudioObject:
        stream = request_iterator.__aiter__()  # both readers go on from where the other stopped
        name = await requests.audio_name(stream)
        return answers.audio_object(await self._audio.put(name, requests.audio_chunks(stream)))

    async def ActivateClip(self, request: pb.ActivateClipRequest, context: Any) -> Clip:
        name, heard = requests.activation(request)
        return answers.clip(name.library, await self._clips.activate(name, heard))

    async def BatchActivateClips(
        self, request: pb.BatchActivateClipsRequest, context: Any
    ) -> pb.BatchActivateClipsResponse:
        parent = names.parse_library("parent", request.parent)
        parts = requests.batch(
            request.parent, request.requests, requests.parent_of, requests.activation
        )
        return pb.BatchActivateClipsResponse(
            outcomes=await self._outcomes(parent, parts, self._clips.activate_all)
        )

    async def FailClip(self, request: pb.FailClipRequest, context: Any) -> Clip:
        name = names.parse_clip("name", request.name)
        reason, message = requests.failure("failure", request.failure)
        return answers.clip(name.library, await self._clips.fail(name, reason, message))

    async def GetClip(self, request: pb.GetClipRequest, context: Any) -> Clip:
        name = names.parse_clip("name", request.name)
        return answers.clip(name.library, await self._clips.get(name))

    async def ListClips(self, request: pb.ListClipsRequest, context: Any) -> pb.ListClipsResponse:
        parent = names.parse_library("parent", request.parent)
        query = requests.clip_query(parent, request.filter)
        rows, token = await self._clips.list(
            parent,
            query,
            page(fields.page_size(request.page_size), request.page_token, parent, request.filter),
        )
        return pb.ListClipsResponse(
            clips=[answers.clip(parent, row) for row in rows], next_page_token=token
        )

    async def LookupClips(
        self, request: pb.LookupClipsRequest, context: Any
    ) -> pb.LookupClipsResponse:
        parent = names.parse_library("parent", request.parent)
        rows = await self._clips.look_up(parent, requests.clip_ids(request.clip_ids))
        return pb.LookupClipsResponse(clips={row.id: answers.clip(parent, row) for row in rows})

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

    async def DeleteClip(self, request: pb.DeleteClipRequest, context: Any) -> Empty:
        await self._clips.delete(names.parse_clip("name", request.name))
        return Empty()

    async def GetAudio(
        self, request: pb.GetAudioRequest, context: Any
    ) -> AsyncIterator[pb.GetAudioResponse]:
        name = names.parse_clip("name", request.name)
        stored, chunks = await self._audio.get(
            name, fields.count("offset", request.offset), fields.count("limit", request.limit)
        )
        yield pb.GetAudioResponse(audio_object=answers.audio_object(stored))
        async for chunk in chunks:
            yield pb.GetAudioResponse(chunk=chunk)

    async def CreateImportJob(self, request: pb.CreateImportJobRequest, context: Any) -> ImportJob:
        job = request.import_job
        return answers.import_job(
            await self._jobs.create(
                names.parse_library("import_job.library", job.library),
                fields.path("import_job.folder", job.folder, required=True),
                fields.text("import_job.label", job.label),
                fields.request_id(request.request_id),
            )
        )

    async def GetImportJob(self, request: pb.GetImportJobRequest, context: Any) -> ImportJob:
        return answers.import_job(
            await self._jobs.get(names.parse_import_job("name", request.name))
        )

    async def ListImportJobs(
        self, request: pb.ListImportJobsRequest, context: Any
    ) -> pb.ListImportJobsResponse:
        library = names.parse_library("library", request.library) if request.library else None
        state = requests.job_state(request.state)
        rows, token = await self._jobs.list(
            library,
            state,
            page(
                fields.page_size(request.page_size),
                request.page_token,
                "importJobs",
                library or "",
                state or 0,
            ),
        )
        return pb.ListImportJobsResponse(
            import_jobs=map(answers.import_job, rows), next_page_token=token
        )

    async def ClaimImportJob(
        self, request: pb.ClaimImportJobRequest, context: Any
    ) -> pb.ClaimImportJobResponse:
        row = await self._jobs.claim(
            fields.text("worker", request.worker, 64, required=True),
            fields.lease(request.lease if request.HasField("lease") else None),
        )
        return pb.ClaimImportJobResponse(import_job=row and answers.import_job(row))

    async def ReportImportProgress(
        self, request: pb.ReportImportProgressRequest, context: Any
    ) -> ImportJob:
        return answers.import_job(
            await self._jobs.report(
                names.parse_import_job("name", request.name),
                fields.text("worker", request.worker, 64, required=True),
                fields.lease(request.lease if request.HasField("lease") else None),
                requests.progress(request),
            )
        )

    async def FinishImportJob(self, request: pb.FinishImportJobRequest, context: Any) -> ImportJob:
        return answers.import_job(
            await self._jobs.finish(
                names.parse_import_job("name", request.name), *requests.end(request)
            )
        )

    async def CancelImportJob(self, request: pb.CancelImportJobRequest, context: Any) -> ImportJob:
        return answers.import_job(
            await self._jobs.cancel(names.parse_import_job("name", request.name))
        )

    async def DeleteImportJob(self, request: pb.DeleteImportJobRequest, context: Any) -> Empty:
        await self._jobs.delete(names.parse_import_job("name", request.name))
        return Empty()

    async def GetStore(self, request: pb.GetStoreRequest, context: Any) -> pb.Store:
        return pb.Store(product=await self._database.read(product))

    async def _outcomes(
        self,
        parent: str,
        parts: Sequence[PartT | ServiceError],
        work: Callable[[list[PartT]], Awaitable[Sequence[Outcome]]],
    ) -> list[pb.ClipOutcome]:
        """Does the good parts of a batch together; all outcomes in the order of the parts."""
        good = [part for part in parts if not isinstance(part, ServiceError)]
        done = iter(await work(good) if good else ())
        return [
            answers.outcome(
                parent, Outcome(None, part) if isinstance(part, ServiceError) else next(done)
            )
            for part in parts
        ]
