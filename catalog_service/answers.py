"""Rows as the messages of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, Failure
from audiosearch.catalog.v1.import_job_pb2 import FileFailure, ImportJob, ImportProgress
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import Row

from catalog_service import libraries
from catalog_service.audio import Stored
from catalog_service.names import clip_name, import_job_name, library_name
from catalog_service.states import ClipState, JobState

_NANOS = 10**9


def library(found: libraries.Library) -> Library:
    """A library with its counts."""
    row = found.row
    return Library(
        name=library_name(row.name),
        uid=row.uid,
        display_name=row.display_name,
        model=row.model,
        state=row.state,
        clip_count=found.clip_count,
        size_bytes=found.size_bytes,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def clip(parent: str, row: Row[Any]) -> Clip:
    """A clip of the library of that id."""
    has_audio = row.content_sha256 is not None and row.state != ClipState.CREATING
    return Clip(
        name=clip_name(parent, row.id),
        display_name=row.display_name,
        label=row.label,
        speaker=row.speaker,
        metadata=row.metadata,
        state=row.state,
        source=row.source,
        import_job=import_job_name(row.import_job) if row.import_job else "",
        failure=_failure(row) if row.state == ClipState.FAILED else None,
        audio_object=audio_object(row) if has_audio else None,
        audio=_heard(row) if row.duration_ns is not None else None,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def audio_object(row: Row[Any] | Stored) -> AudioObject:
    """What is stored of a clip."""
    return AudioObject(
        size_bytes=row.size_bytes, sha256=row.content_sha256, content_type=row.content_type
    )


def import_job(row: Row[Any]) -> ImportJob:
    """An import job; its row is joined with the id of its library."""
    return ImportJob(
        name=import_job_name(row.id),
        library=library_name(row.library),
        folder=row.folder,
        label=row.label,
        state=row.state,
        failures=[_file_failure(entry) for entry in row.failures],
        progress=ImportProgress(
            total=row.total,
            imported=row.imported,
            existing=row.existing,
            failed=row.failed,
            cursor=row.cursor,
        ),
        failure=_failure(row) if row.state == JobState.FAILED else None,
        cancel_requested=row.cancel_requested,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def _heard(row: Row[Any]) -> AudioProperties:
    return AudioProperties(
        duration=_duration(row.duration_ns),
        active_duration=_duration(row.active_duration_ns),
        sample_rate=row.sample_rate,
        channels=row.channels,
        format=row.format,
        level_dbfs=row.level_dbfs,
    )


def _failure(row: Row[Any]) -> Failure:
    return Failure(reason=row.failure_reason or "", message=row.failure_message or "")


def _file_failure(entry: Mapping[str, str]) -> FileFailure:
    return FileFailure(
        path=entry["path"], failure=Failure(reason=entry["reason"], message=entry["message"])
    )


def _duration(nanoseconds: int) -> Duration:
    return Duration(seconds=nanoseconds // _NANOS, nanos=nanoseconds % _NANOS)
