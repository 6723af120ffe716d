"""Parts of answers that several resources share."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from audiosearch.catalog.v1.clip_pb2 import Failure
from sqlalchemy import Row

from catalog_service.clips.rows import ClipRow

Parts = dict[str, Any]
"""Fields of a message as a mapping, which is faster to build from than messages are."""
_NANOS = 10**9
_DAY_SECONDS = 24 * 60 * 60
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def time(time: datetime) -> Parts:
    """Returns a time as the fields of a Timestamp."""
    since = time - _EPOCH
    return {
        "seconds": since.days * _DAY_SECONDS + since.seconds,
        "nanos": since.microseconds * 1000,
    }


def duration(nanoseconds: int) -> Parts:
    """Returns a duration as the fields of a Duration."""
    return {"seconds": nanoseconds // _NANOS, "nanos": nanoseconds % _NANOS}


def failure(row: ClipRow | Row[Any]) -> Failure:
    """Returns the failure of a clip or an import job."""
    return Failure(reason=row.failure_reason or "", message=row.failure_message or "")
