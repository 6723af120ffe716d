"""Rows for planners to choose by."""

from __future__ import annotations

from datetime import datetime, timezone

from sqlalchemy import Connection, Table, insert, update

from catalog_service.database.schema import clips, import_jobs, libraries, speakers
from tools.servers.catalog import MODEL

OLD = (libraries, clips, import_jobs)
"""Tables of the first revision."""


def fill(connection: Connection) -> None:
    """Enough rows for a planner to choose by the contents of the tables."""
    now = datetime.now(timezone.utc)
    times = {"create_time": now, "update_time": now}
    connection.execute(
        insert(libraries),
        [
            {"uid": uid, "name": uid, "display_name": "", "model": MODEL, "state": 2, **times}
            for uid in ("u", "v", *(f"w{number}" for number in range(60)))
        ],
    )
    connection.execute(
        insert(clips),
        [
            {
                "id": f"{number:026}",
                "library_uid": "uv"[number % 7 == 0],
                "state": 1 + number % 50 // 2 % 3,
                "display_name": f"clip{number}",
                "label": f"l{number % 90}",
                "speaker": f"s{number % 90}",
                "metadata": {},
                "source": "",
                "import_job": f"01arz3ndektsv4rrffq69g5fa{number % 9}",
                "size_bytes": 1,
                "content_sha256": str(number),
                "request_id": str(number),
                **times,
            }
            for number in range(6000)
        ],
    )
    connection.execute(
        insert(import_jobs),
        [
            {
                "id": f"{number:026}",
                "library_uid": "uv"[number % 2],
                "state": 1 + (number % 90 > 0),
                "folder": "",
                "label": "",
                "total": 0,
                "imported": 0,
                "existing": 0,
                "failed": 0,
                "cursor": "",
                "failures": [],
                "cancel_requested": False,
                "worker": "",
                "lease_until": now,
                **times,
            }
            for number in range(900)
        ],
    )
    connection.commit()
    analyze(connection, *OLD)


def fill_speakers(connection: Connection) -> None:
    """Speakers of any state, each with clips of any state, for the clips that are there."""
    now = datetime.now(timezone.utc)
    connection.execute(
        insert(speakers),
        [
            {
                "uid": f"{number:026}",
                "library_uid": "uv"[number % 3 == 0],
                "name": f"s{number}",
                "display_name": "",
                "metadata": {},
                "state": 1 + number % 50 // 2 % 4,
                "request_id": str(number),
                "revision": 1,
                "voiceprint_revision": 1,
                "enrollment_count": 1,
                "speech_ns": 1,
                "create_time": now,
                "update_time": now,
            }
            for number in range(2000)
        ],
    )
    connection.execute(update(clips).values(enrolled_as=clips.c.speaker))
    connection.commit()
    analyze(connection, *OLD, speakers)


def analyze(connection: Connection, *tables: Table) -> None:
    """Gives the planner its figures."""
    commands = (
        ["ANALYZE"]
        if connection.dialect.name == "sqlite"
        else [f"ANALYZE TABLE {of}" for of in tables]
    )
    for command in commands:
        connection.exec_driver_sql(command).close()
