"""Measures the table from recall to search parameters: `python -m tools.benchmarks.index_recall`.

Fills a collection of a real Milvus server for each size, and compares searches of growing effort
with exact search. Each collection is filled by bulk insert, so that it has as few segments as there
can be: a search in many segments would find more. Writes index_service/recall.json, whose other
entries stay.

A filter lets a share of the rows through. Two are measured, and the worse counts: one lets rows
through by lot, the other all rows of some speakers, so that many queries lose their nearest rows.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from pymilvus import DataType, MilvusClient

from tools.benchmarks.clustered import SPEAKERS, clustered, nearest, recall, speakers_of
from tools.servers.milvus_bulk import Columns, bulk_insert
from tools.servers.milvus_server import MilvusServer

TABLE = Path(__file__).parents[2] / "index_service" / "recall.json"
SIZES = (6_000, 12_000, 20_000, 100_000, 650_000)
KS = (1, 10, 20, 100, 1000)
SHARES = (1.0, 0.8, 0.5, 0.2, 0.1, 0.08)
FILTERED_KS = (10, 100)
EFS = (
    *(44, 56, 72, 96, 128, 144, 192, 256, 320, 384, 448, 512, 640, 768, 896),
    *(1056, 1280, 1536, 2048, 3072, 4096),
)
STEADY_SECONDS = 20  # for a while, Milvus searches the written rows beside the loaded index
SAY_SECONDS = 60.0
ENOUGH = 0.9995
SPARE = 32  # neighbors the service asks for beyond k
QUERIES = 300
FILTERED = {"lot": 1000, "speaker": SPEAKERS}
HNSW = {"M": 16, "efConstruction": 200}


def say(words: str) -> None:
    """Prints progress to standard error."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {words}\n")


def make(client: MilvusClient, name: str, dimension: int) -> None:
    """Creates an empty, loaded collection."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
    for column in FILTERED:
        schema.add_field(column, DataType.INT64)
    client.create_collection(name, schema=schema, consistency_level="Strong")
    parameters = MilvusClient.prepare_index_params()
    parameters.add_index("vector", index_type="HNSW", metric_type="COSINE", params={"params": HNSW})
    for column in FILTERED:
        parameters.add_index(column, index_type="STL_SORT")
    client.create_index(name, parameters, sync=False)
    client.load_collection(name)


def columns_of(rows: int) -> dict[str, np.ndarray]:
    """Returns the columns to filter by: numbers from 0 to the value in FILTERED."""
    lots = np.random.default_rng(5).integers(FILTERED["lot"], size=rows)
    return {"lot": lots, "speaker": speakers_of(rows, seed=0)}


def fill(server: MilvusServer, folder: Path, name: str, stored: np.ndarray) -> None:
    """Inserts all rows, with their numbers as ids."""
    filtered = columns_of(len(stored))

    def columns(part: range) -> Columns:
        rows = slice(part.start, part.stop)
        return {
            "id": [f"{row:08d}" for row in part],
            "vector": stored[rows],
            **{column: values[rows] for column, values in filtered.items()},
        }

    bulk_insert(server, folder, name, len(stored), columns)


def settle(
    client: MilvusClient,
    name: str,
    rows: int,
    steady_seconds: float = STEADY_SECONDS,
    longest_seconds: float = math.inf,
    column: str = "vector",
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
        # A segment also has the name of an index of another column, which is built sooner.
        built = client.describe_index(name, column)
        loaded &= int(built.get("indexed_rows", rows)) >= 0.99 * rows
        steady = steady + 1 if loaded else 0
        if time.monotonic() > said + SAY_SECONDS:
            said = time.monotonic()
            say(f"{indexed:,} of {rows:,} rows are read by their index")
        time.sleep(1)
    return time.monotonic() - start - steady


def measured(
    client: MilvusClient,
    name: str,
    queries: np.ndarray,
    exact: np.ndarray,
    k: int,
    ef: int,
    among: str,
) -> float:
    """Returns the recall at k of a search with `ef` that is sent like the service's."""
    found: list[list[int]] = []
    for start in range(0, len(queries), 100):
        answers = client.search(
            name,
            data=list(queries[start : start + 100]),
            limit=k + SPARE,
            filter=among,
            search_params={"metric_type": "COSINE", "params": {"ef": ef}},
            consistency_level="Strong",
        )
        found.extend([int(row["id"]) for row in answer] for answer in answers)
    return recall(found, exact, k)


def curve(
    client: MilvusClient, name: str, stored: np.ndarray, k: int, among: str, rows: np.ndarray
) -> dict[int, float]:
    """Returns the recall at k by ef, of searches with a filter that lets `rows` through."""
    queries = clustered(QUERIES, seed=99, dimension=stored.shape[1])
    exact = rows[nearest(stored[rows], queries, k)]
    by_ef: dict[int, float] = {}
    for ef in EFS:
        if ef >= k + SPARE and (not by_ef or max(by_ef.values()) < ENOUGH):
            by_ef[ef] = round(measured(client, name, queries, exact, k, ef, among), 4)
    say(f"{len(stored):,} rows, k {k}, {among or 'no filter'}: {by_ef}")
    return by_ef


def entries(
    client: MilvusClient,
    name: str,
    stored: np.ndarray,
    shares: Sequence[float],
    filtered_ks: Sequence[int],
) -> Iterator[dict]:
    """Yields the entries of the table for one size."""
    columns = columns_of(len(stored))
    for share in shares:
        for k in sorted(KS if share == 1 else filtered_ks, reverse=True):
            found = [
                curve(client, name, stored, k, among, rows)
                for among, rows in _filters(columns, share).items()
            ]
            worst = {ef: min(each.get(ef, 1.0) for each in found) for ef in EFS}
            most = max(max(each) for each in found)
            kept = {str(ef): worst[ef] for ef in EFS if k + SPARE <= ef <= most}
            yield {"rows": len(stored), "k": k, "share": share, "recall": kept}


def _filters(columns: Mapping[str, np.ndarray], share: float) -> dict[str, np.ndarray]:
    """Returns filters that let a share of the rows through, and these rows."""
    if share == 1:
        return {"": np.arange(len(columns["lot"]))}
    limits = {name: round(share * most) for name, most in FILTERED.items()}
    return {
        f"{name} < {limit}": np.flatnonzero(columns[name] < limit) for name, limit in limits.items()
    }


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=TABLE)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--filtered-ks", type=int, nargs="+", default=FILTERED_KS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = MilvusServer(Path(folder), lease_seconds=120)
        server.start()
        try:
            client = MilvusClient(f"http://127.0.0.1:{server.port}", timeout=600)
            stored = clustered(max(options.sizes), seed=0)
            for size in options.sizes:
                name = f"measured_{size}"
                make(client, name, 192)
                fill(server, Path(folder), name, stored[:size])
                say(f"{size} rows in")
                say(f"built in {settle(client, name, size):.0f} s")
                for entry in entries(
                    client, name, stored[:size], options.shares, options.filtered_ks
                ):
                    _write(options.output, entry)
                client.drop_collection(name)
        finally:
            server.stop()


def _write(path: Path, entry: dict) -> None:
    """Adds an entry to the table, in the place of an older one."""
    table = json.loads(path.read_text()) if path.exists() else []
    table = [each for each in table if _order(each) != _order(entry)]
    lines = ",\n".join(" " + json.dumps(each) for each in sorted([*table, entry], key=_order))
    path.write_text(f"[\n{lines}\n]\n")


def _order(entry: dict) -> tuple[int, float, int]:
    return entry["rows"], -entry["share"], -entry["k"]


if __name__ == "__main__":
    main()
