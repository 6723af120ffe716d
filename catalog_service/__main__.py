"""Starts the catalog service: all its wiring."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from audiosearch.catalog.v1 import catalog_service_pb2_grpc

from catalog_service.audio.clip_audio import Audio
from catalog_service.audio.folder_store import FolderStore
from catalog_service.clips.clips import Clips
from catalog_service.database.database import Database
from catalog_service.database.engines import backend
from catalog_service.imports.jobs import ImportJobs
from catalog_service.libraries.libraries import Libraries
from catalog_service.readiness import opened
from catalog_service.servicer import SERVICE, CatalogServicer
from catalog_service.settings import CatalogSettings
from catalog_service.speakers.calibrations import Calibrations
from catalog_service.speakers.speakers import Speakers
from serving.server import run, serve
from serving.settings import load


async def start(
    settings: CatalogSettings,
    stop: asyncio.Event | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serves until a signal or `stop` ends the service. Calls `ready` with the port."""
    database = Database(backend(settings), settings.statement_seconds, settings.queue)
    store = FolderStore(settings.audio_folder)
    audio = Audio(database, store, settings.max_audio_bytes)
    servicer = CatalogServicer(
        database,
        Libraries(database, store),
        Clips(database, store),
        audio,
        Speakers(database),
        Calibrations(database),
        ImportJobs(database),
    )
    async with opened(database, store) as check:
        await serve(
            settings,
            [SERVICE],
            lambda server: catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server(
                servicer, server
            ),
            check,
            stop,
            ready,
        )


if __name__ == "__main__":
    settings = load(CatalogSettings, "catalog_service")
    run("catalog", settings, lambda: start(settings))
