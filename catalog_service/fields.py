"""Checks the fields of requests. Each check raises FIELD_INVALID, which names the field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from audiosearch.catalog.v1.clip_pb2 import Failure
from audiosearch.limits.v1.limits_pb2 import Limits
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from serving import limits
from serving.errors import Reason, ServiceError

MAX_PAGE = 1000
DEFAULT_PAGE = 100
DEFAULT_LEASE = timedelta(seconds=30)
_SHOWN = 80
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


def _of(field: str, holder: Message) -> tuple[Any, Limits]:
    """Returns the value and the limits of the field of `holder` that a path ends with."""
    name = field.rpartition(".")[2]
    return getattr(holder, name), limits.of(holder, name)


def text(field: str, holder: Message) -> str:
    """Returns the text of a field if it is not too long and has no control characters.

    Args:
        field: Path of the field in the request, such as `clip.label`, for the error.
        holder: The message that has the last part of the path.
    """
    value, limit = _of(field, holder)
    return _line(field, value, limit.min_length, limit.max_length)


def _line(field: str, value: str, least: int, most: int) -> str:
    if len(value) < least:
        raise invalid(field, value, f"must be {least} to {most} characters")
    if len(value) > most:
        raise invalid(field, value, f"must be at most {most} characters, it has {len(value)}")
    if limits.CONTROL.search(value):
        raise invalid(field, repr(value), "must have no control characters")
    return value


def path(field: str, holder: Message) -> str:
    """Returns the path of a field, as `text`. It may have any character except that of code 0."""
    value, limit = _of(field, holder)
    if len(value) < limit.min_length:
        raise invalid(
            field, value, f"must be a path of {limit.min_length} to {limit.max_length} characters"
        )
    if len(value) > limit.max_length or "\0" in value:
        raise invalid(field, value, f"must be a path of at most {limit.max_length} characters")
    return str(value)


def shortened(field: str, holder: Message) -> str:
    """Returns the start of a text that describes a failure. It never raises an error itself."""
    value, limit = _of(field, holder)
    return limits.CONTROL.sub(" ", value[: limit.max_length])


def failure(field: str, value: Failure) -> tuple[str, str]:
    """Reason and message. The message is shortened: telling of a failure must not fail."""
    return (
        text(f"{field}.reason", value),
        shortened(f"{field}.message", value),
    )


def request_id(request: Message) -> str | None:
    """Returns the request id without blanks at its end, which MySQL ignores; None if empty."""
    return text("request_id", request).rstrip(" ") or None


def sha256(field: str, value: str) -> str:
    """Returns the hash if it is valid."""
    if not _SHA256.fullmatch(value):
        raise invalid(field, value, "must be 64 of the characters 0-9 a-f")
    return value


def batch(field: str, request: Message) -> None:
    """Checks the number of entries of a batch."""
    value, limit = _of(field, request)
    if not limit.min_items <= len(value) <= limit.max_items:
        rule = f"must be {limit.min_items} to {limit.max_items} entries"
        raise invalid(field, f"{len(value)} entries", rule)


def lookup(field: str, length: int, request: Message) -> None:
    """Checks the number of ids to look up, by the limits of the field."""
    most = limits.of(request, field).max_items
    if not 1 <= length <= most:
        raise invalid(field, f"{length} ids", f"must be 1 to {most} ids")


def metadata(field: str, holder: Message) -> dict[str, str]:
    """Returns the entries of a field, as `text`, if there are not too many and none is too long."""
    entries(field, holder)
    value, limit = _of(field, holder)
    for key, entry in value.items():
        _line(f"{field}.key", key, 1, limit.max_key_length)
        if len(entry) > limit.max_length or "\0" in entry:
            raise invalid(
                f"{field}[{key}]",
                entry,
                f"must be at most {limit.max_length} characters, none of code 0",
            )
    return dict(value)


def entries(field: str, holder: Message) -> None:
    """Checks that a list is not too long."""
    value, limit = _of(field, holder)
    if len(value) > limit.max_items:
        rule = f"must have at most {limit.max_items} entries"
        raise invalid(field, f"{len(value)} entries", rule)


def texts(field: str, holder: Message) -> None:
    """Checks the texts of a list, as `text`, and that it is not too long."""
    entries(field, holder)
    value, limit = _of(field, holder)
    for number, each in enumerate(value):
        _line(f"{field}[{number}]", each, limit.min_length, limit.max_length)


def channel(field: str, holder: Message) -> int:
    """Returns the number of a channel; 0 means all of them."""
    value, limit = _of(field, holder)
    return count(field, value, int(limit.maximum))


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


def within(field: str, holder: Message) -> float:
    """Returns the number of a field if it is one, and within the field's limits."""
    value, limit = _of(field, holder)
    if not limit.minimum <= value <= limit.maximum:
        raise invalid(field, value, f"must be from {limit.minimum:g} to {limit.maximum:g}")
    return float(value)


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


def lease(request: Message) -> timedelta:
    """Returns the length of a worker's lease of a job; the default if the request has none."""
    return claimed(request) if request.HasField("lease") else DEFAULT_LEASE


def claimed(request: Message) -> timedelta:
    """Returns the length of a worker's lease, which the request must have."""
    value, limit = _of("lease", request)
    length = value.seconds + value.nanos / 1e9
    if not limit.minimum <= length <= limit.maximum:
        rule = f"must be from {limit.minimum:g} s to {limit.maximum:g} s"
        raise invalid("lease", f"{length} s", rule)
    return timedelta(seconds=length)
