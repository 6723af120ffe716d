"""Measures the table from recall to search parameters: `python -m tools.benchmarks.index_recall`.

Fills a collection of a real Milvus server for each size, and compares searches of growing effort
with exact search. Each collection is filled at once, so that it has few segments: a search in many
segments would find more. Writes index_service/recall.json.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from pymilvus import DataType, MilvusClient

from tools.benchmarks.clustered import clustered, nearest, recall
from tools.servers.milvus_server import MilvusServer

TABLE = Path(__file__).parents[2] / "index_service" / "recall.json"
SIZES = (6_000, 12_000, 20_000, 100_000, 650_000)
KS = (1, 10, 20, 100, 1000)
EFS = (44, 56, 72, 96, 128, 144, 192, 256, 384, 512, 768, 1056, 1280, 1536, 2048, 3072, 4096)
STEADY_SECONDS = 20  # for a while, Milvus searches the written rows beside the loaded index
SAY_SECONDS = 60.0
SPARE = 32  # neighbors the service asks for beyond k
QUERIES = 300
HNSW = {"M": 16, "efConstruction": 200}


def say(words: str) -> None:
    """Prints progress to standard error."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {words}\n")


def make(client: MilvusClient, name: str, dimension: int, kind: str = "HNSW") -> None:
    """Creates an empty, loaded collection."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    client.create_collection(name, schema=schema, consistency_level="Strong")
    parameters = MilvusClient.prepare_index_params()
    build = {"params": HNSW if kind == "HNSW" else {}}
    parameters.add_index("vector", index_type=kind, metric_type="COSINE", params=build)
    client.create_index(name, parameters, sync=False)
    client.load_collection(name)


def fill(client: MilvusClient, name: str, stored: np.ndarray) -> None:
    """Upserts all rows, 5,000 at a time, with their numbers as ids."""
    for first in range(0, len(stored), 5000):
        part = stored[first : first + 5000]
        rows = [{"id": f"{first + row:08d}", "vector": part[row]} for row in range(len(part))]
        client.upsert(name, rows)


def settle(
    client: MilvusClient,
    name: str,
    rows: int,
    steady_seconds: float = STEADY_SECONDS,
    longest_seconds: float = math.inf,
) -> float:
    """Waits until searches use the built index for nearly all rows. Returns the seconds.

    Milvus builds an index after the files are written, and then loads it. Until then it compares
    with every vector, which would look like perfect recall.

    Raises:
        TimeoutError: The index was not ready after `longest_seconds`.
    """
    start = said = time.monotonic()
    client.flush(name)
    steady = 0
    while steady < steady_seconds:
        if time.monotonic() > start + longest_seconds:
            raise TimeoutError(f"not built after {longest_seconds / 60:.0f} minutes")
        segments = client.list_loaded_segments(name)
        indexed = sum(one.num_rows for one in segments if one.index_name)
        loaded = indexed >= 0.99 * rows and all(one.index_name for one in segments)
        steady = steady + 1 if loaded else 0
        if time.monotonic() > said + SAY_SECONDS:
            said = time.monotonic()
            say(f"{indexed:,} of {rows:,} rows are read by their index")
        time.sleep(1)
    return time.monotonic() - start - steady


def measured(
    client: MilvusClient, name: str, queries: np.ndarray, exact: np.ndarray, k: int, ef: int
) -> float:
    """Returns the recall at k of a search with `ef` that is sent like the service's."""
    found: list[list[int]] = []
    for start in range(0, len(queries), 100):
        answers = client.search(
            name,
            data=list(queries[start : start + 100]),
            limit=k + SPARE,
            search_params={"metric_type": "COSINE", "params": {"ef": ef}},
            consistency_level="Strong",
        )
        found.extend([int(row["id"]) for row in answer] for answer in answers)
    return recall(found, exact, k)


def curve(client: MilvusClient, name: str, stored: np.ndarray, state: str) -> list[dict]:
    """Returns the entries of the table for one size: for each k, recall by ef."""
    queries = clustered(QUERIES, seed=99, dimension=stored.shape[1])
    exact = nearest(stored, queries, max(KS))
    entries = []
    for k in sorted(KS, reverse=True):
        by_ef = {}
        for ef in EFS:
            if ef < k + SPARE or (by_ef and max(by_ef.values()) >= 0.9995):
                continue
            by_ef[str(ef)] = round(measured(client, name, queries, exact, k, ef), 4)
        say(f"{state}, k {k}: {by_ef}")
        entries.append({"rows": len(stored), "k": k, "recall": by_ef})
    return entries


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=TABLE)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = MilvusServer(Path(folder), lease_seconds=120)
        server.start()
        try:
            client = MilvusClient(f"http://127.0.0.1:{server.port}", timeout=600)
            entries: list[dict] = []
            stored = clustered(max(options.sizes), seed=0)
            for size in options.sizes:
                name = f"measured_{size}"
                make(client, name, 192)
                fill(client, name, stored[:size])
                say(f"{size} rows in")
                say(f"built in {settle(client, name, size):.0f} s")
                entries.extend(curve(client, name, stored[:size], f"{size} rows"))
                client.drop_collection(name)
                lines = ",\n".join(" " + json.dumps(entry) for entry in entries)
                options.output.write_text(f"[\n{lines}\n]\n")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
