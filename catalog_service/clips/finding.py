"""Finds clips by their tags and by parts of their names, the best first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, func, literal, or_, select, union_all

from catalog_service.clips.filter import ClipQuery
from catalog_service.clips.rows import ALL, ClipRow, along, uid_of
from catalog_service.database.database import Database
from catalog_service.database.functions import contains_of
from catalog_service.database.schema import clip_tags, clips
from catalog_service.libraries import rows as library_rows
from catalog_service.paging import Page, refuse

MOST_NAMED = 100_000
"""Clips whose names and labels are looked through, the newest of a library."""


class Term(NamedTuple):
    """A part of a question: tags that it stands for, and texts to look for in names and labels."""

    tags: Sequence[str]
    texts: Sequence[str]


class Found(NamedTuple):
    """A clip that was found."""

    row: ClipRow
    total: int
    """Sum over the terms of the score of the surest of its tags, in thousandths."""
    named: int
    """Terms of which its name or its label holds a text."""

    @property
    def key(self) -> str:
        """The place of the clip in the order."""
        return f"{self.total} {self.named} {self.row.id}"


async def find(
    database: Database, library: str, terms: Sequence[Term], query: ClipQuery, page: Page
) -> tuple[Sequence[Found], str]:
    """Returns a page of clips, the best first, and the token of the next page.

    Raises:
        ServiceError: LIBRARY_NOT_FOUND, FIELD_INVALID (the token is none of this question).
    """
    statement = _statement(library, terms, query)
    if page.after is not None:
        statement = _behind(statement, page.after)

    def read(connection: Connection) -> Sequence[Found]:
        rows = connection.execute(statement.limit(page.size + 1)).all()
        if not rows:
            library_rows.get(connection, library)
        return [Found(ClipRow._make(row[:-2]), int(row[-2]), int(row[-1])) for row in rows]

    return page.cut(await database.read(read), lambda found: found.key)


def _statement(library: str, terms: Sequence[Term], query: ClipQuery) -> Select[Any]:
    """Returns the statement of all clips of a question, with their totals, in order."""
    parts = union_all(*(part for term in terms for part in _parts(library, term, query))).subquery()
    total, named = func.sum(parts.c.total).label("total"), func.sum(parts.c.named).label("named")
    each = select(parts.c.id, total, named).group_by(parts.c.id).subquery("found")
    return (
        ALL.add_columns(each.c.total, each.c.named)
        .join_from(each, clips, clips.c.id == each.c.id)
        .where(clips.c.library_uid == uid_of(library), *query.fitting())
        .order_by(each.c.total.desc(), each.c.named.desc(), clips.c.id)
    )


def _parts(library: str, term: Term, query: ClipQuery) -> Iterator[Select[Any]]:
    """Returns the statements of the clips that the tags and the texts of a term lead to."""
    if term.tags:
        found = (
            select(
                clip_tags.c.clip_id.label("id"),
                func.max(clip_tags.c.score).label("total"),
                literal(0).label("named"),
            )
            .where(
                clip_tags.c.library_uid == uid_of(library),
                clip_tags.c.name.in_(sorted(set(term.tags))),
            )
            .group_by(clip_tags.c.clip_id)
        )
        yield along(found, "ix_clip_tags_name", clip_tags)
    if term.texts:
        newest = query.newest(library, MOST_NAMED).subquery()
        both = newest.c.display_name + literal("\n") + newest.c.label
        yield select(newest.c.id, literal(0).label("total"), literal(1).label("named")).where(
            or_(*(contains_of(both, text) for text in sorted(set(term.texts))))
        )


def _behind(statement: Select[Any], after: str) -> Select[Any]:
    """Returns the statement of the clips behind a place in the order."""
    try:
        total, named, clip = after.split(" ")
        last = int(total), int(named), clip
    except ValueError:
        raise refuse(after) from None
    columns = statement.selected_columns
    found_total, found_named = columns["total"], columns["named"]
    return statement.where(
        or_(
            found_total < last[0],
            and_(found_total == last[0], found_named < last[1]),
            and_(found_total == last[0], found_named == last[1], clips.c.id > last[2]),
        )
    )
