"""The earlier demo, PaddleSpeech's audio_searching, rebuilt from its document.

It runs VectorExecutor, Milvus with IVF_SQ8 and L2, and MySQL, one after the other. Its document
names CN-Celeb with 650,000 clips, 10,000 queries, an Intel Xeon E5-2620 v4 and Milvus 2.0.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient

from tools.benchmarks.experiment.results import LeftOutError
from tools.benchmarks.experiment.search import Ask, Route, asking
from tools.benchmarks.experiment.settings import DEMO_PROBES, K, Settings
from tools.benchmarks.experiment.stack import Servers
from tools.benchmarks.experiment.timed import milliseconds
from tools.benchmarks.index_recall import say, settle
from tools.benchmarks.vector_executor import VectorExecutor
from tools.servers.milvus_bulk import bulk_insert

PUBLISHED = ((0.90, 345.0), (0.95, 165.0), (0.99, 65.0))
"""Recall and queries a second of the demo's chart."""

PUBLISHED_SEARCH_MS, PUBLISHED_EMBEDDING_MS = 2.9, 500.0

COLLECTION = "audio_table"
PROBES = (1, 2, 4, 8, DEMO_PROBES, 32, 64, 128, 256)
BATCH = 5000
MERGE_SECONDS = 300.0
BUILD_SECONDS = 5400.0


def fill(servers: Servers, stored: np.ndarray, settings: Settings) -> None:
    """Fills the demo's collection and table, and builds the index of the collection.

    Raises:
        LeftOutError: The index was not built after `BUILD_SECONDS`.
    """
    client, rows = servers.client(), len(stored)
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=stored.shape[1])
    client.create_collection(COLLECTION, schema=schema)
    bulk_insert(
        servers.milvus,
        servers.folder,
        COLLECTION,
        rows,
        lambda part: {"id": part, "embedding": stored[part.start : part.stop]},
    )
    _merge_segments(client)
    parameters = MilvusClient.prepare_index_params()
    parameters.add_index(
        "embedding", index_type="IVF_SQ8", metric_type="L2", params={"nlist": settings.lists}
    )
    say(f"the demo's index of {settings.lists:,} lists is being built")
    client.create_index(COLLECTION, parameters, sync=False)
    load(client, rows, settings)
    client.release_collection(COLLECTION)
    with closing(Table(servers)) as table:
        table.fill(rows)


def load(client: MilvusClient, rows: int, settings: Settings) -> None:
    """Loads the demo's collection, and waits until its index is built.

    Raises:
        LeftOutError: The index was not built after `BUILD_SECONDS`.
    """
    client.load_collection(COLLECTION)
    steady_seconds = 3 if settings.quick else 20
    try:
        took = settle(client, COLLECTION, rows, steady_seconds, BUILD_SECONDS, "embedding")
    except TimeoutError as error:
        raise LeftOutError(f"IVF_SQ8 with {settings.lists:,} lists: {error}") from error
    say(f"IVF_SQ8 with {settings.lists:,} lists: ready after {took:.0f} s")


def _merge_segments(client: MilvusClient) -> None:
    """Makes Milvus merge its segments first. A later merge would build each index twice."""
    job = client.compact(COLLECTION)
    until = time.monotonic() + MERGE_SECONDS
    while client.get_compaction_state(job) != "Completed" and time.monotonic() < until:
        time.sleep(1)
    say(f"its segments are merged: {client.get_compaction_state(job)}")


def route(client: MilvusClient, settings: Settings) -> Route:
    """Returns the route to the demo's collection. The demo itself uses `nprobe 16`."""

    def at(probes: int) -> Ask:
        return asking(client, COLLECTION, "L2", {"nprobe": probes})

    return Route(f"the demo's IVF_SQ8 {settings.lists}, pymilvus", "nprobe", PROBES, at)


class Table:
    """The demo's table in MySQL: Milvus' ids as text, without an index."""

    def __init__(self, servers: Servers) -> None:
        """Opens a connection."""
        self._connection = servers.mysql.connect()
        with self._connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE IF NOT EXISTS demo")
            cursor.execute("USE demo")

    def fill(self, rows: int) -> None:
        """Creates and fills the table."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {COLLECTION} (milvus_id TEXT, audio_path TEXT)")
            for first in range(0, rows, BATCH):
                numbers = range(first, min(first + BATCH, rows))
                named = [(str(number), f"./audio/{number}.wav") for number in numbers]
                cursor.executemany(f"INSERT INTO {COLLECTION} VALUES (%s, %s)", named)  # noqa: S608  its own name

    def add_index(self) -> None:
        """Adds the index on ids that the demo lacks, for a fair comparison."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"CREATE INDEX by_id ON {COLLECTION} (milvus_id(20))")

    def paths(self, ids: list[int]) -> list[str]:
        """Reads the paths of clips in the order of their ids."""
        wanted = ",".join(f"'{number}'" for number in ids)
        statement = (
            f"SELECT audio_path FROM {COLLECTION} WHERE milvus_id IN ({wanted}) "  # noqa: S608  numbers
            f"ORDER BY FIELD (milvus_id, {wanted})"
        )
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return [path for (path,) in cursor.fetchall()]

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


class Pipeline:
    """The demo's search: three steps, one after the other."""

    def __init__(self, executor: VectorExecutor, client: MilvusClient, table: Table) -> None:
        """Takes the parts of the three steps."""
        self._executor = executor
        self._ask = asking(client, COLLECTION, "L2", {"nprobe": DEMO_PROBES})
        self._table = table

    def search(self, wav: Path) -> dict[str, float]:
        """Searches once. Returns the milliseconds of each step."""
        found: dict[str, Any] = {}

        def taken(name: str, step: Callable[[], Any]) -> float:
            return milliseconds(lambda: found.update({name: step()}))

        seconds, vector = self._executor.embed(wav)
        query = np.array(vector, np.float32)[None]
        query /= np.linalg.norm(query)
        return {
            "embedding": 1000 * seconds,
            "milvus": taken("ids", lambda: self._ask(query)[0]),
            "mysql": taken("paths", lambda: self._table.paths(found["ids"][:K])),
        }
