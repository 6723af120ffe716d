"""Starts the gateway: `python -m gateway`."""

from __future__ import annotations

import asyncio

import grpc
from audiosearch.gateway.v1 import gateway_service_pb2, gateway_service_pb2_grpc
from google.longrunning import operations_pb2_grpc

from gateway.clips import Clips
from gateway.importing import ImportWorker
from gateway.libraries import Libraries
from gateway.operations import OperationsServicer
from gateway.reconciler import Reconciler
from gateway.search import Search
from gateway.servicer import GatewayServicer
from gateway.settings import GatewaySettings
from gateway.upstream import Upstream
from serving.server import run, serve
from serving.settings import load


async def main(settings: GatewaySettings) -> None:
    """Wires the gateway and serves until it is told to stop."""
    upstream = Upstream(
        settings.embedding_target,
        settings.index_target,
        settings.catalog_target,
        settings.upstream_seconds,
    )
    libraries, clips, roots = Libraries(upstream), Clips(upstream), settings.roots()
    worker = ImportWorker(
        upstream, libraries, clips, roots, settings.import_jobs, settings.import_concurrency
    )
    reconciler = Reconciler(
        upstream, libraries, clips, settings.reconcile_seconds, settings.stale_seconds
    )
    servicer = GatewayServicer(
        upstream, libraries, clips, Search(upstream, libraries), worker, roots
    )

    def register(server: grpc.aio.Server) -> None:
        gateway_service_pb2_grpc.add_GatewayServiceServicer_to_server(servicer, server)
        operations_pb2_grpc.add_OperationsServicer_to_server(OperationsServicer(upstream), server)

    names = [
        gateway_service_pb2.DESCRIPTOR.services_by_name["GatewayService"].full_name,
        "google.longrunning.Operations",
    ]
    background = [asyncio.create_task(part.run()) for part in (worker, reconciler)]
    await serve(settings, names, register, upstream.check)
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
    await clips.settle()
    await upstream.close()


if __name__ == "__main__":
    gateway_settings = load(GatewaySettings, "gateway")
    run("gateway", gateway_settings, lambda: main(gateway_settings))
