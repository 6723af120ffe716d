"""Builds the statements of lists of clips: filter, order and index.

Each list is read along one index of the same order, so that the cost of a page depends on its size
alone. Statements name the index, because planners choose wrong ones for tables without statistics.

To MySQL `a` and `a ` are equal; to SQLite's LIKE `a` and `A` are equal. A comparison, which uses an
index, together with LIKE is exact on both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, or_

from catalog_service.clips.rows import ALL, ClipRow, along, uid_of
from catalog_service.database.schema import clips
from catalog_service.database.states import ClipState
from catalog_service.names import first_id

_ESCAPE = "/"
_LAST = "\U0010ffff"
_ID_LENGTH = 26


@dataclass(frozen=True)
class ClipQuery:
    """A filter of clips. None means any value."""

    state: ClipState
    label: str | None = None
    speaker: str | None = None
    display_name_prefix: str = ""
    create_time_from: datetime | None = None
    create_time_before: datetime | None = None
    update_time_before: datetime | None = None
    import_job: str | None = None
    enrolled_as: str | None = None

    def statement(self, library: str, after: str | None, limit: int) -> Select[Any]:
        """Returns the statement of at most `limit` clips after the key `after`, in order.

        Raises:
            ValueError: `after` is no key of this list.
        """
        index, order = self._path()
        statement = ALL.where(clips.c.library_uid == uid_of(library), *self._conditions())
        if after is not None:
            statement = statement.where(*_behind(order, after))
        columns = [clips.c.id] if order is clips.c.id else [order, clips.c.id]
        page = statement.order_by(*columns).limit(limit)
        return along(page.with_hint(clips, f"INDEXED BY {index}", "sqlite"), index)

    def key(self, row: ClipRow) -> str:
        """Returns the key of a clip in the list."""
        _, order = self._path()
        if order is clips.c.display_name:
            return row.id + row.display_name
        if order is clips.c.update_time:
            return row.id + row.update_time.isoformat()
        return row.id

    def _path(self) -> tuple[str, Column[Any]]:
        """Returns the index to read along, and the column of its order."""
        if self.display_name_prefix:
            return "ix_clips_display_name", clips.c.display_name
        if self.update_time_before is not None:
            return "ix_clips_update_time", clips.c.update_time
        for index, wanted in (
            ("ix_clips_enrolled", self.enrolled_as),
            ("ix_clips_speaker", self.speaker),
            ("ix_clips_label", self.label),
            ("ix_clips_import_job", self.import_job),
        ):
            if wanted is not None:
                return index, clips.c.id
        return "ix_clips_state", clips.c.id

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        yield clips.c.state == self.state
        if self.label is not None:
            yield from _equals(clips.c.label, self.label)
        if self.speaker is not None:
            yield from _equals(clips.c.speaker, self.speaker)
        if self.display_name_prefix:
            yield from _begins(clips.c.display_name, self.display_name_prefix)
        if self.import_job is not None:
            yield clips.c.import_job == self.import_job
        if self.enrolled_as is not None:
            yield clips.c.enrolled_as == self.enrolled_as
        yield from self._times()

    def _times(self) -> Iterator[ColumnElement[bool]]:
        # Ids begin with the time of creation, so the index of the order serves these two as well.
        if self.create_time_from is not None:
            yield clips.c.create_time >= self.create_time_from
            yield clips.c.id >= first_id(self.create_time_from)
        if self.create_time_before is not None:
            yield clips.c.create_time < self.create_time_before
            yield clips.c.id <= first_id(self.create_time_before)[:10] + "z" * 16
        if self.update_time_before is not None:
            yield clips.c.update_time < self.update_time_before


def _behind(order: Column[Any], after: str) -> Iterator[ColumnElement[bool]]:
    clip, text = after[:_ID_LENGTH], after[_ID_LENGTH:]
    if order is clips.c.id:
        yield clips.c.id > clip
        return
    last: Any = text
    if order is clips.c.update_time:
        last = datetime.fromisoformat(text)
    # The first condition finds the place in the index. The second skips rows of earlier pages.
    yield order >= last
    yield or_(order > last, clips.c.id > clip)


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
