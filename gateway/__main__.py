"""Starts the gateway: `python -m gateway`."""

from __future__ import annotations

from gateway.background import background
from gateway.clips import Clips
from gateway.guard import Guard
from gateway.importing import ImportWorker
from gateway.keyring import Keyring
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
    upstream, keyring = Upstream(settings), Keyring(settings.keyring)
    libraries, clips = Libraries(upstream), Clips(upstream)
    search = Search(upstream, libraries, settings.top_k)
    worker = ImportWorker(upstream, libraries, clips, settings)
    reconciler = Reconciler(upstream, libraries, clips, settings)
    servicer = register(
        GatewayServicer(upstream, libraries, clips, search, worker), OperationsServicer(upstream)
    )

    async def check() -> None:
        keyring.check()
        await upstream.check()

    async with background(worker.run(), reconciler.run(), keyring.follow()):
        await serve(settings, NAMES, servicer, check, admit=Guard(keyring).admit)
    await clips.settle()
    await upstream.close()


if __name__ == "__main__":
    gateway_settings = load(GatewaySettings, "gateway")
    run("gateway", gateway_settings, lambda: main(gateway_settings))
