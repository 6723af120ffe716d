"""Creates, lists and changes libraries, and removes them with all their contents."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from audiosearch.embedding.v1.model_pb2 import PURPOSE_VOICES
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    and_,
    delete,
    exc,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from catalog_service.audio.audio_store import AudioStore
from catalog_service.clips.rows import now
from catalog_service.database.database import Database
from catalog_service.database.schema import (
    calibrations,
    clip_tags,
    clips,
    import_jobs,
    kept_vectors,
    libraries,
    speakers,
)
from catalog_service.database.states import ClipState, JobState, LibraryState
from catalog_service.libraries import migrations
from catalog_service.libraries import rows as library_rows
from catalog_service.libraries.windows import WindowRule
from catalog_service.names import library_name, new_id
from catalog_service.paging import Page
from catalog_service.queries.queries import forget as forget_queries
from serving.errors import Reason, ServiceError

_BATCH = 1000


class Library(NamedTuple):
    """A library's row with the number of its ACTIVE clips and the bytes of their audio."""

    row: Row[Any]
    clip_count: int
    size_bytes: int


class Libraries:
    """All libraries."""

    def __init__(self, database: Database, store: AudioStore) -> None:
        """Takes the database and the audio store."""
        self._database = database
        self._store = store

    async def create(
        self,
        library: str,
        display_name: str,
        model: str,
        rule: WindowRule | None,
        request_id: str | None,
        dimension: int = 0,
        purpose: int = 0,
        *,
        loading: bool = False,
    ) -> Library:
        """Creates a library. A repeated request id returns the library again.

        Without a rule of windows it is one of generation 0, with a vector for each clip. One for
        vectors of a dimension needs no rule, and no purpose. One that is `loading` takes clips
        before it is ACTIVE.

        Raises:
            ServiceError: LIBRARY_EXISTS.
        """
        time = now()

        def make(connection: Connection) -> Library:
            connection.execute(
                insert(libraries).values(
                    uid=new_id(time),
                    name=library,
                    display_name=display_name or library,
                    model=model,
                    state=LibraryState.LOADING if loading else LibraryState.CREATING,
                    request_id=request_id,
                    create_time=time,
                    update_time=time,
                    generation=1 if rule or dimension else 0,
                    dimension=dimension,
                    purpose=purpose,
                    **(rule._asdict() if rule else {}),
                )
            )
            return Library(library_rows.get(connection, library), 0, 0)

        try:
            return await self._database.grow(make)
        except exc.IntegrityError:
            there = await self.get(library)
            if request_id is not None and there.row.request_id == request_id:
                return there
            name = library_name(library)
            raise ServiceError(
                Reason.LIBRARY_EXISTS,
                f"{name} is there already; use it, or choose another id",
                {"library": name},
            ) from None

    async def get(self, library: str, *, counted: bool = True) -> Library:
        """Reads a library in any state. Its counts are 0 unless `counted`."""

        def read(connection: Connection) -> Library:
            row = library_rows.get(connection, library)
            return _counted(connection, row) if counted else Library(row, 0, 0)

        return await self._database.read(read)

    async def list(
        self,
        state: LibraryState,
        page: Page,
        *,
        counted: bool = True,
        incomplete: bool = False,
        purpose: int = 0,
    ) -> tuple[Sequence[Library], str]:
        """Returns a page of libraries by name, and the token of the next. Counts as in `get`.

        With `incomplete` only those whose indexes lack vectors, with a purpose only those of it.
        """

        def read(connection: Connection) -> tuple[Sequence[Library], str]:
            statement = select(libraries).where(libraries.c.state == state)
            if page.after is not None:
                statement = statement.where(libraries.c.name > page.after)
            if incomplete:
                statement = statement.where(libraries.c.index_state.is_not(None))
            if purpose:
                statement = statement.where(_of_purpose(purpose))
            found = connection.execute(statement.order_by(libraries.c.name).limit(page.size + 1))
            rows, token = page.cut(found.all(), lambda row: str(row.name))
            if not counted:
                return [Library(row, 0, 0) for row in rows], token
            return [_counted(connection, row) for row in rows], token

        return await self._database.read(read)

    async def activate(self, library: str) -> Library:
        """CREATING or LOADING -> ACTIVE. An ACTIVE library stays unchanged."""
        before = [LibraryState.CREATING, LibraryState.LOADING]

        def change(connection: Connection) -> Library:
            _set(connection, library, before, state=LibraryState.ACTIVE)
            row = library_rows.get(connection, library)
            library_rows.require_state(row, *before, LibraryState.ACTIVE)
            return _counted(connection, row)

        return await self._database.write(change)

    async def rename(self, library: str, display_name: str) -> Library:
        """Changes the display name. An empty one becomes the library's id."""

        def change(connection: Connection) -> Library:
            _set(connection, library, tuple(LibraryState), display_name=display_name or library)
            return _counted(connection, library_rows.get(connection, library))

        return await self._database.write(change)

    async def begin_deletion(self, library: str, *, force: bool) -> Library:
        """Any state -> DELETING. Cancels the library's import jobs, and ends its migration.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, LIBRARY_NOT_EMPTY.
        """

        def change(connection: Connection) -> Library:
            began = _set(
                connection,
                library,
                [state for state in LibraryState if state is not LibraryState.DELETING],
                state=LibraryState.DELETING,
                **migrations.NONE,
            )
            row = library_rows.get(connection, library)
            if began and not force:
                _require_empty(connection, row)
            connection.execute(
                update(import_jobs)
                .where(
                    import_jobs.c.library_uid == row.uid, import_jobs.c.state == JobState.RUNNING
                )
                .values(state=JobState.CANCELLED, cancel_requested=True, update_time=now())
            )
            return _counted(connection, row)

        return await self._database.free(change)

    async def delete(self, library: str) -> None:
        """Removes a DELETING library: rows of clips and speakers, then audio, then the rest.

        A clip without a row gets no audio, so no file is added after the removal of the folder.
        After a crash at any point, a repeat finishes the work.
        """
        row = await self._database.read(lambda c: library_rows.find(c, library))
        if row is None:
            return
        library_rows.require_state(row, LibraryState.DELETING)
        for key in (kept_vectors.c.clip_id, clip_tags.c.clip_id, clips.c.id, speakers.c.uid):
            await self._delete_rows(key, row.uid)
        await self._store.remove_library(row.uid)

        def finish(connection: Connection) -> None:
            for table in (import_jobs, calibrations):
                connection.execute(delete(table).where(table.c.library_uid == row.uid))
            forget_queries(connection, row.uid)
            connection.execute(delete(libraries).where(libraries.c.uid == row.uid))

        await self._database.free(finish)

    async def _delete_rows(self, key: Column[str], uid: str) -> None:
        size = _BATCH
        while True:
            try:
                if not await self._database.free(partial(_delete_batch, key, uid, size)):
                    return
            except ServiceError as error:
                # A small transaction needs little of a full disk.
                if error.reason is not Reason.STORAGE_FULL or size == 1:
                    raise
                size = max(1, size // 10)


def _set(
    connection: Connection, library: str, states: Sequence[LibraryState], **values: object
) -> bool:
    """Changes the library if it is in one of these states. Returns True if it was."""
    changed = connection.execute(
        update(libraries)
        .where(libraries.c.name == library, libraries.c.state.in_(states))
        .values(update_time=now(), **values)
    )
    return bool(changed.rowcount)


def _of_purpose(purpose: int) -> ColumnElement[bool]:
    if purpose != PURPOSE_VOICES:
        return libraries.c.purpose == purpose
    earlier = and_(libraries.c.purpose == 0, libraries.c.dimension == 0)
    return or_(libraries.c.purpose == purpose, earlier)


def _counted(connection: Connection, row: Row[Any]) -> Library:
    counts = (
        connection.execute(
            select(func.count(), func.coalesce(func.sum(clips.c.size_bytes), 0)).where(
                clips.c.library_uid == row.uid, clips.c.state == ClipState.ACTIVE
            )
        )
    ).one()
    return Library(row, int(counts[0]), int(counts[1]))


def _require_empty(connection: Connection, row: Row[Any]) -> None:
    states = set(ClipState) - {ClipState.FAILED, ClipState.TRASHED}
    if connection.scalar(
        select(literal(1)).where(clips.c.library_uid == row.uid, clips.c.state.in_(states)).limit(1)
    ):
        name = library_name(row.name)
        raise ServiceError(
            Reason.LIBRARY_NOT_EMPTY,
            f"{name} has clips; delete them, or set force to delete it with them",
            {"library": name},
        )


def _delete_batch(key: Column[str], uid: str, size: int, connection: Connection) -> int:
    """Removes some of a library's rows by their key. Returns their number.

    Transactions are small, so that others do not wait long.
    """
    table = key.table
    ids = (connection.scalars(select(key).where(table.c.library_uid == uid).limit(size))).all()
    if ids:
        connection.execute(delete(table).where(key.in_(ids)))
    return len(ids)
