"""Checks requests about speakers and calibrations, and translates them for the domain."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from audiosearch.catalog.v1.calibration_pb2 import Calibration, PutCalibrationRequest
from audiosearch.catalog.v1.speaker_pb2 import (
    AddEnrollmentsRequest,
    CreateSpeakerRequest,
    ListSpeakersRequest,
    LookupSpeakersRequest,
    RecordVoiceprintRequest,
    RemoveEnrollmentsRequest,
    Speaker,
)

from catalog_service import fields, names
from catalog_service.database.states import SpeakerState
from catalog_service.names import SpeakerName
from catalog_service.speakers.speakers import NewSpeaker, SpeakerQuery

MAX_CALIBRATION_BYTES = 2**20


class NewCalibration(NamedTuple):
    """A calibration to store. `content` is the message without name and times."""

    library: str
    model: str
    content: bytes
    create_time: datetime | None
    replaces: datetime | None


def new_speaker(request: CreateSpeakerRequest) -> tuple[SpeakerName, NewSpeaker]:
    """Reads CreateSpeaker."""
    speaker = request.speaker
    name = SpeakerName(
        names.parse_library("parent", request.parent),
        names.check_id("speaker_id", request.speaker_id),
    )
    return name, NewSpeaker(
        display_name=fields.text("speaker.display_name", speaker),
        metadata=fields.metadata("speaker.metadata", speaker),
        request_id=fields.request_id(request),
    )


def agreement(request: RecordVoiceprintRequest) -> float | None:
    """Returns the agreement of RecordVoiceprint; None if it is not set."""
    return fields.within("agreement", request) if request.HasField("agreement") else None


def speaker_changes(speaker: Speaker, changed: Iterable[str]) -> dict[str, Any]:
    """Returns the new values of the fields that a mask names."""
    values: dict[str, Any] = {}
    if "display_name" in changed:
        values["display_name"] = fields.text("speaker.display_name", speaker)
    if "metadata" in changed:
        values["metadata"] = fields.metadata("speaker.metadata", speaker)
    return values


def speaker_query(request: ListSpeakersRequest) -> SpeakerQuery:
    """Reads the filter of ListSpeakers."""
    before = request.update_time_before
    return SpeakerQuery(
        state=speaker_state("state", request.state),
        update_time_before=fields.time("update_time_before", before)
        if request.HasField("update_time_before")
        else None,
    )


def speaker_state(field: str, value: int) -> SpeakerState | None:
    """Returns a state of speakers; None if it is not set."""
    return SpeakerState(fields.choice(field, value, SpeakerState)) if value else None


def wanted(request: LookupSpeakersRequest) -> tuple[list[str], list[str]]:
    """Returns the uids and {speaker} parts of the speakers to look up."""
    fields.lookup("uids", len(request.uids) + len(request.speaker_ids), request)
    return list(request.uids), list(request.speaker_ids)


def clips(
    name: SpeakerName, request: AddEnrollmentsRequest | RemoveEnrollmentsRequest
) -> list[str]:
    """Returns the {clip} parts of clips of a speaker's library."""
    fields.batch("clips", request)
    found = [names.parse_clip("clips", text) for text in request.clips]
    for clip in found:
        if clip.library != name.library:
            rule = f"must be clips of {names.library_name(name.library)}"
            raise fields.invalid("clips", str(clip), rule)
    return [clip.clip for clip in found]


def new_calibration(request: PutCalibrationRequest) -> NewCalibration:
    """Reads PutCalibration."""
    value = request.calibration
    size = value.ByteSize()
    if size > MAX_CALIBRATION_BYTES:
        raise fields.invalid(
            "calibration", f"{size} bytes", f"must be at most {MAX_CALIBRATION_BYTES} bytes"
        )
    made = value.HasField("create_time")
    content = Calibration()
    content.CopyFrom(value)
    for kept_beside in ("name", "create_time", "update_time"):
        content.ClearField(kept_beside)
    return NewCalibration(
        library=names.parse_calibration("calibration.name", value.name),
        model=names.check_model("calibration.model", value.model),
        content=content.SerializeToString(),
        create_time=fields.time("calibration.create_time", value.create_time) if made else None,
        replaces=fields.time("replaces", request.replaces)
        if request.HasField("replaces")
        else None,
    )
