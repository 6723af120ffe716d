"""Places in a recording: seconds, and the `mm:ss` that people read and type."""

from __future__ import annotations

import re

from audiosearch.embedding.v1.embedding_pb2 import TimeRange
from google.protobuf.duration_pb2 import Duration

_FORM = re.compile(r"(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,6}(?:\.\d{1,3})?)", re.ASCII)
_MINUTE = 60


def seconds_of(text: str) -> float:
    """The seconds that `70`, `1:10`, `1:10.5` or `1:02:03` stand for.

    Raises:
        ValueError: if the text is none of these forms, or has 60 or more behind a colon.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no time such as 70, 1:10 or 1:02:03")
    hours, minutes, seconds = found.groups()
    if (minutes and float(seconds) >= _MINUTE) or (hours and int(minutes) >= _MINUTE):
        raise ValueError(f"{text!r} has 60 or more behind a colon")
    return int(hours or 0) * 3600 + int(minutes or 0) * _MINUTE + float(seconds)


def range_of(text: str) -> TimeRange:
    """The part that `1:10-1:30` stands for. `1:10-` goes to the end, `-1:30` begins at the start.

    Raises:
        ValueError: if the text is no such part, or its end is not behind its start.
    """
    start, dash, end = (each.strip() for each in text.partition("-"))
    if not dash or not (start or end):
        raise ValueError(f"{text!r} is no part such as 1:10-1:30")
    begin, stop = seconds_of(start or "0"), seconds_of(end) if end else None
    if stop is not None and stop <= begin:
        raise ValueError(f"{text!r} ends before it begins")
    return part(begin, stop)


def part(start: float, end: float | None = None) -> TimeRange:
    """The part of a recording from one second to another, or to its end."""
    found = TimeRange(start_offset=_duration(start))
    if end is not None:
        found.end_offset.CopyFrom(_duration(end))
    return found


def told(offset: Duration) -> str:
    """An offset as `mm:ss`, or `h:mm:ss` from an hour on, in whole seconds."""
    whole = (offset.ToMilliseconds() + 500) // 1000
    sign, whole = ("-" if whole < 0 else ""), abs(whole)
    minutes, seconds = divmod(whole, _MINUTE)
    if minutes < _MINUTE:
        return f"{sign}{minutes:02}:{seconds:02}"
    return f"{sign}{minutes // _MINUTE}:{minutes % _MINUTE:02}:{seconds:02}"


def told_range(start: Duration, end: Duration) -> str:
    """A part as `mm:ss-mm:ss`."""
    return f"{told(start)}-{told(end)}"


def _duration(seconds: float) -> Duration:
    found = Duration()
    found.FromMilliseconds(round(1000 * seconds))
    return found
