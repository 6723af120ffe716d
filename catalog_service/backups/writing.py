"""Writes the rows of a backup into an empty catalog, and turns its libraries on at the end.

Until then they are RESTORING, which no other work of the catalog or a gateway looks at. They carry
the id of their backup in the place of the request that made them, which ends with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

from audiosearch.catalog.v1.backup_pb2 import BackupRow
from audiosearch.catalog.v1.library_pb2 import IndexState, Migration
from sqlalchemy import Connection, Select, Table, Update, and_, exc, insert, or_, select, update

from catalog_service.backups import schema
from catalog_service.backups.row_format import unpacked
from catalog_service.clips import tags
from catalog_service.clips.rows import now
from catalog_service.database.database import Database
from catalog_service.database.schema import clips, import_jobs, libraries, speakers
from catalog_service.database.states import AudioCondition, ClipState, JobState, LibraryState
from catalog_service.fields import invalid
from catalog_service.libraries.index_checks import IndexChecks
from catalog_service.names import SpeakerName, library_name
from catalog_service.speakers import enrollments
from serving.errors import Reason, ServiceError

_BATCH = 100
_SPEAKERS = 100
Values = dict[str, Any]


class Writing:
    """Restores libraries."""

    def __init__(self, database: Database) -> None:
        """Takes the database."""
        self._database = database
        self._checks = IndexChecks(database)

    async def write(self, backup: str, of_schema: str, rows: Sequence[BackupRow]) -> int:
        """Writes rows that are not there. Returns their number.

        Raises:
            ServiceError: CATALOG_NOT_EMPTY, BACKUP_INCOMPATIBLE, FIELD_INVALID, STORAGE_FULL.
        """

        def change(connection: Connection) -> int:
            schema.require_known(connection, of_schema)
            _require_empty(connection, backup)
            # Columns of a newer schema are none of this one, so they are read after the check.
            given = [unpacked(row) for row in rows]
            groups = itertools.groupby(given, lambda each: each[0])
            return sum(
                _insert(connection, table, [_restored(table, values, backup) for _, values in some])
                for table, some in groups
            )

        try:
            return await self._database.write_new(change)
        except exc.IntegrityError as error:
            raise invalid("rows", str(error.orig), "must be rows that ReadRows gave") from None

    async def finish(self, backup: str) -> list[str]:
        """Turns the libraries of a backup on. Returns their names."""
        its = and_(
            libraries.c.state == LibraryState.RESTORING, libraries.c.request_id == _mark(backup)
        )
        found = await self._database.read(
            lambda c: c.execute(select(libraries.c.uid, libraries.c.name).where(its)).all()
        )
        for uid, name in found:
            await self._count_enrollments(uid, name)
            counts = await self._checks.count(name)
            lost = IndexState(expected_count=counts.window_count or counts.clip_count)
            lost.begin_time.FromDatetime(now())
            lost.update_time.CopyFrom(lost.begin_time)
            values = {
                "state": LibraryState.ACTIVE,
                "request_id": None,
                "index_state": lost.SerializeToString() if lost.expected_count else None,
            }
            turned = update(libraries).where(libraries.c.uid == uid, its).values(**values)
            await self._database.write(partial(_run, turned))
        return sorted(library_name(name) for _, name in found)

    async def _count_enrollments(self, uid: str, library: str) -> None:
        """Counts those of speakers that were changed while the backup was made."""
        after = ""
        while True:
            some = (
                select(speakers.c.name)
                .where(speakers.c.library_uid == uid, speakers.c.name > after)
                .order_by(speakers.c.name)
                .limit(_SPEAKERS)
            )
            found = await self._database.read(partial(_names, some))
            if not found:
                return
            named = [SpeakerName(library, speaker) for speaker in found]
            await self._database.write(partial(enrollments.count_again, names=named))
            after = found[-1]


def _run(statement: Update, connection: Connection) -> None:
    connection.execute(statement)


def _names(statement: Select[Any], connection: Connection) -> Sequence[str]:
    found: Sequence[str] = connection.scalars(statement).all()
    return found


def _mark(backup: str) -> str:
    return f"restore:{backup}"


def _require_empty(connection: Connection, backup: str) -> None:
    others = or_(
        libraries.c.state != LibraryState.RESTORING,
        libraries.c.request_id.is_(None),
        libraries.c.request_id != _mark(backup),
    )
    found = connection.execute(select(libraries.c.name).where(others).limit(1)).scalar()
    if found is not None:
        name = library_name(found)
        raise ServiceError(
            Reason.CATALOG_NOT_EMPTY,
            f"the catalog has {name} already: restore onto an empty one, or delete what is there; "
            "what a restore has left behind is deleted with `audiosearch library delete --force`",
            {"library": name},
        )


def _restored(table: Table, values: Values, backup: str) -> Values:
    """The values of a row in its new place."""
    if table is libraries:
        values |= {"state": LibraryState.RESTORING, "request_id": _mark(backup)}
        migration = Migration.FromString(values.get("migration") or b"")
        # One that is kept waits on. Another is filled from the first clip on again.
        if values.get("migration") is not None and not (migration.kept and migration.review):
            for field in ("cursor", "done_count", "failures", "failed_count", "comparison"):
                migration.ClearField(field)
            values |= {
                "migration": migration.SerializeToString(),
                "migration_worker": "",
                "migration_begin_time": values.get("migration_begin_time") or now(),
            }
    elif table is import_jobs:
        values |= {"worker": "", "lease_until": now()}
        if values.get("state") == JobState.RUNNING:
            values |= {"state": JobState.CANCELLED, "cancel_requested": True}
    elif table is clips and values.get("state") == ClipState.ACTIVE:
        # Audio that lies elsewhere is in no backup: the next look tells how it is.
        has = values.get("content_sha256") is not None and not values.get("reference")
        values["audio_condition"] = AudioCondition.MISSING if has else AudioCondition.WHOLE
    return values


def _insert(connection: Connection, table: Table, rows: list[Values]) -> int:
    """Adds rows of a table that it lacks, by their keys."""
    keys = list(table.primary_key)
    written = 0
    for start in range(0, len(rows), _BATCH):
        some = rows[start : start + _BATCH]
        first = keys[0].in_({row[keys[0].name] for row in some})
        there = {tuple(found) for found in connection.execute(select(*keys).where(first))}
        new = [row for row in some if tuple(row[key.name] for key in keys) not in there]
        for _, alike in itertools.groupby(new, lambda row: row.keys()):
            connection.execute(insert(table), list(alike))
        if table is clips:
            tagged = {row["id"]: row for row in new if row.get("tags")}
            tags.replace(
                connection,
                {id_: row["library_uid"] for id_, row in tagged.items()},
                {id_: [tags.Tag(*each) for each in row["tags"]] for id_, row in tagged.items()},
            )
        written += len(new)
    return written
