"""Starts the gateway: `python -m gateway`."""

from __future__ import annotations

import asyncio

from gateway import contracts
from gateway.access.guard import Guard
from gateway.access.keyring import Keyring
from gateway.clips.life import Clips
from gateway.clips.mirror import Mirror
from gateway.clips.servicer import ClipServicer
from gateway.clips.trash import Trash
from gateway.duplicates.library_duplicates import AllDuplicates
from gateway.health.health import Health
from gateway.health.servicer import StatusServicer
from gateway.health.status import Status
from gateway.imports.operations import OperationsServicer
from gateway.imports.worker import ImportWorker
from gateway.libraries.libraries import Libraries
from gateway.libraries.servicer import LibraryServicer
from gateway.maps.library_maps import Maps
from gateway.models.servicer import ModelServicer
from gateway.rest.parts import Parts
from gateway.rest.server import rest
from gateway.search.record import SearchLog
from gateway.search.search import Search
from gateway.search.servicer import SearchServicer
from gateway.settings import GatewaySettings
from gateway.speakers.calibration_servicer import CalibrationServicer
from gateway.speakers.servicer import SpeakerServicer
from gateway.speakers.wiring import Speakers
from gateway.upkeep.index_watch import IndexWatch
from gateway.upkeep.migrating import MigrationWorker
from gateway.upkeep.reconciler import Reconciler
from gateway.upstream import Upstream
from serving.background import background
from serving.caller import Proxies
from serving.contracts import Servicers
from serving.server import run, serve
from serving.settings import load


async def main(settings: GatewaySettings) -> None:
    """Wires the parts of the gateway and serves until it is told to stop."""
    upstream, keyring = Upstream(settings), Keyring(settings.keyring)
    libraries, clips = Libraries(upstream), Clips(upstream)
    health, searches = Health(upstream, keyring), SearchLog()
    search = Search(upstream, libraries, settings.top_k, searches)
    maps, status = Maps(upstream, libraries), Status(upstream, health, searches)
    duplicates = AllDuplicates(upstream, libraries)
    worker = ImportWorker(upstream, libraries, clips, settings)
    mirror = Mirror(upstream, clips.vectors)
    speakers = Speakers(upstream, libraries, clips, mirror, settings)
    trash = Trash(upstream, libraries, clips, speakers.removing, settings.trash_seconds)
    migrations = MigrationWorker(upstream, libraries, clips, speakers.upkeep)
    reconciler = Reconciler(upstream, libraries, clips, speakers.upkeep, mirror, settings)
    servicers = Servicers(
        {
            contracts.LIBRARIES: LibraryServicer(upstream, libraries, maps, duplicates, migrations),
            contracts.CLIPS: ClipServicer(
                upstream, libraries, clips, worker, trash, mirror, settings.link_seconds
            ),
            contracts.SEARCH: SearchServicer(search, upstream),
            contracts.SPEAKERS: SpeakerServicer(upstream, speakers),
            contracts.CALIBRATIONS: CalibrationServicer(upstream, speakers.calibrating),
            contracts.MODELS: ModelServicer(upstream),
            contracts.STATUS: StatusServicer(status),
            contracts.OPERATIONS: OperationsServicer(upstream),
        }
    )
    guard, stop = Guard(keyring, Proxies(settings.trusted_proxies)), asyncio.Event()
    parts = Parts(settings, guard, servicers, health)
    watch = IndexWatch(upstream, libraries, clips, speakers.upkeep, settings)
    work = (worker.run(), migrations.run(), reconciler.run(), watch.run(), maps.run())
    files = (keyring.follow(), upstream.follow())
    async with background(*work, *files, duplicates.run()), rest(parts, stop):
        await serve(settings, servicers.names, servicers.add, health.check, stop, gate=guard)
    await clips.cleanups.settle()
    await upstream.close()


if __name__ == "__main__":
    gateway_settings = load(GatewaySettings, "gateway")
    run("gateway", gateway_settings, lambda: main(gateway_settings))
