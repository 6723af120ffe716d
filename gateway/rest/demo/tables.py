"""The tables of the earlier demo's routes: libraries, filled from folders of the server."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiosearch.catalog.v1 import library_pb2
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.model_pb2 import PURPOSE_VOICES
from audiosearch.gateway.v1 import clips_pb2
from google.longrunning import operations_pb2
from starlette.requests import Request

from gateway.access.rights import caller
from gateway.imports.folder import resolve_folder, resolve_path
from gateway.rest.parts import Parts
from gateway.upstream import passing_over
from serving.errors import Reason, ServiceError
from serving.names import check_library
from serving.telemetry import remaining

LOOK_SECONDS = 0.2
_MOST_SECONDS = 600.0
ANSWER_SECONDS = 1.0
"""Time of a load that is kept for the answer that the import goes on."""


def library_of(table: str, parts: Parts, field: str = "table_name") -> str:
    """The library of a table, or of the default table; FIELD_INVALID for an invalid name."""
    return check_library(f"libraries/{table or parts.settings.default_table}", field)


async def find_file(parts: Parts, path: str, field: str) -> Path:
    """The real path of a file of the server, named by `field`; errors as `resolve_path`."""
    roots = parts.settings.roots()
    return await asyncio.to_thread(_find_file, path, roots, field)


def _find_file(path: str, roots: Sequence[Path], field: str) -> Path:
    return resolve_path(_absolute(path, roots), roots, field)


def _absolute(path: str, roots: Sequence[Path]) -> str:
    """The path itself if it is absolute, otherwise the path below the first root that has it."""
    if not roots or Path(path).is_absolute():
        return path
    below = [str(root / path) for root in roots]
    return next(filter(os.path.lexists, below), below[0])


def _find_folder(folder: str, roots: Sequence[Path]) -> str:
    return str(resolve_folder(_absolute(folder, roots), roots))


def check_import(parts: Parts, request: Request, library: str) -> None:
    """Raises RIGHT_MISSING unless the caller may import into a library, and so use paths."""
    message = clips_pb2.ImportClipsRequest(parent=library)
    parts.check(request, "ImportClips", message)


async def load(parts: Parts, request: Request, message: clips_pb2.ImportClipsRequest) -> ImportJob:
    """Imports a folder and waits for the end. A missing library is created.

    Raises:
        ServiceError: of CreateLibrary and ImportClips; of a failed import; DEADLINE_EXCEEDED or
            GATEWAY_UNAVAILABLE if the call or the gateway ends before the import.
    """
    # The right comes first, so that others learn nothing about folders. The folder comes next, so
    # that a wrong one creates no library.
    check_import(parts, request, message.parent)
    roots = parts.settings.roots()
    message.folder = await asyncio.to_thread(_find_folder, message.folder, roots)
    with passing_over(Reason.LIBRARY_NOT_FOUND):
        return await _import(parts, request, message)
    await _make(parts, request, message.parent)
    return await _import(parts, request, message)


async def ensure(parts: Parts, request: Request, library: str) -> None:
    """Creates a library for voices if it is missing; errors as GetLibrary and CreateLibrary."""
    view = library_pb2.LIBRARY_VIEW_BASIC
    message = library_pb2.GetLibraryRequest(name=library, view=view)
    with passing_over(Reason.LIBRARY_NOT_FOUND):
        await parts.ask(request, "GetLibrary", message)
        return
    await _make(parts, request, library, Library(purpose=PURPOSE_VOICES))


async def _make(
    parts: Parts, request: Request, library: str, wanted: Library | None = None
) -> None:
    with passing_over(Reason.LIBRARY_EXISTS):
        name = library.removeprefix("libraries/")
        message = library_pb2.CreateLibraryRequest(library_id=name, library=wanted)
        await parts.ask(request, "CreateLibrary", message)


async def _import(
    parts: Parts, request: Request, message: clips_pb2.ImportClipsRequest
) -> ImportJob:
    operation = await parts.ask(request, "ImportClips", message)
    asking, left = operations_pb2.GetOperationRequest(name=operation.name), remaining()
    until = time.monotonic() + (_MOST_SECONDS if left is None else left) - ANSWER_SECONDS
    while not operation.done:
        if await parts.stopping(LOOK_SECONDS):
            raise _goes_on(operation.name, Reason.GATEWAY_UNAVAILABLE, "the gateway stops")
        if time.monotonic() > until:
            why = "the import takes longer than a call may"
            raise _goes_on(operation.name, Reason.DEADLINE_EXCEEDED, why)
        operation = await parts.ask(request, "GetOperation", asking)
    return _succeeded(job_of(operation))


def _goes_on(operation: str, reason: Reason, why: str) -> ServiceError:
    told = f"{why}; the import goes on, and GET /v1/{operation} or GET /progress tell how far it is"
    return ServiceError(reason, told, {"operation": operation})


def _succeeded(job: ImportJob) -> ImportJob:
    if job.state == ImportJob.STATE_CANCELLED:
        raise ServiceError(Reason.STATE_CONFLICT, "the import was cancelled")
    if job.state == ImportJob.STATE_FAILED:
        known = Reason.named(job.failure.reason) or Reason.INTERNAL
        raise ServiceError(known, job.failure.message)
    return job


async def newest_import(parts: Parts, request: Request, library: str = "") -> ImportJob | None:
    """The newest import of a library, or of all libraries that the caller may read."""
    message = operations_pb2.ListOperationsRequest(name=library, page_size=1)
    parts.check(request, "ListOperations", message)
    readable = caller.get().readable()
    if library or readable is None:
        return await _newest_of(parts, request, message)
    jobs = []
    for name in readable:
        message.name = f"libraries/{name}"
        with passing_over(Reason.LIBRARY_NOT_FOUND):
            jobs.append(await _newest_of(parts, request, message))
    # Ids sort by their time.
    return max(filter(None, jobs), key=lambda job: job.name, default=None)


async def _newest_of(
    parts: Parts, request: Request, message: operations_pb2.ListOperationsRequest
) -> ImportJob | None:
    page = await parts.ask(request, "ListOperations", message)
    return job_of(page.operations[0]) if page.operations else None


def job_of(operation: Any) -> ImportJob:
    """The import job of an operation."""
    job = ImportJob()
    operation.metadata.Unpack(job)
    return job
