"""Keeps import jobs: their order, their progress, and the worker that has each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, exc, insert, select, update

from catalog_service.clips.quotas import Quota
from catalog_service.clips.rows import now
from catalog_service.database.database import Database
from catalog_service.database.schema import import_jobs, libraries
from catalog_service.database.states import JobState, LibraryState
from catalog_service.fields import invalid
from catalog_service.leases import Leases
from catalog_service.libraries import rows as library_rows
from catalog_service.names import import_job_name, new_id
from catalog_service.paging import Page
from serving.errors import Reason, ServiceError

MAX_FAILURES = 20
MAX_FAILURE_BYTES = 64 * 1024
"""Bytes of the failures that a job keeps."""
KEPT_JOBS = 500
"""Newest jobs of a library, which are kept once they are over; those before are not."""
_LET_GO = 100
"""Jobs that are removed at a time, so that no call waits for them all."""
_NEVER = datetime(1970, 1, 2, tzinfo=timezone.utc)
"""End of the lease of a job without a worker, long ago."""
_AFTER_ALL = "~"
"""A text that sorts after every id."""
_LOOKED_AT = 16
"""Waiting jobs that a claim looks at, because others may claim at the same time."""


@dataclass(frozen=True)
class NewJob:
    """The caller's fields of a new job. `label` and `channel` are those of every clip."""

    folder: str
    label: str
    channel: int


@dataclass(frozen=True)
class Progress:
    """The progress of a job, its first failures as `{path, reason, message}`, and duplicates.

    These are `{path, of, clip}`.
    """

    total: int
    imported: int
    existing: int
    failed: int
    cursor: str
    failures: list[dict[str, str]]
    duplicates: list[dict[str, str]]
    passed_over: dict[str, int]
    remarks: dict[str, int]


class ImportJobs:
    """All import jobs."""

    def __init__(self, database: Database) -> None:
        """Takes the database."""
        self._database = database
        self._leases = Leases(import_jobs, "id", "", "lease_until")

    async def create(
        self, library: str, new: NewJob, request_id: str | None, quota: Quota
    ) -> Row[Any]:
        """Creates a RUNNING job, whose clips count for a quota.

        A repeated request id returns the job of the first call.

        Raises:
            ServiceError: LIBRARY_NOT_FOUND, STATE_CONFLICT (the library is not ACTIVE),
                FIELD_INVALID (the request id made an import of another kind).
        """

        def make(connection: Connection) -> Row[Any]:
            made = _made_by(connection, library, new, request_id)
            if made is None:
                made = _insert(connection, library, new, request_id, quota)
                _let_go(connection, made.library_uid)
            return made

        try:
            return await self._database.grow(make)
        except exc.IntegrityError:  # the same request was faster at the same time
            made = await self._database.read(lambda c: _made_by(c, library, new, request_id))
            if made is None:
                raise
            return made

    async def get(self, job: str) -> Row[Any]:
        """Reads a job."""
        return await self._database.read(lambda c: _get(c, job))

    async def list(
        self, library: str | None, state: JobState | None, page: Page
    ) -> tuple[Sequence[Row[Any]], str]:
        """Returns a page of jobs, the newest first, and the token of the next page."""

        def read(connection: Connection) -> Sequence[Row[Any]]:
            statement = _joined().where(import_jobs.c.id < (page.after or _AFTER_ALL))
            if library is not None:
                uid = library_rows.get(connection, library).uid
                statement = statement.where(import_jobs.c.library_uid == uid)
            if state is not None:
                statement = statement.where(import_jobs.c.state == state)
            found = connection.execute(
                statement.order_by(import_jobs.c.id.desc()).limit(page.size + 1)
            )
            rows: Sequence[Row[Any]] = found.all()
            return rows

        return page.cut(await self._database.read(read), lambda row: str(row.id))

    async def claim(self, worker: str, lease: timedelta) -> Row[Any] | None:
        """Gives the oldest waiting job to a worker. Returns None if none waits."""
        running = import_jobs.c.state == JobState.RUNNING

        def take(connection: Connection) -> Row[Any] | None:
            while waiting := self._leases.waiting(
                connection, running, import_jobs.c.id, _LOOKED_AT
            ):
                for row in waiting:
                    # Its worker, which should have cancelled it, is gone.
                    if _cancel(connection, self._leases.unchanged(row)):
                        continue
                    if self._leases.take(
                        connection, [row], running, worker, lease, update_time=now()
                    ):
                        return self._leases.begun(_get(connection, row.id))
            return None

        return await self._database.write(take)

    async def report(self, job: str, worker: str, lease: timedelta, progress: Progress) -> Row[Any]:
        """Writes a worker's progress and renews its lease.

        Raises:
            ServiceError: IMPORT_JOB_NOT_FOUND, STATE_CONFLICT.
        """

        def change(connection: Connection) -> Row[Any]:
            written = connection.execute(
                update(import_jobs)
                .where(
                    import_jobs.c.id == job,
                    import_jobs.c.state == JobState.RUNNING,
                    import_jobs.c.worker == worker,
                )
                .values(update_time=now(), **self._leases.renewed(lease), **vars(progress))
            )
            row = _get(connection, job)
            if not written.rowcount:
                raise _conflict(row, "RUNNING and claimed by this worker; stop working on it")
            return self._leases.begun(row)

        return await self._database.write(change)

    async def finish(
        self, job: str, state: JobState, reason: str | None, message: str | None
    ) -> Row[Any]:
        """RUNNING -> SUCCEEDED, FAILED or CANCELLED. A job that is over stays unchanged."""

        def change(connection: Connection) -> Row[Any]:
            connection.execute(
                update(import_jobs)
                .where(import_jobs.c.id == job, import_jobs.c.state == JobState.RUNNING)
                .values(
                    state=state, failure_reason=reason, failure_message=message, update_time=now()
                )
            )
            return _get(connection, job)

        return await self._database.write(change)

    async def cancel(self, job: str) -> Row[Any]:
        """Asks for a job to be cancelled. A job without a worker is CANCELLED at once."""

        def change(connection: Connection) -> Row[Any]:
            connection.execute(
                update(import_jobs)
                .where(
                    import_jobs.c.id == job,
                    import_jobs.c.state == JobState.RUNNING,
                    import_jobs.c.cancel_requested.is_(False),
                )
                .values(cancel_requested=True, update_time=now())
            )
            row = _get(connection, job)
            if self._leases.waits(row) and _cancel(connection, self._leases.unchanged(row)):
                return _get(connection, job)
            return row

        return await self._database.write(change)

    async def delete(self, job: str) -> None:
        """Removes a job that is over. A missing job is no error."""

        def remove(connection: Connection) -> None:
            connection.execute(
                delete(import_jobs).where(
                    import_jobs.c.id == job, import_jobs.c.state != JobState.RUNNING
                )
            )
            row = _find(connection, job)
            if row is not None:
                raise _conflict(row, "over; cancel it first")

        await self._database.free(remove)


