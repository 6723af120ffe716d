"""Keeps the vectors of clips in parts, beside their rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select

from catalog_service.clips import rows as clip_rows
from catalog_service.database.database import Database
from catalog_service.database.schema import kept_vectors
from catalog_service.database.states import ClipState
from catalog_service.libraries import rows as library_rows

AT_ONCE = 2**20
"""Bytes that are read in one statement."""
_BATCH = 200
_OF = kept_vectors.c.clip_id == bindparam("of_clip")
_IN = kept_vectors.c.generation == bindparam("of_generation")
_REPLACE = delete(kept_vectors).where(_OF, _IN, kept_vectors.c.part == bindparam("of_part"))
_CUT = delete(kept_vectors).where(_OF, _IN, kept_vectors.c.part >= bindparam("count"))
_INSERT = insert(kept_vectors)


class Part(NamedTuple):
    """A part of the vectors of a clip in one generation of indexes."""

    clip_id: str
    generation: int
    part: int
    part_count: int
    """Number of all parts, in the last one; 0 in the others."""
    content: bytes
    """A KeptVectors message without its clip."""


class _Found(NamedTuple):
    clip_id: str
    part: int
    size: int


def keep(connection: Connection, uids: Mapping[str, str], parts: Sequence[Part]) -> None:
    """Keeps parts of vectors of locked clips.

    Args:
        connection: of the transaction.
        uids: by clip, the uid of its library.
        parts: to keep, each once.
    """
    if not parts:
        return
    places = [
        {"of_clip": each.clip_id, "of_generation": each.generation, "of_part": each.part}
        for each in parts
    ]
    connection.execute(_REPLACE, places)
    ends = [
        {
            "of_clip": each.clip_id,
            "of_generation": each.generation,
            "count": each.part_count,
        }
        for each in parts
        if each.part_count
    ]
    if ends:
        connection.execute(_CUT, ends)
    connection.execute(
        _INSERT, [{**each._asdict(), "library_uid": uids[each.clip_id]} for each in parts]
    )


def forget(connection: Connection, clip_id: str) -> None:
    """Removes what is kept of a clip."""
    connection.execute(delete(kept_vectors).where(kept_vectors.c.clip_id == clip_id))


class Kept:
    """The kept vectors of all clips."""

    def __init__(self, database: Database) -> None:
        """Takes the database."""
        self._database = database

    async def keep(self, library: str, parts: Sequence[Part]) -> list[str]:
        """Keeps parts of vectors. Returns the clips of which nothing can be kept any more."""

        def change(connection: Connection) -> list[str]:
            library_rows.get(connection, library)
            ids = {each.clip_id for each in parts}
            uids = {
                id_: row.library_uid
                for id_, row in clip_rows.lock_all(connection, library, ids).items()
                if row.state in {ClipState.CREATING, ClipState.ACTIVE}
            }
            keep(connection, uids, [each for each in parts if each.clip_id in uids])
            return sorted(ids - uids.keys())

        return await self._database.write(change)

    async def whole(self, library: str, generation: int, clip_ids: Collection[str]) -> list[str]:
        """Returns those of these clips whose vectors are kept whole, in order."""
        table = kept_vectors.c

        def read(connection: Connection) -> list[str]:
            uid = library_rows.get(connection, library).uid
            return [
                str(id_)
                for some in clip_rows.batched(sorted(set(clip_ids)))
                for id_ in connection.scalars(
                    select(table.clip_id)
                    .where(
                        table.clip_id.in_(some),
                        table.generation == generation,
                        table.library_uid == uid,
                        table.part_count > 0,
                    )
                    .order_by(table.clip_id)
                )
            ]

        return await self._database.read(read)

    async def read(
        self, library: str, generation: int, clip_ids: Collection[str]
    ) -> AsyncIterator[Part]:
        """The vectors of those of these clips that are kept whole, by clip and part."""
        ids = await self.whole(library, generation, clip_ids)
        for some in clip_rows.batched(ids):
            sizes = await self._sizes(generation, some)
            for group in _grouped(sizes):
                for part in await self._parts(generation, group):
                    yield part

    async def _sizes(self, generation: int, clip_ids: Sequence[str]) -> list[_Found]:
        table = kept_vectors.c
        statement = (
            select(table.clip_id, table.part, func.length(table.content))
            .where(table.clip_id.in_(clip_ids), table.generation == generation)
            .order_by(table.clip_id, table.part)
        )
        return await self._database.read(
            lambda c: [_Found._make(row) for row in c.execute(statement)]
        )

    async def _parts(self, generation: int, group: Sequence[_Found]) -> list[Part]:
        """Reads the parts of a group, which are all of some clips or some of one."""
        table = kept_vectors.c
        columns = (table.clip_id, table.generation, table.part, table.part_count, table.content)
        statement = (
            select(*columns)
            .where(
                table.clip_id.in_({each.clip_id for each in group}),
                table.generation == generation,
                table.part >= min(each.part for each in group),
                table.part <= max(each.part for each in group),
            )
            .order_by(table.clip_id, table.part)
        )
        return await self._database.read(
            lambda c: [Part._make(row) for row in c.execute(statement)]
        )

    async def drop(self, library: str, before: int) -> None:
        """Removes what is kept of generations before this one, a batch at a time.

        Generations that the library has had or was to have by now go, too, for they never come
        back. One that it keeps stays, whoever asks.
        """
        row = await self._database.read(lambda c: library_rows.get(c, library))
        used, table = library_rows.generations(row), kept_vectors.c
        gone = [n for n in range(before, row.last_generation + 1) if n not in used]
        left_behind = or_(
            and_(table.generation < before, table.generation.not_in(used[1:])),
            table.generation.in_(gone),
        )
        earlier = (
            select(table.clip_id, table.generation, table.part)
            .where(table.library_uid == row.uid, left_behind)
            .limit(_BATCH)
        )

        def change(connection: Connection) -> bool:
            found: Sequence[Any] = connection.execute(earlier).all()
            if found:
                connection.execute(
                    _REPLACE,
                    [
                        {"of_clip": clip, "of_generation": generation, "of_part": part}
                        for clip, generation, part in found
                    ],
                )
            return bool(found)

        while await self._database.free(change):
            pass


def _grouped(sizes: Sequence[_Found]) -> list[list[_Found]]:
    """Cuts a list by clip and part into groups to read at once, each of whole clips or of one."""
    groups = list[list[_Found]]()
    room = 0
    for _, each in groupby(sizes, lambda found: found.clip_id):
        parts = list(each)
        size = sum(part.size for part in parts)
        if size > AT_ONCE:
            groups += [[part] for part in parts]
            room = 0
        elif size > room:
            groups.append(parts)
            room = AT_ONCE - size
        else:
            groups[-1] += parts
            room -= size
    return groups
