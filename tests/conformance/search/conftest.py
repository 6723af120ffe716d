"""A library of generated recordings, in each store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest_asyncio

from tests.conformance.index.conftest import channel, milvus, start_milvus, stub
from tests.conformance.search.generated import Generated, fill

__all__ = ["channel", "milvus", "start_milvus", "stub"]


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def generated(channel: grpc.aio.Channel) -> AsyncIterator[Generated]:
    """The library; only for reading."""
    yield await fill(channel)