def _cancel(connection: Connection, which: ColumnElement[bool]) -> bool:
    """Ends a RUNNING job whose cancellation is requested; False if it is no such job."""
    ended = connection.execute(
        update(import_jobs)
        .where(which, import_jobs.c.state == JobState.RUNNING, import_jobs.c.cancel_requested)
        .values(state=JobState.CANCELLED, update_time=now())
    )
    return bool(ended.rowcount)


def _joined() -> Select[Any]:
    # A subquery, because a planner may begin a join at the libraries and then has to sort.
    library = select(libraries.c.name).where(libraries.c.uid == import_jobs.c.library_uid)
    return select(import_jobs, library.scalar_subquery().label("library"))


def _find(connection: Connection, job: str) -> Row[Any] | None:
    row: Row[Any] | None = (
        connection.execute(_joined().where(import_jobs.c.id == job))
    ).one_or_none()
    return row


def _get(connection: Connection, job: str) -> Row[Any]:
    row = _find(connection, job)
    if row is None:
        name = import_job_name(job)
        raise ServiceError(
            Reason.IMPORT_JOB_NOT_FOUND,
            f"{name} is not there; it was deleted, alone or with its library",
            {"import_job": name},
        )
    return row


def _made_by(
    connection: Connection, library: str, new: NewJob, request_id: str | None
) -> Row[Any] | None:
    """Returns the job that a request id of a library made; None if it made none."""
    if request_id is None:
        return None
    uid = library_rows.get(connection, library).uid
    of_request = (import_jobs.c.library_uid == uid, import_jobs.c.request_id == request_id)
    row: Row[Any] | None = connection.execute(_joined().where(*of_request)).one_or_none()
    if row is not None and any(getattr(row, name) != value for name, value in vars(new).items()):
        raise invalid(
            "request_id", request_id, f"must be a new one: it made an import of {row.folder}"
        )
    return row


def _insert(
    connection: Connection, library: str, new: NewJob, request_id: str | None, quota: Quota
) -> Row[Any]:
    parent = library_rows.get(connection, library, share=True)
    library_rows.require_state(parent, LibraryState.ACTIVE)
    time = now()
    job = new_id(time)
    connection.execute(
        insert(import_jobs).values(
            id=job,
            library_uid=parent.uid,
            state=JobState.RUNNING,
            request_id=request_id,
            cancel_requested=False,
            worker="",
            lease_until=_NEVER,
            create_time=time,
            update_time=time,
            **vars(new),
            **quota._asdict(),
            **vars(Progress(0, 0, 0, 0, "", [], [], {}, {})),
        )
    )
    return _get(connection, job)


def _let_go(connection: Connection, library_uid: str) -> None:
    """Removes jobs of a library that are over, except for the newest jobs."""
    its = import_jobs.c.library_uid == library_uid
    newest_first = select(import_jobs.c.id).where(its).order_by(import_jobs.c.id.desc())
    old = connection.scalars(newest_first.offset(KEPT_JOBS).limit(_LET_GO)).all()
    if old:
        over = import_jobs.c.state != JobState.RUNNING
        connection.execute(delete(import_jobs).where(import_jobs.c.id.in_(old), over))


def _conflict(row: Row[Any], needed: str) -> ServiceError:
    name, state = import_job_name(row.id), JobState(row.state).name
    return ServiceError(
        Reason.STATE_CONFLICT,
        f"{name} is {state}; this needs it to be {needed}",
        {"import_job": name, "state": state},
    )
