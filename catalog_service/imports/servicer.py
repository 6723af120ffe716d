"""The RPCs about import jobs: checks, delegates and translates each request."""

from __future__ import annotations

from typing import Any

from audiosearch.catalog.v1 import import_job_pb2 as pb
from audiosearch.catalog.v1 import import_job_service_pb2_grpc
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from google.protobuf.empty_pb2 import Empty

from catalog_service import fields, names
from catalog_service.clips.requests import quota
from catalog_service.imports import answers, requests
from catalog_service.imports.jobs import ImportJobs
from catalog_service.paging import page


class ImportJobServicer(import_job_service_pb2_grpc.ImportJobServiceServicer):
    """Serves audiosearch.catalog.v1.ImportJobService."""

    def __init__(self, jobs: ImportJobs) -> None:
        """Takes the import jobs."""
        self._jobs = jobs

    async def CreateImportJob(self, request: pb.CreateImportJobRequest, context: Any) -> ImportJob:
        job = request.import_job
        return answers.import_job(
            await self._jobs.create(
                names.parse_library("import_job.library", job.library),
                requests.new_job(job),
                fields.request_id(request),
                quota(request),
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
            fields.text("worker", request),
            fields.lease(request),
        )
        if row is None:
            return pb.ClaimImportJobResponse()
        return pb.ClaimImportJobResponse(
            import_job=answers.import_job(row), quota=answers.quota(row)
        )

    async def ReportImportProgress(
        self, request: pb.ReportImportProgressRequest, context: Any
    ) -> ImportJob:
        return answers.import_job(
            await self._jobs.report(
                names.parse_import_job("name", request.name),
                fields.text("worker", request),
                fields.lease(request),
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
