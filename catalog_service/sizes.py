"""The sizes of the catalog, for the metrics."""

from __future__ import annotations

from typing import NamedTuple

from audiosearch.catalog.v1.library_pb2 import IndexState
from sqlalchemy import Connection, func, select

from catalog_service.database.database import Database
from catalog_service.database.schema import clips, import_jobs, libraries
from catalog_service.database.states import AudioCondition, ClipState, JobState, LibraryState
from serving.monitoring import metrics
from serving.monitoring.sizes import look_again

LEAST_SECONDS = 15.0


class _Found(NamedTuple):
    """The rows that there are, by state, and what indexes lack."""

    libraries: dict[int, int]
    clips: dict[int, int]
    running_jobs: int
    damaged: int
    incomplete: list[bytes]
    """An IndexState of each library whose index lacks vectors."""


class Sizes:
    """Counts the rows again and again."""

    def __init__(self, database: Database) -> None:
        """Takes the database."""
        self._database = database

    async def run(self) -> None:
        """Counts until cancelled."""
        await look_again(self.look, LEAST_SECONDS)

    async def look(self) -> None:
        """Counts once. Raises ServiceError if the database does not answer."""
        found = await self._database.read(_count)
        for library_state in LibraryState:
            count = found.libraries.get(library_state, 0)
            metrics.LIBRARIES.labels(library_state.name).set(count)
        for clip_state in ClipState:
            metrics.CLIPS.labels(clip_state.name).set(found.clips.get(clip_state, 0))
        metrics.IMPORT_JOBS.labels(JobState.RUNNING.name).set(found.running_jobs)
        metrics.DAMAGED_CLIPS.set(found.damaged)
        states = [IndexState.FromString(content) for content in found.incomplete]
        metrics.INCOMPLETE_LIBRARIES.set(len(states))
        missing = sum(max(0, each.expected_count - each.indexed_count) for each in states)
        metrics.MISSING_VECTORS.set(missing)
        metrics.CATALOG_TIME.set_to_current_time()


def _count(connection: Connection) -> _Found:
    of_libraries = connection.execute(
        select(libraries.c.state, func.count().label("rows")).group_by(libraries.c.state)
    )
    # All of the index `ix_clips_windows`: 0.2 s for 650,000 clips on SQLite.
    of_clips = connection.execute(
        select(clips.c.state, func.count().label("rows")).group_by(clips.c.state)
    )
    return _Found(
        {row.state: row.rows for row in of_libraries},
        {row.state: row.rows for row in of_clips},
        connection.scalar(
            select(func.count())
            .select_from(import_jobs)
            .where(import_jobs.c.state == JobState.RUNNING)
        )
        or 0,
        connection.scalar(
            select(func.count())
            .select_from(clips)
            .where(
                clips.c.audio_condition > AudioCondition.WHOLE, clips.c.state == ClipState.ACTIVE
            )
        )
        or 0,
        list(
            connection.scalars(
                select(libraries.c.index_state).where(libraries.c.index_state.is_not(None))
            )
        ),
    )
