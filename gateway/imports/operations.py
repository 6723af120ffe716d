"""Imports as google.longrunning operations."""

from __future__ import annotations

import asyncio

import grpc
from audiosearch.catalog.v1.import_job_pb2 import (
    CancelImportJobRequest,
    DeleteImportJobRequest,
    GetImportJobRequest,
    ImportJob,
    ListImportJobsRequest,
    ListImportJobsResponse,
)
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.empty_pb2 import Empty
from google.rpc import code_pb2, status_pb2

from gateway.access.rights import Right, authorize, caller
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason, ServiceError
from serving.names import import_job_of, operation_of

WAIT_POLL_SECONDS = 0.5
DEFAULT_WAIT_SECONDS = 60.0


def to_operation(job: ImportJob) -> operations_pb2.Operation:
    """The operation of an import job. The job is its metadata, and its response after success."""
    operation = operations_pb2.Operation(
        name=operation_of(job.name), done=job.state != ImportJob.STATE_RUNNING
    )
    operation.metadata.Pack(job)
    if job.state == ImportJob.STATE_SUCCEEDED:
        operation.response.Pack(job)
    elif job.state == ImportJob.STATE_CANCELLED:
        operation.error.CopyFrom(
            status_pb2.Status(code=code_pb2.CANCELLED, message="the import was cancelled")
        )
    elif job.state == ImportJob.STATE_FAILED:
        reason = Reason.named(job.failure.reason) or Reason.INTERNAL
        error = ServiceError(reason, job.failure.message, {"library": job.library})
        operation.error.CopyFrom(error.to_message())
    return operation


class OperationsServicer(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc]  # untyped
    """google.longrunning.Operations over the catalog's import jobs."""

    def __init__(self, upstream: Upstream) -> None:
        """Reads jobs from the catalog of `upstream`."""
        self._upstream = upstream

    async def _job(self, operation: str, right: Right) -> ImportJob:
        """The job of an operation; IMPORT_JOB_NOT_FOUND if the caller may not read its library."""
        job, who = ImportJob(), caller.get()
        with passing_over(Reason.IMPORT_JOB_NOT_FOUND):
            job = await self._upstream.import_jobs.GetImportJob(
                GetImportJobRequest(name=import_job_of(operation))
            )
        if not job.name or not who.may(job.library, Right.read):
            raise ServiceError(
                Reason.IMPORT_JOB_NOT_FOUND,
                f"{operation} is not there; it was deleted, alone or with its library",
                {"operation": operation},
            )
        authorize(who, job.library, right)
        return job

    async def _page(
        self, request: ListImportJobsRequest, libraries: list[str] | None
    ) -> ListImportJobsResponse:
        """A page of the jobs of these libraries, one library after the other, or of all for None.

        The token holds the library and the catalog's token within that library.
        """
        if libraries is None:
            return await self._upstream.import_jobs.ListImportJobs(request)
        current, _, token = request.page_token.partition(":")
        left = [name for name in libraries if name >= current]
        page = ListImportJobsResponse()
        if left:
            with passing_over(Reason.LIBRARY_NOT_FOUND):
                request.library = f"libraries/{left[0]}"
                request.page_token = token if left[0] == current else ""
                page = await self._upstream.import_jobs.ListImportJobs(request)
            if page.next_page_token:
                page.next_page_token = f"{left[0]}:{page.next_page_token}"
            elif len(left) > 1:
                page.next_page_token = f"{left[1]}:"
        return page

    async def GetOperation(
        self, request: operations_pb2.GetOperationRequest, context: grpc.aio.ServicerContext
    ) -> operations_pb2.Operation:
        return to_operation(await self._job(request.name, Right.read))

    async def ListOperations(
        self, request: operations_pb2.ListOperationsRequest, context: grpc.aio.ServicerContext
    ) -> operations_pb2.ListOperationsResponse:
        if request.filter:
            raise ServiceError(
                Reason.FIELD_INVALID, "filter: not supported; leave it empty", {"field": "filter"}
            )
        library = request.name if request.name.startswith("libraries/") else ""
        asked = ListImportJobsRequest(
            library=library, page_size=request.page_size, page_token=request.page_token
        )
        if library:
            authorize(caller.get(), library, Right.read)
            page = await self._upstream.import_jobs.ListImportJobs(asked)
        else:
            page = await self._page(asked, caller.get().readable())
        return operations_pb2.ListOperationsResponse(
            operations=[to_operation(job) for job in page.import_jobs],
            next_page_token=page.next_page_token,
        )

    async def DeleteOperation(
        self, request: operations_pb2.DeleteOperationRequest, context: grpc.aio.ServicerContext
    ) -> Empty:
        job = await self._job(request.name, Right.write)
        return await self._upstream.import_jobs.DeleteImportJob(
            DeleteImportJobRequest(name=job.name)
        )

    async def CancelOperation(
        self, request: operations_pb2.CancelOperationRequest, context: grpc.aio.ServicerContext
    ) -> Empty:
        job = await self._job(request.name, Right.write)
        await self._upstream.import_jobs.CancelImportJob(CancelImportJobRequest(name=job.name))
        return Empty()

    async def WaitOperation(
        self, request: operations_pb2.WaitOperationRequest, context: grpc.aio.ServicerContext
    ) -> operations_pb2.Operation:
        limit = (
            request.timeout.ToNanoseconds() / 1e9
            if request.HasField("timeout")
            else DEFAULT_WAIT_SECONDS
        )
        until = asyncio.get_running_loop().time() + limit
        while True:
            operation = to_operation(await self._job(request.name, Right.read))
            if operation.done or asyncio.get_running_loop().time() >= until:
                return operation
            await asyncio.sleep(WAIT_POLL_SECONDS)
