"""Starts the index service: `python -m index_service`."""

from __future__ import annotations

from functools import partial

from audiosearch.index.v1.index_service_pb2_grpc import add_IndexServiceServicer_to_server

from index_service.milvus import MilvusStore
from index_service.servicer import NAME, IndexServicer
from index_service.settings import IndexSettings
from index_service.sizes import Sizes
from index_service.threads import for_calls, for_checks, for_sizes
from serving.background import background
from serving.errors import Reason
from serving.server import run, serve
from serving.settings import load


async def start(settings: IndexSettings) -> None:
    """Serves until a signal ends the process."""
    store = MilvusStore(settings)
    calls, checks = for_calls(settings, store), for_checks()
    looks = for_sizes(settings, store)
    sizes = [] if settings.metrics_port is None else [Sizes(store, looks).run()]
    servicer = IndexServicer(store, calls, settings.vector_dimension)
    try:
        async with background(*sizes):
            await serve(
                settings,
                [NAME],
                partial(add_IndexServiceServicer_to_server, servicer),
                partial(checks.run, store.check),
                busy=Reason.INDEX_BUSY,
            )
    finally:
        await looks.close()
        await checks.close()
        await calls.close()
        store.close()


if __name__ == "__main__":
    index_settings = load(IndexSettings, "index_service")
    run("index", index_settings, partial(start, index_settings))
