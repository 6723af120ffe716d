"""A store that is gone: calls say so soon, health says so, and both recover by themselves."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from audiosearch.index.v1.index_service_pb2 import GetIndexStatsRequest
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymilvus import MilvusClient

from index_service.collection_names import collections_of
from index_service.milvus import MilvusStore
from serving.compat import timeout
from serving.errors import Reason, ServiceError, from_rpc_error
from tests.conformance.index.index_harness import Client, refused, serving_store, settings_for, unit
from tools.servers.milvus_server import MilvusServer

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
PATIENCE = 90


async def becomes(channel: grpc.aio.Channel, wanted: int) -> None:
    """Waits until health says so."""
    stub = health_pb2_grpc.HealthStub(channel)
    async with timeout(PATIENCE):
        async for answer in stub.Watch(health_pb2.HealthCheckRequest()):
            if answer.status == wanted:
                return


async def recovered(client: Client) -> list[tuple[str, float]]:
    """Searches until that succeeds; only INDEX_UNAVAILABLE may come before."""
    async with timeout(PATIENCE):
        while True:
            try:
                return await client.search(unit(1)[0])
            except grpc.aio.AioRpcError as caught:
                error = from_rpc_error(caught)
                assert isinstance(error, ServiceError)
                assert error.reason == Reason.INDEX_UNAVAILABLE, error.message
                await asyncio.sleep(0.2)


async def test_port_that_refuses(tmp_path: Path) -> None:
    """A server that is not there at the start: NOT_SERVING, and every call is INDEX_UNAVAILABLE."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        settings = settings_for(tmp_path, reserved.getsockname()[1], store_seconds=3)
        async with serving_store(MilvusStore(settings), settings) as channel:
            client, vector = Client(IndexServiceStub(channel), "gone"), unit(1)[0]
            await becomes(channel, NOT_SERVING)
            for call in (
                client.create(),
                client.drop(),
                client.upsert({"a": vector}),
                client.delete("a"),
                client.get("a"),
                client.page(),
                client.search(vector),
                client.stats(),
            ):
                await refused(call, Reason.INDEX_UNAVAILABLE)
            await refused(client.search(vector, k=0), Reason.FIELD_INVALID)


async def test_port_that_never_answers(tmp_path: Path) -> None:
    """A server that takes connections and says nothing: calls end within the time set for it."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        settings = settings_for(tmp_path, silent.getsockname()[1], store_seconds=1)
        async with serving_store(MilvusStore(settings), settings) as channel:
            client = Client(IndexServiceStub(channel), "gone")
            async with timeout(30):
                await asyncio.gather(
                    *(refused(client.stats(), Reason.INDEX_UNAVAILABLE) for _ in range(20))
                )
            await becomes(channel, NOT_SERVING)


async def test_too_many_calls(tmp_path: Path) -> None:
    """While the store is slow few calls wait for it; all others are INDEX_BUSY at once."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        settings = settings_for(tmp_path, silent.getsockname()[1], store_seconds=60, store_queue=3)
        async with serving_store(MilvusStore(settings), settings) as channel:
            client = Client(IndexServiceStub(channel), "gone")
            calls = [asyncio.create_task(client.stats()) for _ in range(40)]
            reasons = [await reason_of(call) for call in calls]
            # 4 are at work, 3 wait; they end when the store is known to be gone.
            assert set(reasons) == {Reason.INDEX_BUSY, Reason.INDEX_UNAVAILABLE}
            assert reasons.count(Reason.INDEX_UNAVAILABLE) == 4 + 3


