"""Reads pages of lists of clips, each in a time that does not depend on the size of the library."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection

from catalog_service.clips import rows as clip_rows
from catalog_service.clips.filter import ClipQuery
from catalog_service.clips.rows import ClipRow
from catalog_service.database.database import Database
from catalog_service.libraries import rows as library_rows
from catalog_service.paging import Page, refuse

STRETCH = 20_000
"""Clips that one statement looks at."""
_STRETCHES = 10
_SECONDS = 1.0
"""A page that took so long already looks at no more clips."""


async def read(
    database: Database, library: str, query: ClipQuery, page: Page
) -> tuple[Sequence[ClipRow], str]:
    """Returns a page of clips in the order of the query, and the token of the next page.

    With conditions or an order that no index serves, it looks at a stretch of the list at a time,
    and at few stretches: the page may have fewer clips than asked for, or none, and yet a page may
    follow.

    Raises:
        ServiceError: LIBRARY_NOT_FOUND, FIELD_INVALID (the token is none of this list).
    """
    if page.after is not None:
        try:
            query.check(page.after)
        except ValueError:
            raise refuse(page.after) from None
    if not query.scans:
        rows = await database.read(lambda c: _rows(c, library, query, page.after, page.size + 1))
        return page.cut(rows, query.key)
    found: list[ClipRow] = []
    after, begin = page.after, time.monotonic()
    for _ in range(_STRETCHES):
        stretch = partial(_stretch, library, query, after, page.size + 1 - len(found))
        rows, after = await database.read(stretch)
        found += rows
        if after is None or len(found) > page.size:
            return page.cut(found, query.key)
        if time.monotonic() - begin > _SECONDS:
            break
    return found, page.token(after or "")


def _rows(
    connection: Connection, library: str, query: ClipQuery, after: str | None, limit: int
) -> Sequence[ClipRow]:
    found = clip_rows.fetch(connection, query.statement(library, after, limit))
    if not found:
        library_rows.get(connection, library)
    return found


def _stretch(
    library: str, query: ClipQuery, after: str | None, limit: int, connection: Connection
) -> tuple[Sequence[ClipRow], str | None]:
    """Returns the clips of a stretch that fit, and the key of its end; None if the list ends."""
    end = connection.execute(query.reach(library, after, STRETCH)).one_or_none()
    if end is None:
        return _rows(connection, library, query, after, limit), None
    until = query.key(end)
    return clip_rows.fetch(connection, query.statement(library, after, limit, until)), until
