"""The schema: states are those of the contract, and every statement runs on an index."""

from __future__ import annotations

from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from sqlalchemy import update

from catalog_service.database.engines import backend
from catalog_service.database.migrate import migrate
from catalog_service.database.schema import clips
from catalog_service.database.states import ClipState, JobState, LibraryState, SpeakerState
from catalog_service.settings import CatalogSettings
from tests.conformance.catalog.filled import fill, fill_speakers
from tools.servers import catalog_plans as plans
from tools.servers.catalog import serving


def test_states_are_those_of_the_contract() -> None:
    """Name by name, number by number."""
    for ours, theirs in (
        (LibraryState, Library.State),
        (ClipState, Clip.State),
        (JobState, ImportJob.State),
        (SpeakerState, Speaker.State),
    ):
        named = {f"STATE_{state.name}": state.value for state in ours}
        assert {**named, "STATE_UNSPECIFIED": 0} == dict(theirs.items())


async def test_every_statement_runs_on_an_index(settings: CatalogSettings) -> None:
    """For every call, no plan scans a table or sorts, but for the values that are counted."""
    where = backend(settings)
    migrate(where)
    engine = where.migrating_engine()
    with engine.connect() as connection:
        fill(connection)
        fill_speakers(connection)
    async with serving(settings) as catalog:
        library = await catalog.stubs.libraries.GetLibrary(
            library_pb2.GetLibraryRequest(name="libraries/u")
        )
        with plans.recorded() as statements:
            await plans.exercise(catalog, library)
    lists = [it for it in statements if "INDEX" in it.text]
    assert len(lists) >= len(plans.filters(library.name)) + len(plans.SPEAKER_LISTS)
    assert len(statements) > len(lists) + 20
    with engine.connect() as connection:
        shown = {it.text: plans.plan(connection, it) for it in statements}
    engine.dispose()
    counts = [text for text in shown if "OVER ()" in text]
    assert len(counts) == len(plans.COUNTED)
    for text in counts:
        (read,) = (line for line in shown.pop(text) if "clips" in line)
        assert "ix_clips" in read
        assert "SCAN" not in read
    assert {text: lines for text, lines in shown.items() if any(map(plans.flaw, lines))} == {}


async def test_ids_are_looked_up_one_by_one_whatever_the_database_believes(
    settings: CatalogSettings,
) -> None:
    """With figures from before the clips were ACTIVE, a look-up does not read all ACTIVE ones."""
    where = backend(settings)
    migrate(where)
    engine = where.migrating_engine()
    with engine.connect() as connection:
        fill(connection)
        connection.execute(update(clips).values(state=1))
        if not where.is_sqlite:
            connection.exec_driver_sql("ALTER TABLE clips STATS_AUTO_RECALC=0")
            connection.exec_driver_sql("ANALYZE TABLE clips")
        connection.execute(update(clips).values(state=2))
        connection.commit()
    async with serving(settings) as catalog:
        with plans.recorded() as statements:
            request = clip_pb2.LookupClipsRequest(parent="libraries/u")
            request.clip_ids[:] = [f"{number:026}" for number in range(0, 3000, 30)]
            await catalog.stubs.clips.LookupClips(request)
    (look_up,) = (it for it in statements if "clips.id IN" in it.text)
    with engine.connect() as connection:
        shown = str(plans.plan(connection, look_up))
    engine.dispose()
    assert " AND id=?" in shown if where.is_sqlite else "clips: range on PRIMARY" in shown


def test_a_flaw_in_a_plan_is_seen(settings: CatalogSettings) -> None:
    """A statement without an index is found out, on each database."""
    where = backend(settings)
    migrate(where)
    engine = where.migrating_engine()
    with engine.connect() as connection:
        fill(connection)
        for text in (
            "SELECT * FROM clips WHERE source = 'x'",
            "SELECT * FROM clips WHERE library_uid = 'u' AND state = 1 ORDER BY source",
        ):
            assert any(map(plans.flaw, plans.plan(connection, plans.Statement(text, ()))))
    engine.dispose()
