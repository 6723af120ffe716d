"""Every reason has the HTTP status that google.rpc.Code maps it to, or one that says more."""

from __future__ import annotations

import json

import pytest

from gateway.rest.http.errors import error_json, http_status
from serving.errors import Reason, ServiceError

STATUSES = {
    400: "FIELD_INVALID AUDIO_TOO_SHORT AUDIO_TOO_LONG AUDIO_UNDECODABLE AUDIO_SILENT "
    "AUDIO_CHANNEL_MISSING MODEL_MISMATCH MODEL_WITHOUT_TAGS LIBRARY_NOT_EMPTY STATE_CONFLICT "
    "CATALOG_NOT_EMPTY BACKUP_INCOMPATIBLE FILE_CHANGED AUDIO_CHANGED "
    "SPEAKER_NOT_ENROLLED SPEAKERS_TOO_FEW VOICE_MISMATCH",
    401: "KEY_MISSING KEY_INVALID",
    403: "RIGHT_MISSING PATH_NOT_ALLOWED ORIGIN_NOT_ALLOWED",
    404: "LIBRARY_NOT_FOUND CLIP_NOT_FOUND AUDIO_NOT_FOUND MODEL_NOT_FOUND INDEX_NOT_FOUND "
    "QUERY_NOT_FOUND "
    "IMPORT_JOB_NOT_FOUND PATH_NOT_FOUND ROUTE_NOT_FOUND SPEAKER_NOT_FOUND "
    "CALIBRATION_NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "LIBRARY_EXISTS CLIP_EXISTS SPEAKER_EXISTS CLIP_ENROLLED",
    413: "BODY_TOO_LARGE",
    415: "ENCODING_UNSUPPORTED",
    416: "RANGE_INVALID",
    429: "ENCODER_BUSY CATALOG_BUSY INDEX_BUSY GATEWAY_BUSY QUOTA_EXCEEDED",
    500: "INTERNAL AUDIO_DAMAGED AUDIO_MISSING BACKUP_INCOMPLETE BACKUP_DAMAGED SHARD_DAMAGED",
    503: "INDEX_UNAVAILABLE CATALOG_UNAVAILABLE EMBEDDING_UNAVAILABLE GATEWAY_UNAVAILABLE "
    "OBJECT_STORE_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED STREAM_IDLE",
    507: "STORAGE_FULL",
}
BY_REASON = {name: status for status, names in STATUSES.items() for name in names.split()}


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_has_its_status(reason: Reason) -> None:
    """A new one has to be thought of here."""
    error = ServiceError(reason, "why; what to do", {"field": "x"})
    assert http_status(error) == BY_REASON[reason.value]
    status = json.loads(error_json(error))["error"]
    assert (status["code"], status["status"]) == (BY_REASON[reason.value], reason.code.name)
