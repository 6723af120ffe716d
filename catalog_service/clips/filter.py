"""Builds the statements of lists of clips: filter, order and index.

Each list is read along one index of the same order, so that the cost of a page depends on its size
alone. A list whose filter no index serves in its order is read a stretch at a time. Statements name
the index, because planners choose wrong ones for tables without statistics.

To MySQL `a` and `a ` are equal; to SQLite's LIKE `a` and `A` are equal. A comparison, which uses an
index, together with LIKE is exact on both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from audiosearch.filter.v1.filter_pb2 import Condition
from sqlalchemy import Column, ColumnElement, Row, Select, func, select

from catalog_service.clips import conditions as its_conditions
from catalog_service.clips.order import Order
from catalog_service.clips.rows import ALL, ClipRow, along, uid_of
from catalog_service.database.functions import exact
from catalog_service.database.schema import clip_tags, clips
from catalog_service.database.states import ClipState
from catalog_service.names import first_id
from serving.conditions import metadata_key

_ESCAPE = "/"
_LAST = "\U0010ffff"
_BY_STATE = "ix_clips_state"
_EQUAL = {
    "enrolled_as": "ix_clips_enrolled",
    "speaker": "ix_clips_speaker",
    "label": "ix_clips_label",
    "import_job": "ix_clips_import_job",
}
"""The indexes of columns that a clip can be listed by, the narrowest first."""
_ORDERED = {
    "display_name": "ix_clips_display_name",
    "update_time": "ix_clips_update_time",
    "duration_ns": "ix_clips_duration",
}
"""The indexes of the columns that lists can be ordered by."""
_INDEXED = {"label": "label", "speaker": "speaker", "enrolled_speaker": "enrolled_as"}
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class ClipQuery:
    """A filter of clips and their order. None means any value; no order, that of the filter."""

    state: ClipState
    label: str | None = None
    speaker: str | None = None
    display_name_prefix: str = ""
    create_time_from: datetime | None = None
    create_time_before: datetime | None = None
    update_time_before: datetime | None = None
    import_job: str | None = None
    enrolled_as: str | None = None
    conditions: tuple[Condition, ...] = ()
    order: Order | None = None

    @property
    def scans(self) -> bool:
        """True if clips are looked at that no index tells apart from those of the query."""
        if self.conditions or self.order is None:
            return bool(self.conditions)
        index, order = self._path()
        others = [column for column in _EQUAL if _EQUAL[column] != index]
        told = any(getattr(self, column) is not None for column in others)
        by_name = order.column is clips.c.display_name
        times = (self.create_time_from, self.create_time_before, self.update_time_before)
        return told or bool(self.display_name_prefix and not by_name) or any(times)

    def narrowed(self, conditions: Iterable[Condition]) -> ClipQuery:
        """Returns the query with conditions. Those that an index serves become fields of it."""
        query = self
        for condition in conditions:
            query = query._and(condition)
        return query

    def check(self, after: str) -> None:
        """Raises ValueError if `after` is no key of this list."""
        _, order = self._path()
        list(order.behind(after))

    def statement(
        self, library: str, after: str | None, limit: int, until: str | None = None
    ) -> Select[Any]:
        """Returns the statement of at most `limit` clips after the key `after`, in order.

        With `until`, they are at most those up to that key.
        """
        _, order = self._path()
        statement = ALL.where(clips.c.library_uid == uid_of(library), *self._where())
        if after is not None:
            statement = statement.where(*order.behind(after))
        if until is not None:
            statement = statement.where(*order.within(until))
        return self._in_order(statement).limit(limit)

    def reach(self, library: str, after: str | None, count: int) -> Select[Any]:
        """Returns the statement of the place that is `count` clips after the key `after`.

        It counts the clips along the index, whatever else they must fit. There is none if the list
        ends before.
        """
        _, order = self._path()
        statement = select(*dict.fromkeys((order.column, clips.c.id))).where(
            clips.c.library_uid == uid_of(library), *self._indexed()
        )
        if after is not None:
            statement = statement.where(*order.behind(after))
        return self._in_order(statement).offset(count - 1).limit(1)

    def counts(self, library: str, field: str, limit: int) -> Select[Any]:
        """Returns the statement of the most frequent values of a field.

        Each row has a value and its clips, and the numbers of all values and of all clips.
        """
        index, _ = self._path()
        if index == _BY_STATE and not self.conditions:
            index = _EQUAL.get(_INDEXED.get(field, ""), index)
        text = its_conditions.value_of(field)
        value = exact(func.coalesce(text, "") if metadata_key(field) else text).label("value")
        statement: Any = (
            select(value, func.count().label("clips"))
            .where(clips.c.library_uid == uid_of(library), *self._where())
            .group_by(value)
        )
        each = _along(statement, index).subquery()
        return (
            select(each, func.count().over(), func.sum(each.c.clips).over())
            .order_by(each.c.clips.desc(), each.c.value)
            .limit(limit)
        )

    def tag_counts(self, library: str, limit: int) -> Select[Any]:
        """Returns the statement of the most frequent tags, as `counts` does for a field."""
        index, _ = self._path()
        value = exact(func.coalesce(clip_tags.c.name, "")).label("value")
        here = clips.c.library_uid == uid_of(library), *self._where()
        every = _along(select(func.count()).select_from(clips).where(*here), index)
        statement: Any = (
            select(value, func.count().label("clips"))
            .select_from(clips)
            .outerjoin(clip_tags, clip_tags.c.clip_id == clips.c.id)
            .where(*here)
            .group_by(value)
        )
        each = _along(statement, index).subquery()
        return (
            select(each, func.count().over(), every.scalar_subquery())
            .order_by(each.c.clips.desc(), each.c.value)
            .limit(limit)
        )

    def newest(self, library: str, count: int) -> Select[Any]:
        """Returns the statement of the names and labels of the newest clips."""
        index, _ = self._path()
        statement = (
            select(clips.c.id, clips.c.display_name, clips.c.label)
            .where(clips.c.library_uid == uid_of(library), *self._where())
            .order_by(clips.c.id.desc())
        )
        return _along(statement, index).limit(count)

    def fitting(self) -> Iterator[ColumnElement[bool]]:
        """Returns the expressions that are true together for the clips of the query."""
        return self._where()

    def key(self, row: ClipRow | Row[Any]) -> str:
        """Returns the key of a clip in the list."""
        _, order = self._path()
        return order.key(row)

    def _path(self) -> tuple[str, Order]:
        """Returns the index to read along, and its order."""
        order = self.order
        if order is None and self.display_name_prefix:
            order = Order(clips.c.display_name)
        elif order is None and self.update_time_before is not None:
            order = Order(clips.c.update_time)
        order = order or Order()
        if order.column is not clips.c.id:
            return _ORDERED[order.column.name], order
        for column, index in _EQUAL.items():
            if getattr(self, column) is not None:
                return index, order
        return _BY_STATE, order

    def _in_order(self, statement: Select[Any]) -> Select[Any]:
        index, order = self._path()
        return _along(statement.order_by(*order.columns), index)

    def _and(self, condition: Condition) -> ClipQuery:
        attribute = _INDEXED.get(condition.field, "")
        values = set(condition.any_of.values)
        if attribute and len(values) == 1 and getattr(self, attribute) is None:
            only: dict[str, Any] = {attribute: values.pop()}
            return replace(self, **only)
        if condition.field != "create_time":
            return replace(self, conditions=(*self.conditions, condition))
        query, bounds = self, condition.range
        if bounds.HasField("minimum"):
            low = its_conditions.time_of(bounds.minimum)
            query = replace(query, create_time_from=max(low, query.create_time_from or low))
        if bounds.HasField("maximum"):
            before = its_conditions.time_of(bounds.maximum) + _TICK
            query = replace(
                query, create_time_before=min(before, query.create_time_before or before)
            )
        return query

    def _where(self) -> Iterator[ColumnElement[bool]]:
        yield clips.c.state == self.state
        for column in _EQUAL:
            if getattr(self, column) is not None:
                yield from _equals(clips.c[column], getattr(self, column))
        if self.display_name_prefix:
            yield from _begins(clips.c.display_name, self.display_name_prefix)
        yield from self._times()
        yield from its_conditions.expressions(self.conditions)

    def _indexed(self) -> Iterator[ColumnElement[bool]]:
        """Returns those expressions that the index serves, which a count along it may have."""
        index, order = self._path()
        yield clips.c.state == self.state
        for column, its_index in _EQUAL.items():
            if its_index == index:
                yield clips.c[column] == getattr(self, column)
        if order.column is clips.c.display_name and self.display_name_prefix:
            yield from _begins(clips.c.display_name, self.display_name_prefix)
        elif order.column is clips.c.update_time:
            yield clips.c.update_time < self.update_time_before
        elif order.column is clips.c.id:
            yield from self._ids()

    def _times(self) -> Iterator[ColumnElement[bool]]:
        # Ids begin with the time of creation, so the index of the order serves these two as well.
        if self.create_time_from is not None:
            yield clips.c.create_time >= self.create_time_from
        if self.create_time_before is not None:
            yield clips.c.create_time < self.create_time_before
        if self.update_time_before is not None:
            yield clips.c.update_time < self.update_time_before
        yield from self._ids()

    def _ids(self) -> Iterator[ColumnElement[bool]]:
        if self.create_time_from is not None:
            yield clips.c.id >= first_id(self.create_time_from)
        if self.create_time_before is not None:
            yield clips.c.id <= first_id(self.create_time_before)[:10] + "z" * 16


def _along(statement: Select[Any], index: str) -> Select[Any]:
    """Returns the statement with an index hint for every database."""
    return along(statement.with_hint(clips, f"INDEXED BY {index}", "sqlite"), index)


def _equals(column: Column[str], text: str) -> Iterator[ColumnElement[bool]]:
    yield column == text
    yield column.like(_literal(text), escape=_ESCAPE)


def _begins(column: Column[str], prefix: str) -> Iterator[ColumnElement[bool]]:
    yield column >= prefix
    yield column < prefix + _LAST * 8
    yield column.like(_literal(prefix) + "%", escape=_ESCAPE)


def _literal(text: str) -> str:
    """Returns a pattern of LIKE that matches the text itself."""
    for special in (_ESCAPE, "%", "_"):
        text = text.replace(special, _ESCAPE + special)
    return text
