"""Which clips a list holds, as conditions that mean the same on every database.

MySQL takes `a` and `a ` for equal, SQLite's LIKE takes `a` and `A` for equal. A comparison, which
an index can serve, together with LIKE is exact on both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, ColumnElement

from catalog_service.names import first_id
from catalog_service.schema import clips
from catalog_service.states import ClipState

_ESCAPE = "/"
_LAST = "\U0010ffff"


@dataclass(frozen=True)
class ClipQuery:
    """What a clip must be to be listed; None means anything."""

    state: ClipState
    label: str | None
    speaker: str | None
    display_name_prefix: str
    create_time_from: datetime | None
    create_time_before: datetime | None
    update_time_before: datetime | None
    import_job: str | None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """All conditions on a row of clips."""
        yield clips.c.state == self.state
        if self.label is not None:
            yield from _equals(clips.c.label, self.label)
        if self.speaker is not None:
            yield from _equals(clips.c.speaker, self.speaker)
        if self.display_name_prefix:
            yield from _begins(clips.c.display_name, self.display_name_prefix)
        if self.import_job is not None:
            yield clips.c.import_job == self.import_job
        yield from self._times()

    def _times(self) -> Iterator[ColumnElement[bool]]:
        # Ids begin with the time, so the index that orders the list serves these two as well.
        if self.create_time_from is not None:
            yield clips.c.create_time >= self.create_time_from
            yield clips.c.id >= first_id(self.create_time_from)
        if self.create_time_before is not None:
            yield clips.c.create_time < self.create_time_before
            yield clips.c.id <= first_id(self.create_time_before)[:10] + "z" * 16
        if self.update_time_before is not None:
            yield clips.c.update_time < self.update_time_before


def _equals(column: Column[str], text: str) -> Iterator[ColumnElement[bool]]:
    yield column == text
    yield column.like(_literal(text), escape=_ESCAPE)


def _begins(column: Column[str], prefix: str) -> Iterator[ColumnElement[bool]]:
    yield column >= prefix
    yield column < prefix + _LAST * 8
    yield column.like(_literal(prefix) + "%", escape=_ESCAPE)


def _literal(text: str) -> str:
    """The text as a pattern that matches itself."""
    for special in (_ESCAPE, "%", "_"):
        text = text.replace(special, _ESCAPE + special)
    return text
