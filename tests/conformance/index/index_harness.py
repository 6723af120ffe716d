"""Shared parts of the tests of the index service: its server, a short client, example vectors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import grpc
import numpy as np
import pytest
from audiosearch.index.v1 import index_pb2, index_service_pb2
from audiosearch.index.v1.index_service_pb2_grpc import (
    IndexServiceStub,
    add_IndexServiceServicer_to_server,
)

from index_service.servicer import NAME, IndexServicer
from index_service.settings import IndexSettings
from index_service.store import VectorStore
from index_service.threads import for_calls, for_checks
from serving.errors import Reason, from_rpc_error
from serving.server import serve

DIMENSION = 16
MODEL = "models/tiny-0123456789ab"
LARGE = [("grpc.max_receive_message_length", 64 * 2**20)]


def unit(rows: int, seed: int = 0) -> np.ndarray:
    """Random unit vectors, shape (rows, DIMENSION)."""
    values = np.random.default_rng(seed).normal(size=(rows, DIMENSION))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


class Client:
    """Calls the service with short requests; `index` names the one they are about."""

    def __init__(self, stub: IndexServiceStub, index: str = "unset") -> None:
        """Takes the stub to call through."""
        self.stub = stub
        self.index = index
        self.written: set[str] = set()

    async def create(
        self,
        model: str = MODEL,
        dimension: int = DIMENSION,
        kind: index_pb2.IndexKind = index_pb2.INDEX_KIND_UNSPECIFIED,
    ) -> index_pb2.IndexStats:
        """CreateIndex."""
        return await self.stub.CreateIndex(
            index_service_pb2.CreateIndexRequest(
                index_id=self.index, model=model, dimension=dimension, kind=kind
            )
        )

    async def drop(self) -> None:
        """DropIndex."""
        await self.stub.DropIndex(index_service_pb2.DropIndexRequest(index_id=self.index))

    async def upsert(
        self, vectors: dict[str, np.ndarray] | list[tuple[str, np.ndarray]], model: str = MODEL
    ) -> int:
        """UpsertVectors; returns how many were written."""
        pairs = list(vectors.items()) if isinstance(vectors, dict) else vectors
        self.written.update(name for name, _ in pairs)
        answer = await self.stub.UpsertVectors(
            index_service_pb2.UpsertVectorsRequest(
                index_id=self.index,
                model=model,
                vectors=[
                    index_pb2.Vector(id=name, values=np.asarray(values).tolist())
                    for name, values in pairs
                ],
            )
        )
        return answer.upserted_count

    async def upsert_windows(self, *vectors: index_pb2.Vector) -> int:
        """UpsertVectors to an index of windows; returns how many were written."""
        self.written.update(vector.id for vector in vectors)
        answer = await self.stub.UpsertVectors(
            index_service_pb2.UpsertVectorsRequest(
                index_id=self.index, model=MODEL, vectors=vectors
            )
        )
        return answer.upserted_count

    async def update(self, **attributes: index_pb2.Attributes) -> int:
        """UpdateAttributes by clip; returns how many vectors were updated."""
        of_clip = index_service_pb2.UpdateAttributesRequest.ClipAttributes
        answer = await self.stub.UpdateAttributes(
            index_service_pb2.UpdateAttributesRequest(
                index_id=self.index,
                clips=[
                    of_clip(clip_id=clip_id, attributes=each)
                    for clip_id, each in attributes.items()
                ],
            )
        )
        return answer.updated_count

    async def delete(self, *ids: str, clip_ids: Sequence[str] = ()) -> None:
        """DeleteVectors."""
        await self.stub.DeleteVectors(
            index_service_pb2.DeleteVectorsRequest(index_id=self.index, ids=ids, clip_ids=clip_ids)
        )

    async def get(self, *ids: str) -> dict[str, np.ndarray]:
        """GetVectors, by id."""
        answer = await self.stub.GetVectors(
            index_service_pb2.GetVectorsRequest(index_id=self.index, ids=ids)
        )
        return {vector.id: np.array(vector.values, np.float32) for vector in answer.vectors}

    async def page(self, after: str = "", size: int = 0) -> index_service_pb2.ListVectorsResponse:
        """ListVectors, one page."""
        return await self.stub.ListVectors(
            index_service_pb2.ListVectorsRequest(
                index_id=self.index, after_id=after, page_size=size
            )
        )

    async def revisions(self) -> dict[str, int]:
        """ListVectors, the first page: revisions by id."""
        page = await self.page()
        return dict(zip(page.ids, page.revisions, strict=True))

    async def list_ids(self, size: int = 0) -> list[str]:
        """ListVectors, all pages."""
        ids: list[str] = []
        after = ""
        while True:
            page = await self.page(after, size)
            ids.extend(page.ids)
            after = page.next_after_id
            if not after:
                return ids

    async def search_all(
        self, queries: np.ndarray, model: str = MODEL, **options: object
    ) -> list[list[tuple[str, float]]]:
        """SearchVectors: for each query, ids with scores."""
        answer = await self.stub.SearchVectors(
            index_service_pb2.SearchVectorsRequest(
                index_id=self.index,
                model=model,
                **options,
                queries=[
                    index_service_pb2.SearchVectorsRequest.Query(values=np.asarray(row).tolist())
                    for row in queries
                ],
            )
        )
        return [[(one.id, one.score) for one in result.neighbors] for result in answer.results]

    async def search(self, query: np.ndarray, **options: object) -> list[tuple[str, float]]:
        """SearchVectors with one query."""
        return (await self.search_all(np.asarray(query)[None], **options))[0]

    async def stats(self) -> index_pb2.IndexStats:
        """GetIndexStats."""
        return await self.stub.GetIndexStats(
            index_service_pb2.GetIndexStatsRequest(index_id=self.index)
        )


async def refused(call: Awaitable[object], reason: Reason) -> str:
    """Awaits a call that has to fail with a reason; returns the message."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = from_rpc_error(caught.value)
    assert error is not None, caught.value
    assert error.reason == reason, error.message
    assert caught.value.code() == error.code
    return error.message


@asynccontextmanager
async def serving_store(
    store: VectorStore, settings: IndexSettings
) -> AsyncIterator[grpc.aio.Channel]:
    """Serves a store the way the service's own main does; gives a channel to it."""
    calls, checks = for_calls(settings, store), for_checks()
    servicer = IndexServicer(store, calls, settings.vector_dimension)
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(
            settings,
            [NAME],
            partial(add_IndexServiceServicer_to_server, servicer),
            partial(checks.run, store.check),
            stop,
            port.set_result,
        )
    )
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{await port}", LARGE) as channel:
            yield channel
    finally:
        stop.set()
        await task
        await checks.close()
        await calls.close()
        store.close()


def settings_for(folder: Path, port: int | None = None, **more: object) -> IndexSettings:
    """Settings for tests: a free port, no drain; a server's port, or None for Milvus Lite."""
    values: dict[str, object] = {
        "port": 0,
        "drain_seconds": 0,
        "data_dir": folder,
        "vector_dimension": DIMENSION,
        "store_threads": 4,
        # Milvus Lite shares the processor with the other tests.
        "store_seconds": 60 if port is None else 10,
        "milvus_host": None if port is None else "127.0.0.1",
        "milvus_port": port or 19530,
        **more,
    }
    return IndexSettings(**values)
