"""Starts the catalog service: all its wiring."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from catalog_service import contracts
from catalog_service.audio.checks import AudioChecks
from catalog_service.audio.clip_audio import Audio
from catalog_service.audio.folder_store import FolderStore
from catalog_service.backups.reading import Reading
from catalog_service.backups.servicer import BackupServicer
from catalog_service.backups.writing import Writing
from catalog_service.clips.clips import Clips
from catalog_service.clips.servicer import ClipServicer
from catalog_service.database.database import Database
from catalog_service.database.engines import backend
from catalog_service.database.servicer import StoreServicer
from catalog_service.imports.jobs import ImportJobs
from catalog_service.imports.servicer import ImportJobServicer
from catalog_service.libraries.index_checks import IndexChecks
from catalog_service.libraries.libraries import Libraries
from catalog_service.libraries.migrations import Migrations
from catalog_service.libraries.servicer import LibraryServicer
from catalog_service.readiness import opened
from catalog_service.settings import CatalogSettings
from catalog_service.sizes import Sizes
from catalog_service.speakers.calibration_servicer import CalibrationServicer
from catalog_service.speakers.calibrations import Calibrations
from catalog_service.speakers.servicer import SpeakerServicer
from catalog_service.speakers.speakers import Speakers
from catalog_service.vectors.kept import Kept
from catalog_service.vectors.servicer import VectorServicer
from serving.background import background
from serving.contracts import Servicers
from serving.errors import Reason
from serving.server import run, serve
from serving.settings import load


async def start(
    settings: CatalogSettings,
    stop: asyncio.Event | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serves until a signal or `stop` ends the service. Calls `ready` with the port."""
    stop = stop or asyncio.Event()
    database = Database(backend(settings), settings.statement_seconds, settings.queue)
    store = FolderStore(settings.audio_folder, settings.reserve_bytes)
    audio = Audio(database, store, settings.max_audio_bytes)
    checks = AudioChecks(
        database,
        store,
        settings.audio_look_seconds,
        settings.audio_hash_seconds,
        settings.audio_hash_bytes,
    )
    servicers = Servicers(
        {
            contracts.LIBRARIES: LibraryServicer(
                Libraries(database, store), Migrations(database), IndexChecks(database)
            ),
            contracts.CLIPS: ClipServicer(Clips(database, store), audio),
            contracts.VECTORS: VectorServicer(Kept(database)),
            contracts.SPEAKERS: SpeakerServicer(Speakers(database)),
            contracts.CALIBRATIONS: CalibrationServicer(Calibrations(database)),
            contracts.IMPORT_JOBS: ImportJobServicer(ImportJobs(database)),
            contracts.STORE: StoreServicer(database),
            contracts.BACKUPS: BackupServicer(Reading(database), Writing(database)),
        }
    )
    sizes = [] if settings.metrics_port is None else [Sizes(database).run()]
    async with (
        opened(database, store, stop, start_empty=settings.start_empty) as check,
        background(checks.run(), *sizes),
    ):
        await serve(
            settings, servicers.names, servicers.add, check, stop, ready, busy=Reason.CATALOG_BUSY
        )


if __name__ == "__main__":
    settings = load(CatalogSettings, "catalog_service")
    run("catalog", settings, lambda: start(settings))
