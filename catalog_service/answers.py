"""Rows as the messages of the contract."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from audiosearch.catalog.v1.calibration_pb2 import Calibration
from audiosearch.catalog.v1.catalog_service_pb2 import ClipOutcome
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, Failure
from audiosearch.catalog.v1.import_job_pb2 import FileFailure, ImportJob, ImportProgress
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from sqlalchemy import Row

from catalog_service.audio.clip_audio import Stored
from catalog_service.clips.batches import Outcome
from catalog_service.clips.rows import ClipRow
from catalog_service.database.states import ClipState, JobState
from catalog_service.libraries import libraries
from catalog_service.names import (
    calibration_name,
    clip_name,
    import_job_name,
    library_name,
    speaker_name,
)
from catalog_service.speakers.calibrations import StoredCalibration
from catalog_service.speakers.rows import SpeakerRow

_NANOS = 10**9
_ENOUGH_SPEECH_NS = 20 * _NANOS
"""Speech of a speaker beyond which more changes little."""
_DAY_SECONDS = 24 * 60 * 60
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_Parts = dict[str, Any]


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


def clip(parent: str, row: ClipRow) -> Clip:
    """A clip of the library of that id.

    Parts are given as mappings: a look-up makes hundreds, and messages of their own, above all
    times from datetimes, take several times as long.
    """
    has_audio = row.content_sha256 is not None and row.state != ClipState.CREATING
    parts: _Parts = {
        "audio_object": _audio_object(row) if has_audio else None,
        "audio": _heard(row) if row.duration_ns is not None else None,
        "create_time": _time(row.create_time),
        "update_time": _time(row.update_time),
    }
    return Clip(
        name=clip_name(parent, row.id),
        display_name=row.display_name,
        label=row.label,
        speaker=row.speaker,
        metadata=row.metadata,
        state=Clip.State.ValueType(row.state),
        source=row.source,
        import_job=import_job_name(row.import_job) if row.import_job else "",
        enrolled_speaker=speaker_name(parent, row.enrolled_as) if row.enrolled_as else "",
        failure=_failure(row) if row.state == ClipState.FAILED else None,
        **parts,
    )


def outcome(parent: str, of: Outcome) -> ClipOutcome:
    """What became of one clip of many."""
    return ClipOutcome(
        clip=clip(parent, of.row) if of.row else None,
        failure=Failure(reason=of.error.reason.value, message=of.error.message)
        if of.error
        else None,
    )


def audio_object(stored: Stored) -> AudioObject:
    """What is stored of a clip."""
    return AudioObject(**_audio_object(stored))


def speaker(parent: str, row: SpeakerRow) -> Speaker:
    """A speaker of the library of that id."""
    parts: _Parts = {
        "speech_duration": _duration(row.speech_ns),
        "wanted_speech_duration": _duration(max(0, _ENOUGH_SPEECH_NS - row.speech_ns)),
        "create_time": _time(row.create_time),
        "update_time": _time(row.update_time),
    }
    return Speaker(
        name=speaker_name(parent, row.name),
        uid=row.uid,
        display_name=row.display_name,
        metadata=row.metadata,
        state=Speaker.State.ValueType(row.state),
        enrollment_count=row.enrollment_count,
        revision=row.revision,
        voiceprint_revision=row.voiceprint_revision,
        **parts,
    )


def calibration(library: str, stored: StoredCalibration) -> Calibration:
    """The calibration of the library of that id."""
    message = Calibration.FromString(stored.content)
    message.name = calibration_name(library)
    message.create_time.FromDatetime(stored.create_time)
    message.update_time.FromDatetime(stored.update_time)
    return message


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


def _time(time: datetime) -> _Parts:
    since = time - _EPOCH
    return {
        "seconds": since.days * _DAY_SECONDS + since.seconds,
        "nanos": since.microseconds * 1000,
    }


def _audio_object(row: ClipRow | Stored) -> _Parts:
    return {
        "size_bytes": row.size_bytes,
        "sha256": row.content_sha256,
        "content_type": row.content_type or "",
    }


def _heard(row: ClipRow) -> _Parts:
    return {
        "duration": _duration(row.duration_ns or 0),
        "active_duration": _duration(row.active_duration_ns or 0),
        "sample_rate": row.sample_rate,
        "channels": row.channels,
        "format": row.format,
        "level_dbfs": row.level_dbfs,
    }


def _failure(row: ClipRow | Row[Any]) -> Failure:
    return Failure(reason=row.failure_reason or "", message=row.failure_message or "")


def _file_failure(entry: Mapping[str, str]) -> FileFailure:
    return FileFailure(
        path=entry["path"], failure=Failure(reason=entry["reason"], message=entry["message"])
    )


def _duration(nanoseconds: int) -> _Parts:
    return {"seconds": nanoseconds // _NANOS, "nanos": nanoseconds % _NANOS}
