"""Opens and closes database and audio store, and checks their health."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from catalog_service.audio.audio_store import AudioStore
from catalog_service.database.database import Database


@contextlib.asynccontextmanager
async def opened(
    database: Database, store: AudioStore, stop: asyncio.Event, *, start_empty: bool = False
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Opens both for the time of the block. Gives a health check that raises if one is gone.

    `stop` is set if the block can't go on.

    Raises:
        SystemExit: one of them can't be opened later either, or the database has lost the libraries
            whose audio is there, unless `start_empty`.
    """

    async def check() -> None:
        await database.check()
        await store.check()

    try:
        await store.open()
        libraries = 0 if start_empty else await store.count_libraries()
        await database.open(_lost(database, store, libraries) if libraries else "", stop.set)
        yield check
    finally:
        await database.close()
        await store.close()
    if database.refusal:
        raise SystemExit(database.refusal)


def _lost(database: Database, store: AudioStore, libraries: int) -> str:
    return (
        f"the catalog {database.where} has no library, but {store.where} has the audio of "
        f"{libraries}: restore the catalog from a copy, or move the audio and the index aside, or "
        "set AUDIOSEARCH_START_EMPTY=1 to begin with an empty catalog beside them"
    )
