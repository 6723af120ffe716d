"""Builds the expressions of conditions, which mean the same as `serving.conditions.fits`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from audiosearch.filter.v1.filter_pb2 import Condition
from sqlalchemy import ColumnElement, not_, or_

from catalog_service.clips import tags
from catalog_service.database.functions import contains_of, entry_of, exact, number_of
from catalog_service.database.schema import clips
from serving.conditions import NUMBERS, TAG, metadata_key, thousandths, units

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST = datetime.min.replace(tzinfo=timezone.utc)
_LAST = datetime.max.replace(tzinfo=timezone.utc) - timedelta(microseconds=1)


def expressions(conditions: Iterable[Condition]) -> Iterator[ColumnElement[bool]]:
    """Returns expressions that are true together for the clips that fit all conditions."""
    for condition in conditions:
        if condition.field in NUMBERS:
            yield from _ranged(condition)
        elif condition.field == TAG:
            yield _tagged(condition)
        else:
            yield from _compared(condition)


def value_of(field: str) -> ColumnElement[str]:
    """Returns the text of a field; NULL for a clip that has none."""
    key = metadata_key(field)
    if key is not None:
        return entry_of(clips.c.metadata, key)
    column: ColumnElement[str] = clips.c["enrolled_as" if field == "enrolled_speaker" else field]
    return column


def time_of(seconds: float) -> datetime:
    """Returns a bound in seconds since 1970 as a time, the nearest one that can be a clip's."""
    microseconds = units(seconds, NUMBERS["create_time"])
    least, most = ((end - _EPOCH) // timedelta(microseconds=1) for end in (_FIRST, _LAST))
    return _EPOCH + timedelta(microseconds=min(max(microseconds, least), most))


def _ranged(condition: Condition) -> Iterator[ColumnElement[bool]]:
    bounds = condition.range
    column: ColumnElement[Any] = clips.c.create_time
    low: Any = time_of(bounds.minimum)
    high: Any = time_of(bounds.maximum)
    if condition.field == "duration":
        column = clips.c.duration_ns
        yield column.is_not(None)
        low, high = (units(it, NUMBERS["duration"]) for it in (bounds.minimum, bounds.maximum))
    if bounds.HasField("minimum"):
        yield column >= low
    if bounds.HasField("maximum"):
        yield column <= high


def _tagged(condition: Condition) -> ColumnElement[bool]:
    if condition.WhichOneof("test") == "none_of":
        return not_(tags.any_of(condition.none_of.values, thousandths(condition.none_of.min_score)))
    return tags.any_of(condition.any_of.values, thousandths(condition.any_of.min_score))


def _compared(condition: Condition) -> Iterator[ColumnElement[bool]]:
    value, test = value_of(condition.field), condition.WhichOneof("test")
    if test == "any_of":
        values = sorted(set(condition.any_of.values))
        if metadata_key(condition.field) is None:
            yield value.in_(values)  # a column is compared faster so, if not exactly
        yield exact(value).in_(values)
    elif test == "none_of":
        others = exact(value).not_in(sorted(set(condition.none_of.values)))
        yield or_(value.is_(None), others) if metadata_key(condition.field) else others
    elif test == "contains":
        yield contains_of(value, condition.contains)
    else:
        found, bounds = number_of(value), condition.range
        yield found.is_not(None)
        if bounds.HasField("minimum"):
            yield found >= bounds.minimum
        if bounds.HasField("maximum"):
            yield found <= bounds.maximum
