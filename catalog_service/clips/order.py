"""The orders of lists of clips, and the expressions for the clips before and behind a place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, or_

from catalog_service.clips.rows import ClipRow
from catalog_service.database.schema import clips

_ID_LENGTH = 26
COLUMNS = {
    "display_name": clips.c.display_name,
    "duration": clips.c.duration_ns,
    "create_time": clips.c.id,
}
"""The columns of the orders that a caller can name. Ids begin with the time of creation."""


@dataclass(frozen=True)
class Order:
    """An order by a column, and by id where that is equal. Clips without a value come first.

    The key of a clip, of which page tokens are made, is its id and its value.
    """

    column: Column[Any] = clips.c.id
    descending: bool = False

    @property
    def columns(self) -> list[ColumnElement[Any]]:
        """The columns to order by."""
        found = dict.fromkeys((self.column, clips.c.id))
        return [each.desc() if self.descending else each for each in found]

    def key(self, row: ClipRow | Row[Any]) -> str:
        """Returns the key of a clip."""
        if self.column is clips.c.id:
            return str(row.id)
        value = getattr(row, self.column.name)
        if isinstance(value, datetime):
            value = value.isoformat()
        return f"{row.id}{'' if value is None else value}"

    def behind(self, after: str) -> Iterator[ColumnElement[bool]]:
        """Returns the expressions for the clips behind a key.

        Raises:
            ValueError: It is no key of this order.
        """
        return self._beyond(after, descending=self.descending, with_it=False)

    def within(self, until: str) -> Iterator[ColumnElement[bool]]:
        """Returns the expressions for the clips up to a key."""
        return self._beyond(until, descending=not self.descending, with_it=True)

    def _beyond(
        self, key: str, *, descending: bool, with_it: bool
    ) -> Iterator[ColumnElement[bool]]:
        column, clip, last = self.column, key[:_ID_LENGTH], self._value(key[_ID_LENGTH:])
        beside = clips.c.id < clip if descending else clips.c.id > clip
        if with_it:
            beside = clips.c.id <= clip if descending else clips.c.id >= clip
        if column is clips.c.id:
            yield beside
        elif last is None and descending:
            yield column.is_(None)
            yield beside
        elif last is None:
            yield or_(column.is_not(None), beside)
        else:
            at, further = column >= last, column > last
            if descending:
                at, further = column <= last, column < last
            if descending and column.nullable:
                at, further = or_(at, column.is_(None)), or_(further, column.is_(None))
            # The first condition finds the place in the index. The second skips earlier rows.
            yield at
            yield or_(further, beside)

    def _value(self, text: str) -> Any:
        if self.column is clips.c.update_time:
            return datetime.fromisoformat(text)
        if self.column is clips.c.duration_ns:
            return int(text) if text else None
        return text
