"""Opens and closes database and audio store, and checks their health."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from catalog_service.audio.audio_store import AudioStore
from catalog_service.database.database import Database


@contextlib.asynccontextmanager
async def opened(
    database: Database, store: AudioStore
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Opens both for the time of the block. Gives a health check that raises if one is gone."""

    async def check() -> None:
        await database.check()
        await store.check()

    await store.open()
    await database.open()
    try:
        yield check
    finally:
        await database.close()
        await store.close()
