"""The tags of clips: kinds of sound, each with a score in thousandths.

A row of `clips` has them to be read with it, and `clip_tags` to find clips by them. Both are
written in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, insert, select

from catalog_service.database.database import Database
from catalog_service.database.functions import exact
from catalog_service.database.schema import clip_tags, clips
from catalog_service.libraries import rows as library_rows

MOST_NAMES = 10_000
"""Names of tags that a list has at most."""
_REPLACE = delete(clip_tags).where(clip_tags.c.clip_id == bindparam("of_clip"))
_INSERT = insert(clip_tags)


class Tag(NamedTuple):
    """A kind of sound, and its score in thousandths."""

    name: str
    score: int


def replace(
    connection: Connection, uids: Mapping[str, str], tags: Mapping[str, Sequence[Tag]]
) -> None:
    """Writes the tags of locked clips instead of those that they had.

    Args:
        connection: of the transaction.
        uids: by clip, the uid of its library.
        tags: by clip, its tags.
    """
    if not tags:
        return
    connection.execute(_REPLACE, [{"of_clip": clip} for clip in tags])
    rows = [
        {"clip_id": clip, "library_uid": uids[clip], **tag._asdict()}
        for clip, each in tags.items()
        for tag in each
    ]
    if rows:
        connection.execute(_INSERT, rows)


def forget(connection: Connection, clip_id: str) -> None:
    """Removes the tags of a clip."""
    connection.execute(_REPLACE, {"of_clip": clip_id})


def any_of(names: Iterable[str], least: int) -> ColumnElement[bool]:
    """Returns the expression that is true for clips with one of these tags at that score or more.

    The empty name stands for clips without any tag.
    """
    wanted = sorted(set(names) - {""})
    has_one = exists().where(
        clip_tags.c.clip_id == clips.c.id,
        exact(clip_tags.c.name).in_(wanted),
        clip_tags.c.score >= least,
    )
    return clips.c.tags.is_(None) | has_one if "" in names else has_one


async def names(database: Database, library: str) -> list[str]:
    """Returns the names of the tags that clips of a library have, in order.

    Raises:
        ServiceError: LIBRARY_NOT_FOUND.
    """

    def read(connection: Connection) -> list[str]:
        uid = library_rows.get(connection, library).uid
        name = clip_tags.c.name
        found = select(name).where(clip_tags.c.library_uid == uid).distinct().order_by(name)
        return [str(each) for each in connection.scalars(found.limit(MOST_NAMES))]

    return await database.read(read)
