"""Checks the fields of requests. Each check raises FIELD_INVALID, which names the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone

from audiosearch.catalog.v1.clip_pb2 import Failure
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from serving.errors import Reason, ServiceError

MAX_TEXT = 255
MAX_PATH = 4096
MAX_REQUEST_ID = 64
MAX_PAGE = 1000
DEFAULT_PAGE = 100
MAX_LOOKUP = 1000
MAX_METADATA = 32
MAX_METADATA_KEY = 63
MAX_METADATA_VALUE = 1023
MAX_REASON = 63
MAX_MESSAGE = 1023
DEFAULT_LEASE = timedelta(seconds=30)
MIN_LEASE = timedelta(seconds=1)
MAX_LEASE = timedelta(minutes=10)
MAX_BATCH = 1000
_SHOWN = 80
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MAX_COUNT = 2**63 - 1


def invalid(field: str, value: object, rule: str) -> ServiceError:
    """Returns FIELD_INVALID with the field, the value (shortened) and the rule."""
    shown = str(value) if len(str(value)) <= _SHOWN else f"{str(value)[:_SHOWN]}..."
    return ServiceError(
        Reason.FIELD_INVALID,
        f"{field} {rule}, not {shown!r}",
        {"field": field, "value": shown, "limit": rule},
    )


def text(field: str, value: str, limit: int = MAX_TEXT, *, required: bool = False) -> str:
    """Returns the text if it is not too long and has no control characters."""
    if required and not value:
        raise invalid(field, value, f"must be 1 to {limit} characters")
    if len(value) > limit:
        raise invalid(field, value, f"must be at most {limit} characters, it has {len(value)}")
    if _CONTROL.search(value):
        raise invalid(field, repr(value), "must have no control characters")
    return value


def path(field: str, value: str, *, required: bool = False) -> str:
    """Returns the path if it is valid: it may have any character except the one of code 0."""
    if required and not value:
        raise invalid(field, value, f"must be a path of 1 to {MAX_PATH} characters")
    if len(value) > MAX_PATH or "\0" in value:
        raise invalid(field, value, f"must be a path of at most {MAX_PATH} characters")
    return value


def shortened(value: str, limit: int) -> str:
    """Returns the start of a text that describes a failure. It never raises an error itself."""
    return _CONTROL.sub(" ", value[:limit])


def failure(field: str, value: Failure) -> tuple[str, str]:
    """Reason and message. The message is shortened: telling of a failure must not fail."""
    return (
        text(f"{field}.reason", value.reason, MAX_REASON, required=True),
        shortened(value.message, MAX_MESSAGE),
    )


def request_id(value: str) -> str | None:
    """Returns the request id without blanks at its end, which MySQL ignores; None if empty."""
    return text("request_id", value, MAX_REQUEST_ID).rstrip(" ") or None


def sha256(field: str, value: str) -> str:
    """Returns the hash if it is valid."""
    if not _SHA256.fullmatch(value):
        raise invalid(field, value, "must be 64 of the characters 0-9 a-f")
    return value


def batch(field: str, length: int) -> None:
    """Checks the number of entries of a batch."""
    if not 1 <= length <= MAX_BATCH:
        raise invalid(field, f"{length} entries", f"must be 1 to {MAX_BATCH} entries")


def lookup(field: str, length: int) -> None:
    """Checks the number of ids to look up."""
    if not 1 <= length <= MAX_LOOKUP:
        raise invalid(field, f"{length} ids", f"must be 1 to {MAX_LOOKUP} ids")


def metadata(field: str, value: Mapping[str, str]) -> dict[str, str]:
    """Returns the entries if there are not too many and none is too long."""
    if len(value) > MAX_METADATA:
        raise invalid(field, f"{len(value)} entries", f"must have at most {MAX_METADATA} entries")
    for key, entry in value.items():
        text(f"{field}.key", key, MAX_METADATA_KEY, required=True)
        if len(entry) > MAX_METADATA_VALUE or "\0" in entry:
            raise invalid(
                f"{field}[{key}]",
                entry,
                f"must be at most {MAX_METADATA_VALUE} characters, none of code 0",
            )
    return dict(value)


def page_size(value: int) -> int:
    """Returns the number of entries of a page: the default for 0, at most the maximum."""
    if value < 0:
        raise invalid("page_size", value, f"must be 0 to {MAX_PAGE}")
    return min(value or DEFAULT_PAGE, MAX_PAGE)


def count(field: str, value: int, largest: int = _MAX_COUNT) -> int:
    """Returns the number if it is from 0 to `largest`."""
    if not 0 <= value <= largest:
        raise invalid(field, value, f"must be from 0 to {largest}")
    return value


def choice(field: str, value: int, allowed: Iterable[int]) -> int:
    """Returns the number of an enum value if it is allowed."""
    numbers = sorted(int(number) for number in allowed)
    if value not in numbers:
        raise invalid(field, value, f"must be one of the values numbered {numbers}")
    return value


def mask(field: str, value: FieldMask, allowed: Sequence[str]) -> frozenset[str]:
    """Returns the fields to change: those of the mask, or all allowed for an empty one or `*`."""
    paths = frozenset(value.paths)
    if not paths or paths == {"*"}:
        return frozenset(allowed)
    for unknown in paths.difference(allowed):
        raise invalid(field, unknown, f"must name only {', '.join(allowed)}")
    return paths


def time(field: str, value: Timestamp) -> datetime:
    """Returns a time as a datetime in UTC, to the microsecond."""
    try:
        return value.ToDatetime(tzinfo=timezone.utc)
    except (ValueError, OverflowError) as error:
        raise invalid(field, value.seconds, "must be a time in the years 1 to 9999") from error


def nanoseconds(field: str, value: Duration) -> int:
    """Returns a duration in nanoseconds if it is from 0 to 100 years."""
    total = value.seconds * 10**9 + value.nanos
    return count(field, total, 100 * 366 * 86400 * 10**9)


def lease(value: Duration | None) -> timedelta:
    """Returns the length of a worker's lease of a job; the default for None."""
    if value is None:
        return DEFAULT_LEASE
    length = value.seconds + value.nanos / 1e9
    if not MIN_LEASE.total_seconds() <= length <= MAX_LEASE.total_seconds():
        raise invalid("lease", f"{length} s", "must be from 1 s to 600 s")
    return timedelta(seconds=length)
