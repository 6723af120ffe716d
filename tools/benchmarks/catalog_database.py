"""Database helpers for benchmarks of the catalog, which bypass the service."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audiosearch.catalog.v1 import library_pb2
from sqlalchemy import Connection, case, func, select, update

from catalog_service.database.engines import backend
from catalog_service.database.schema import clips
from catalog_service.database.states import ClipState
from catalog_service.settings import CatalogSettings
from tools.servers import catalog_plans as plans
from tools.servers.catalog import Program, serving
from tools.servers.mysql_server import running

MARIADB = ("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M")


@contextlib.contextmanager
def settings_of(name: str, folder: Path) -> Iterator[CatalogSettings]:
    """Gives settings of a service on a new database. Raises MissingError if there is no server."""
    values: dict[str, Any] = {"port": 0, "data_dir": folder, "drain_seconds": 0, "mysql_host": None}
    if name == "sqlite":
        yield CatalogSettings(**values)
        return
    with running(*MARIADB) as server:
        place = {"mysql_host": "127.0.0.1", "mysql_port": server.port, "mysql_user": "root"}
        yield CatalogSettings(**values | place)


def make_active(
    settings: CatalogSettings, library_uid: str, first: str = "", *, failed: bool = True
) -> None:
    """Makes the clips of a library ACTIVE, with properties of audio, some thousands at a time.

    Args:
        settings: Settings of the catalog service.
        library_uid: The library.
        first: Id of the first clip.
        failed: True to make those whose id ends in 0 FAILED instead.
    """
    engine = backend(settings).migrating_engine()
    some = case((clips.c.id.like("%0"), ClipState.FAILED), else_=ClipState.ACTIVE)
    values = {
        "state": some if failed else ClipState.ACTIVE,
        "duration_ns": 5 * 10**9,
        "active_duration_ns": 4 * 10**9,
        "sample_rate": 16_000,
        "channels": 1,
        "format": "wav/pcm_16",
        "level_dbfs": -20.5,
        "content_type": "audio/wav",
        "window_count": 1,
    }
    wanted = clips.c.id >= first
    while True:
        with engine.begin() as connection:
            part = select(clips.c.id).where(wanted).order_by(clips.c.id).limit(5000)
            ids = connection.scalars(part).all()
            if not ids:
                break
            within = clips.c.id.between(ids[0], ids[-1])
            connection.execute(
                update(clips).where(clips.c.library_uid == library_uid, within).values(values)
            )
            wanted = clips.c.id > ids[-1]
    engine.dispose()


def some_ids(settings: CatalogSettings) -> list[str]:
    """Returns the ids of all ACTIVE clips."""
    engine = backend(settings).migrating_engine()
    with engine.connect() as connection:
        ids = connection.scalars(select(clips.c.id).where(clips.c.state == ClipState.ACTIVE)).all()
    engine.dispose()
    return list(ids)


def size_of(settings: CatalogSettings) -> float:
    """Returns the size of the database in bytes, with indexes and log."""
    where = backend(settings)
    if where.is_sqlite:
        return float(sum(file.stat().st_size for file in settings.database_folder.iterdir()))
    engine = where.migrating_engine()
    with engine.connect() as connection:
        return float(_tables_bytes(connection, settings.mysql_db))


def _tables_bytes(connection: Connection, database: str) -> int:
    connection.exec_driver_sql("ANALYZE TABLE clips").close()
    found = connection.exec_driver_sql(
        "SELECT SUM(data_length + index_length) FROM information_schema.tables"
        " WHERE table_schema = %s",
        (database,),
    )
    return int(found.scalar() or 0)


async def plans_of(settings: CatalogSettings) -> str:
    """Returns each statement that the service runs, with the plan of the database."""
    async with serving(settings) as catalog:
        engine = backend(settings).migrating_engine()
        with engine.connect() as connection:
            largest = connection.scalar(
                select(clips.c.library_uid).group_by(clips.c.library_uid).order_by(func.count())
            )
        libraries = (
            await catalog.stubs.libraries.ListLibraries(library_pb2.ListLibrariesRequest())
        ).libraries
        (library,) = (each for each in libraries if each.uid == largest)
        with plans.recorded() as statements:
            await plans.exercise(catalog, library)
        with engine.connect() as connection:
            shown = [
                "\n".join([_short(it.text), *(f"    {li}" for li in plans.plan(connection, it))])
                for it in statements
            ]
        engine.dispose()
    return "\n".join(shown)


def _short(statement: str) -> str:
    """Returns a statement in one line, without the names of its columns."""
    line = " ".join(statement.split())
    head, found, tail = line.partition(" FROM ")
    return f"{head.partition(' ')[0]} ... FROM {tail}" if found and len(head) > 60 else line


def cpu_seconds(program: Program) -> float:
    """Returns the processor time that a process has used, in seconds."""
    fields = Path(f"/proc/{program.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def server_times(program: Program) -> dict[str, list[float]]:
    """Returns the times of calls by method, in ms, filled from the service's log while it runs."""
    times: dict[str, list[float]] = defaultdict(list)

    def read() -> None:
        for line in program.process.stderr or ():
            event = json.loads(line)
            if event.get("event") == "call":
                times[event["method"].rpartition("/")[2]].append(event["ms"])

    threading.Thread(target=read, daemon=True).start()
    return times
