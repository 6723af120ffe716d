"""Starts the gateway: `python -m gateway`."""

from __future__ import annotations

import asyncio

from gateway.background import background
from gateway.clips import Clips
from gateway.guard import Guard
from gateway.health import Health
from gateway.importing import ImportWorker
from gateway.keyring import Keyring
from gateway.libraries import Libraries
from gateway.operations import OperationsServicer
from gateway.reconciler import Reconciler
from gateway.rest.parts import Parts
from gateway.rest.server import rest
from gateway.search import Search
from gateway.servicer import NAMES, GatewayServicer, register
from gateway.settings import GatewaySettings
from gateway.upstream import Upstream
from serving.server import run, serve
from serving.settings import load


async def main(settings: GatewaySettings) -> None:
    """Wires the gateway and serves until it is told to stop."""
    upstream, keyring = Upstream(settings), Keyring(settings.keyring)
    libraries, clips = Libraries(upstream), Clips(upstream)
    search = Search(upstream, libraries, settings.top_k)
    worker = ImportWorker(upstream, libraries, clips, settings)
    reconciler = Reconciler(upstream, libraries, clips, settings)
    gateway = GatewayServicer(upstream, libraries, clips, search, worker)
    operations, guard = OperationsServicer(upstream), Guard(keyring)
    health, stop = Health(keyring.check, upstream.check), asyncio.Event()
    parts = Parts(settings, guard, gateway, operations, health)
    async with background(worker.run(), reconciler.run(), keyring.follow()), rest(parts, stop):
        servicer = register(gateway, operations)
        await serve(settings, NAMES, servicer, health.check, stop, admit=guard.admit)
    await clips.settle()
    await upstream.close()


if __name__ == "__main__":
    gateway_settings = load(GatewaySettings, "gateway")
    run("gateway", gateway_settings, lambda: main(gateway_settings))
