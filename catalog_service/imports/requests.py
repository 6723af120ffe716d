"""Checks requests about import jobs, and translates them for the domain."""

from __future__ import annotations

from collections.abc import Iterable

from audiosearch.catalog.v1.import_job_pb2 import (
    FileDuplicate,
    FileFailure,
    FinishImportJobRequest,
    ImportJob,
    ImportProgress,
    ReportImportProgressRequest,
)

from catalog_service import fields
from catalog_service.database.states import JobState
from catalog_service.imports.jobs import MAX_FAILURE_BYTES, MAX_FAILURES, NewJob, Progress
from serving import limits


def new_job(job: ImportJob) -> NewJob:
    """Reads the job that a caller asks for."""
    return NewJob(
        folder=fields.path("import_job.folder", job),
        label=fields.text("import_job.label", job),
        channel=fields.channel("import_job.channel", job),
    )


def job_state(value: int) -> JobState | None:
    """Returns the state of the jobs to list; None for any."""
    return JobState(fields.choice("state", value, JobState)) if value else None


def progress(request: ReportImportProgressRequest) -> Progress:
    """Reads a worker's progress with its first failures."""
    value = request.progress
    counts = {
        name: fields.count(f"progress.{name}", getattr(value, name))
        for name in ("total", "imported", "existing", "failed")
    }
    return Progress(
        **counts,
        cursor=fields.path("progress.cursor", value),
        passed_over=_counts(value, "passed_over"),
        remarks=_counts(value, "remarks"),
        failures=_fitting(map(_file_failure, request.failures[:MAX_FAILURES])),
        duplicates=_fitting(map(_file_duplicate, request.duplicates[:MAX_FAILURES])),
    )


def _fitting(entries: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """The first entries, as many as there is room for."""
    kept, room = [], MAX_FAILURE_BYTES
    for entry in entries:
        room -= sum(len(text.encode()) for text in entry.values())
        if room < 0:
            break
        kept.append(entry)
    return kept


def _counts(value: ImportProgress, field: str) -> dict[str, int]:
    """The counts of the first kinds, each with the start of its name."""
    limit = limits.of(value, field)
    first = list(getattr(value, field).items())[: limit.max_items]
    return {
        kind[: limit.max_key_length]: fields.count(f"progress.{field}", number)
        for kind, number in first
    }


def _file_failure(value: FileFailure) -> dict[str, str]:
    return {
        "path": value.path[: limits.of(value, "path").max_length],
        "reason": fields.shortened("reason", value.failure),
        "message": fields.shortened("message", value.failure),
    }


def _file_duplicate(value: FileDuplicate) -> dict[str, str]:
    return {
        field: getattr(value, field)[: limits.of(value, field).max_length]
        for field in ("path", "of", "clip")
    }


def end(request: FinishImportJobRequest) -> tuple[JobState, str | None, str | None]:
    """Reads the end of a job: its state, and reason and message if it FAILED."""
    state = JobState(fields.choice("state", request.state, set(JobState) - {JobState.RUNNING}))
    if state is not JobState.FAILED:
        return state, None, None
    return (state, *fields.failure("failure", request.failure))
