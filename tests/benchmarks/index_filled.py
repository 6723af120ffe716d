"""The index service over a Milvus server as processes, filled for a benchmark."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
from audiosearch.index.v1 import index_pb2
from audiosearch.index.v1.index_service_pb2 import (
    CreateIndexRequest,
    GetIndexStatsRequest,
    UpsertVectorsRequest,
)
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from pymilvus import MilvusClient

from index_service.naming import alias
from tests.benchmarks.clustered import DIMENSION
from tests.benchmarks.index_recall import say, settle
from tests.milvus_server import MilvusServer, free_ports

BATCH = 5000
NAME, MODEL = "bench", "models/bench-1"
WRITERS = 2
AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
LARGE = [("grpc.max_receive_message_length", 64 * 2**20)]


@contextmanager
def running_service(milvus: MilvusServer, folder: str) -> Iterator[IndexServiceStub]:
    """The index service as a process."""
    port = free_ports(["index"])["index"]
    environment = {
        **os.environ,
        "MILVUS_HOST": "127.0.0.1",
        "MILVUS_PORT": str(milvus.port),
        "AUDIOSEARCH_INDEX_PORT": str(port),
        "AUDIOSEARCH_DATA_DIR": folder,
        "AUDIOSEARCH_DRAIN_SECONDS": "0",
        "AUDIOSEARCH_STORE_TIMEOUT_SECONDS": "120",
    }
    with (Path(folder) / "service.log").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "index_service"], env=environment, stderr=output
        )
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}", LARGE) as channel:
            grpc.channel_ready_future(channel).result(60)
            yield IndexServiceStub(channel)
    finally:
        process.terminate()
        process.wait(60)


def write(stub: IndexServiceStub, stored: np.ndarray) -> float:
    """Upserts all rows through the service; returns the seconds."""
    stub.CreateIndex(CreateIndexRequest(index_id=NAME, model=MODEL, dimension=DIMENSION))
    done = 0

    def send(start: int) -> int:
        part = stored[start : start + BATCH]
        vectors = [
            index_pb2.Vector(id=f"{start + row:08d}", values=values.tolist())
            for row, values in enumerate(part)
        ]
        request = UpsertVectorsRequest(index_id=NAME, model=MODEL, vectors=vectors)
        while True:
            try:
                return stub.UpsertVectors(request, timeout=300).upserted_count
            except grpc.RpcError as error:
                if error.code() not in AGAIN:
                    raise
                say(f"again, because {error.details()}")
                time.sleep(1)

    start = time.monotonic()
    with ThreadPoolExecutor(WRITERS) as writers:
        for written in writers.map(send, range(0, len(stored), BATCH)):
            done += written
            if done % (BATCH * 10) == 0:
                say(f"{done:,} written, {done / (time.monotonic() - start):,.0f} rows/s")
    return time.monotonic() - start


def wait_for_index(stub: IndexServiceStub, client: MilvusClient, rows: int) -> float:
    """Waits until the index has its last kind and is built; returns the seconds."""
    start = time.monotonic()
    while True:
        stats = stub.GetIndexStats(GetIndexStatsRequest(index_id=NAME), timeout=300)
        say(f"{stats.index_type}, {stats.vector_count:,} rows, {stats.pending_count:,} pending")
        if stats.index_type == "HNSW" or rows <= 20_000:
            break
        time.sleep(5)
    if rows > 20_000:
        settle(client, client.describe_collection(alias(NAME))["collection_name"], rows)
    return time.monotonic() - start