async def reason_of(call: Awaitable[object]) -> Reason:
    """Awaits a call that has to fail; returns why it did."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = from_rpc_error(caught.value)
    assert error is not None, caught.value
    return error.reason


@pytest.mark.server
async def test_server_hangs(tmp_path: Path, start_milvus: Callable[..., MilvusServer]) -> None:
    """A server that hangs: calls end long before their time, and it is found again by itself."""
    milvus = start_milvus(lease_seconds=120)
    settings = settings_for(tmp_path, milvus.port, store_seconds=300)
    async with serving_store(MilvusStore(settings), settings) as channel:
        client = Client(IndexServiceStub(channel), "hangs")
        await client.create()
        await client.upsert({f"v{row}": vector for row, vector in enumerate(unit(50))})
        before = await client.search(unit(1)[0])
        milvus.signal(signal.SIGSTOP)
        try:
            async with timeout(60):
                calls = [
                    asyncio.create_task(call)
                    for row in range(10)
                    for call in (
                        client.search(unit(1)[0]),
                        client.upsert({f"late{row}": unit(1)[0]}),
                    )
                ]
                assert {await reason_of(call) for call in calls} == {Reason.INDEX_UNAVAILABLE}
                await becomes(channel, NOT_SERVING)
                await refused(client.search(unit(1)[0]), Reason.INDEX_UNAVAILABLE)
        finally:
            milvus.signal(signal.SIGCONT)
        await becomes(channel, SERVING)
        await recovered(client)
        await client.delete(*(f"late{row}" for row in range(10)))
        assert await client.search(unit(1)[0]) == before


async def test_deadline_of_the_call(tmp_path: Path) -> None:
    """A call whose own deadline is sooner than the store's answer is DEADLINE_EXCEEDED."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        settings = settings_for(tmp_path, silent.getsockname()[1], store_seconds=5)
        async with serving_store(MilvusStore(settings), settings) as channel:
            stub = IndexServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetIndexStats(GetIndexStatsRequest(index_id="gone"), timeout=0.3)
            assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.server
async def test_server_stops_and_starts_again(
    tmp_path: Path, start_milvus: Callable[..., MilvusServer]
) -> None:
    """A Milvus server dies and comes back: the service follows, nothing answered is lost."""
    milvus = start_milvus()
    settings = settings_for(tmp_path, milvus.port, store_seconds=60)
    async with serving_store(MilvusStore(settings), settings) as channel:
        client = Client(IndexServiceStub(channel), "outage")
        await client.create()
        await client.upsert({f"v{row}": vector for row, vector in enumerate(unit(50))})
        before = await client.search(unit(1)[0])
        await becomes(channel, SERVING)
        milvus.stop()
        await refused(client.search(unit(1)[0]), Reason.INDEX_UNAVAILABLE)
        await refused(client.upsert({"late": unit(1)[0]}), Reason.INDEX_UNAVAILABLE)
        await becomes(channel, NOT_SERVING)
        milvus.start()
        await becomes(channel, SERVING)
        assert await recovered(client) == before
        assert await client.upsert({"new": unit(1)[0]}) == 1
        assert (await client.stats()).vector_count == 51


@pytest.mark.server
async def test_an_index_outlives_one_whose_id_begins_its_own(
    tmp_path: Path, start_milvus: Callable[..., MilvusServer]
) -> None:
    """Milvus is restarted after the other one was dropped, or was not there to be dropped."""
    milvus = start_milvus()
    settings = settings_for(tmp_path, milvus.port, store_seconds=60)
    async with serving_store(MilvusStore(settings), settings) as channel:
        old, new = (Client(IndexServiceStub(channel), name) for name in ("uid", "uid_w1"))
        for client in (old, new):
            await client.create()
        await new.upsert({"a": unit(1)[0]})
        for _ in range(2):
            await old.drop()
            milvus.stop()
            milvus.start()
            await becomes(channel, SERVING)
            assert [one for one, _ in await recovered(new)] == ["a"]


@pytest.mark.server
async def test_an_index_out_of_memory_is_brought_back(tmp_path: Path, milvus: MilvusServer) -> None:
    """After a restart of Milvus its memory is empty. The first call loads the index."""
    settings = settings_for(tmp_path, milvus.port)
    server = MilvusClient(f"http://127.0.0.1:{milvus.port}")
    async with serving_store(MilvusStore(settings), settings) as channel:
        client = Client(IndexServiceStub(channel), "released")
        await client.create()
        (name,) = collections_of("released", server.list_collections())
        for call in (
            client.upsert({"a": unit(1)[0], "b": unit(2)[1]}),
            client.search(unit(1)[0]),
            client.delete("b"),
            client.get("a"),
            client.stats(),
        ):
            server.release_collection(name)
            await call
        assert [one for one, _ in await client.search(unit(1)[0])] == ["a"]
        await client.drop()
