"""Translates speakers and calibrations into messages of the contract."""

from __future__ import annotations

from audiosearch.catalog.v1.calibration_pb2 import Calibration
from audiosearch.catalog.v1.speaker_pb2 import Speaker

from catalog_service import answers
from catalog_service.names import calibration_name, speaker_name
from catalog_service.speakers.calibrations import StoredCalibration
from catalog_service.speakers.rows import SpeakerRow
from serving.speech import AGREES, ENOUGH_SECONDS

_ENOUGH_SPEECH_NS = round(ENOUGH_SECONDS * 10**9)


def speaker(parent: str, row: SpeakerRow) -> Speaker:
    """Returns a speaker of a library."""
    parts: answers.Parts = {
        "speech_duration": answers.duration(row.speech_ns),
        "wanted_speech_duration": answers.duration(max(0, _ENOUGH_SPEECH_NS - row.speech_ns)),
        "create_time": answers.time(row.create_time),
        "update_time": answers.time(row.update_time),
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
        agreement=row.agreement,
        consistency=_consistency(row.agreement),
        **parts,
    )


def _consistency(agreement: float | None) -> Speaker.Consistency.ValueType:
    if agreement is None:
        return Speaker.CONSISTENCY_UNSPECIFIED
    return Speaker.CONSISTENCY_GOOD if agreement >= AGREES else Speaker.CONSISTENCY_LOW


def calibration(library: str, stored: StoredCalibration) -> Calibration:
    """Returns the calibration of a library."""
    message = Calibration.FromString(stored.content)
    message.name = calibration_name(library)
    message.create_time.FromDatetime(stored.create_time)
    message.update_time.FromDatetime(stored.update_time)
    return message
