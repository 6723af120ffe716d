"""Translates import jobs into messages of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audiosearch.catalog.v1.clip_pb2 import Failure, Quota
from audiosearch.catalog.v1.import_job_pb2 import (
    FileDuplicate,
    FileFailure,
    ImportJob,
    ImportProgress,
)
from sqlalchemy import Row

from catalog_service import answers
from catalog_service.database.states import JobState
from catalog_service.names import import_job_name, library_name


def import_job(row: Row[Any]) -> ImportJob:
    """Returns an import job. Its row is joined with the id of its library."""
    return ImportJob(
        name=import_job_name(row.id),
        library=library_name(row.library),
        folder=row.folder,
        label=row.label,
        channel=row.channel,
        state=row.state,
        failures=[_file_failure(entry) for entry in row.failures],
        duplicates=[FileDuplicate(**entry) for entry in row.duplicates or ()],
        progress=ImportProgress(
            total=row.total,
            imported=row.imported,
            existing=row.existing,
            failed=row.failed,
            cursor=row.cursor,
            passed_over=row.passed_over,
            remarks=row.remarks,
        ),
        failure=answers.failure(row) if row.state == JobState.FAILED else None,
        cancel_requested=row.cancel_requested,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def quota(row: Row[Any]) -> Quota | None:
    """Returns the quota of the clips of a job; None if they count for nobody."""
    if not row.owner:
        return None
    return Quota(owner=row.owner, max_clips=row.max_clips, max_bytes=row.max_bytes)


def _file_failure(entry: Mapping[str, str]) -> FileFailure:
    return FileFailure(
        path=entry["path"], failure=Failure(reason=entry["reason"], message=entry["message"])
    )
