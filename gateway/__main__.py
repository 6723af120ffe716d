"""Starts the gateway: `python -m gateway`."""

from __future__ import annotations

from gateway.background import background
from gateway.clips import Clips
from gateway.importing import ImportWorker
from gateway.libraries import Libraries
from gateway.operations import OperationsServicer
from gateway.reconciler import Reconciler
from gateway.search import Search
from gateway.servicer import NAMES, GatewayServicer, register
from gateway.settings import GatewaySettings
from gateway.upstream import Upstream
from serving.server import run, serve
from serving.settings import load


async def main(settings: GatewaySettings) -> None:
    """Wires the gateway and serves until it is told to stop."""
    upstream = Upstream(settings)
    libraries, clips = Libraries(upstream), Clips(upstream)
    search = Search(upstream, libraries, settings.top_k)
    worker = ImportWorker(upstream, libraries, clips, settings)
    reconciler = Reconciler(upstream, libraries, clips, settings)
    servicer = GatewayServicer(upstream, libraries, clips, search, worker)
    operations = OperationsServicer(upstream)
    async with background(worker.run(), reconciler.run()):
        await serve(settings, NAMES, register(servicer, operations), upstream.check)
    await clips.settle()
    await upstream.close()


if __name__ == "__main__":
    gateway_settings = load(GatewaySettings, "gateway")
    run("gateway", gateway_settings, lambda: main(gateway_settings))
