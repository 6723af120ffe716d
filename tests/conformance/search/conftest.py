"""A library of generated recordings, in each store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub

from tests.conformance.index.conftest import milvus, start_milvus, stub
from tests.conformance.search.generated import Generated, fill

__all__ = ["milvus", "start_milvus", "stub"]


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def generated(stub: IndexServiceStub) -> AsyncIterator[Generated]:
    """The library; only for reading."""
    yield await fill(stub)
