"""Starts the catalog service: all its wiring."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from catalog_service import contracts
from catalog_service.audio.audio_store import AudioStore
from catalog_service.audio.checks import AudioChecks
from catalog_service.audio.clip_audio import Audio
from catalog_service.audio.folder_store import FolderStore
from catalog_service.audio.object_store import ObjectStore
from catalog_service.audio.reference_uris import split
from catalog_service.audio.references import References
from catalog_service.audio.referring import Referring
from catalog_service.audio.referring_store import ReferringStore
from catalog_service.audio.short_audio import ShortAudios
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
from catalog_service.queries.queries import Queries
from catalog_service.queries.servicer import QueryServicer
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

_IN_TRANSACTION = 0.8
"""Part of a transaction's time that an object store may take."""


def references(settings: CatalogSettings) -> References:
    """The way to the audio elsewhere that clips may refer to."""
    return References(
        split(settings.reference_urls),
        settings.audio_store_seconds,
        settings.statement_seconds * _IN_TRANSACTION,
    )


def audio_store(settings: CatalogSettings) -> AudioStore:
    """The store of the audio that the settings name."""
    if settings.object_store_url:
        return ObjectStore(
            settings.object_store_url,
            settings.audio_store_seconds,
            settings.statement_seconds * _IN_TRANSACTION,
        )
    return FolderStore(settings.audio_folder, settings.reserve_bytes)


async def start(
    settings: CatalogSettings,
    stop: asyncio.Event | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serves until a signal or `stop` ends the service. Calls `ready` with the port."""
    stop = stop or asyncio.Event()
    database = Database(backend(settings), settings.statement_seconds, settings.queue)
    elsewhere = references(settings)
    store = ReferringStore(audio_store(settings), elsewhere)
    referring = Referring(database, elsewhere, settings.max_audio_bytes)
    audio = Audio(database, store, settings.max_audio_bytes)
    short_audio = ShortAudios(database, store, audio, settings.max_audio_bytes)
    checks = AudioChecks(
        database,
        store,
        settings.audio_look_seconds,
        settings.audio_hash_seconds,
        settings.audio_hash_bytes,
    )
    queries = Queries(database, store, settings.query_days, settings.max_audio_bytes)
    servicers = Servicers(
        {
            contracts.LIBRARIES: LibraryServicer(
                Libraries(database, store), Migrations(database), IndexChecks(database)
            ),
            contracts.CLIPS: ClipServicer(Clips(database, store), audio, short_audio, referring),
            contracts.QUERIES: QueryServicer(queries),
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
        background(checks.run(), queries.run(), *sizes),
    ):
        await serve(
            settings, servicers.names, servicers.add, check, stop, ready, busy=Reason.CATALOG_BUSY
        )


if __name__ == "__main__":
    settings = load(CatalogSettings, "catalog_service")
    run("catalog", settings, lambda: start(settings))
