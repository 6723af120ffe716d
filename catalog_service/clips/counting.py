"""Counts clips by the value of a field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from catalog_service.clips.filter import ClipQuery
from catalog_service.database.database import Database
from catalog_service.libraries import rows as library_rows
from serving.conditions import TAG


class Counts(NamedTuple):
    """The most frequent values with their clips, and the numbers of all values and of all clips."""

    values: Sequence[tuple[str, int]]
    value_count: int
    clip_count: int


async def count(
    database: Database, library: str, field: str, query: ClipQuery, limit: int
) -> Counts:
    """Counts the clips of a query. A clip without the field counts as one with an empty value.

    A clip counts for each of its tags.

    Raises:
        ServiceError: LIBRARY_NOT_FOUND.
    """

    def read(connection: Connection) -> Counts:
        statement = (
            query.tag_counts(library, limit)
            if field == TAG
            else query.counts(library, field, limit)
        )
        rows = connection.execute(statement).all()
        if not rows:
            library_rows.get(connection, library)
            return Counts([], 0, 0)
        values = [(_text(value), int(clips)) for value, clips, _, _ in rows]
        return Counts(values, int(rows[0][2]), int(rows[0][3]))

    return await database.read(read)


def _text(value: str | bytes) -> str:
    """Returns a value, of which a server answers the bytes."""
    return value.decode() if isinstance(value, bytes) else value
