"""The index service under test, over each store."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import grpc
import pytest
import pytest_asyncio
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub

from index_service.milvus import MilvusStore
from tests.conformance.index.index_harness import Client, serving_store, settings_for, unit
from tests.conformance.index.index_memory import MemoryStore
from tools.servers.milvus_server import MilvusServer
from tools.servers.stores import running_milvus


def pytest_configure(config: pytest.Config) -> None:
    """Tells pytest the markers used here."""
    config.addinivalue_line("markers", "server: needs a real Milvus server (2.3.5 from PyPI)")


@pytest.fixture(scope="package")
def start_milvus(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., MilvusServer]]:
    """Starts Milvus servers that end with the session; skips where there can be none."""
    with ExitStack() as started:

        def start(lease_seconds: int = 5) -> MilvusServer:
            folder = tmp_path_factory.mktemp("milvus")
            return started.enter_context(running_milvus(folder, lease_seconds))

        yield start


@pytest.fixture(scope="package")
def milvus(start_milvus: Callable[..., MilvusServer]) -> MilvusServer:
    """One Milvus server for all tests that leave it as it is."""
    return start_milvus(lease_seconds=60)  # kept on a busy machine too; it never starts again


@pytest_asyncio.fixture(
    scope="package",
    loop_scope="session",
    params=["memory", "lite", pytest.param("server", marks=pytest.mark.server)],
)
async def channel(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[grpc.aio.Channel]:
    """To the service over each of the stores."""
    folder = tmp_path_factory.mktemp("data")
    port = request.getfixturevalue("milvus").port if request.param == "server" else None
    settings = settings_for(folder, port)
    store = MemoryStore() if request.param == "memory" else MilvusStore(settings)
    async with serving_store(store, settings) as opened:
        yield opened


@pytest.fixture(scope="package")
def stub(channel: grpc.aio.Channel) -> IndexServiceStub:
    """Calls the service over each of the stores."""
    return IndexServiceStub(channel)


_numbers = itertools.count()


@pytest_asyncio.fixture(loop_scope="session")
async def missing(stub: IndexServiceStub) -> Client:
    """A client with the name of an index that is not there."""
    return Client(stub, f"test_{next(_numbers)}")


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def scratch(stub: IndexServiceStub) -> str:
    """Id of an index to write to: a server takes seconds to make one, so one serves all tests."""
    await Client(stub, "scratch").create()
    return "scratch"


@pytest_asyncio.fixture(loop_scope="session")
async def client(stub: IndexServiceStub, scratch: str) -> AsyncIterator[Client]:
    """A client with an empty index."""
    client = Client(stub, scratch)
    yield client
    if client.written:
        await client.delete(*client.written)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def filled(stub: IndexServiceStub) -> Client:
    """An index of 200 vectors, `v000` to `v199`, the rows of `unit(200)`; only for reading."""
    filled = Client(stub, "filled")
    await filled.create()
    await filled.upsert({f"v{row:03d}": vector for row, vector in enumerate(unit(200))})
    return filled
