"""How fast the index takes and finds vectors, beside faiss, hnswlib and Milvus without our service.

Run it as `make bench-index`, or `python -m tests.benchmarks.index --rows 100000`. The vectors lie
as speakers' embeddings do (see clustered.py). A real Milvus server and the index service run as
processes of their own; faiss and hnswlib run in this process, one thread a search. Every row of
the table sees the same vectors and queries on the same machine, one query a call, minutes apart:
trust the ratios.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import hnswlib
import numpy as np
from audiosearch.index.v1.index_service_pb2 import (
    GetIndexStatsRequest,
    SearchVectorsRequest,
)
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from pymilvus import MilvusClient
from rich.console import Console
from rich.table import Table

from index_service.naming import alias
from index_service.ranking import SPARE
from index_service.recall import effort
from tests.benchmarks.clustered import DIMENSION, clustered, nearest, recall
from tests.benchmarks.index_filled import (
    BATCH,
    MODEL,
    NAME,
    running_service,
    wait_for_index,
    write,
)
from tests.benchmarks.index_recall import say
from tests.milvus_server import MilvusServer

TARGETS = (0.90, 0.95, 0.99)
K = 10
OURS, BARE = "index service", "bare pymilvus"
EFS = (12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)
PROBES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024)

Search = Callable[[np.ndarray], list[int]]


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds."""

    route: str
    target: float
    setting: str
    recall: float
    p50: float
    p99: float


def timed(
    searches: Sequence[Search], queries: np.ndarray, exact: np.ndarray
) -> list[tuple[float, float, float]]:
    """For each way to search: recall at K, median and 99th percentile of a call in milliseconds.

    They take turns, query by query, so that all meet the same load of the machine.
    """
    found: list[list[list[int]]] = [[] for _ in searches]
    spent: list[list[float]] = [[] for _ in searches]
    for query in queries[:20]:
        for search in searches:
            search(query)
    for query in queries:
        for way, search in enumerate(searches):
            start = time.perf_counter()
            found[way].append(search(query))
            spent[way].append(1000 * (time.perf_counter() - start))
    return [
        (recall(rows, exact, K), *(float(one) for one in np.percentile(times, [50, 99])))
        for rows, times in zip(found, spent, strict=True)
    ]


def tuned(
    route: str, word: str, efforts: tuple[int, ...], by_effort: Callable[[int], Search], data: Data
) -> Iterator[Row]:
    """For each target, the row of the smallest effort that reaches it."""
    left = list(efforts)
    for target in TARGETS:
        while True:
            (measured,) = timed([by_effort(left[0])], data.queries, data.exact)
            if measured[0] >= target or len(left) == 1:
                break
            left.pop(0)
        yield Row(route, target, f"{word} {left[0]}", *measured)


@dataclass(frozen=True)
class Data:
    """Stored vectors, queries, and the rows of each query's exact nearest."""

    stored: np.ndarray
    queries: np.ndarray
    exact: np.ndarray


def through_service(stub: IndexServiceStub, target: float) -> Search:
    """Searches the way callers do."""

    def search(query: np.ndarray) -> list[int]:
        request = SearchVectorsRequest(
            index_id=NAME,
            model=MODEL,
            k=K,
            recall_target=target,
            queries=[SearchVectorsRequest.Query(values=query.tolist())],
        )
        return [int(one.id) for one in stub.SearchVectors(request).results[0].neighbors]

    return search


def bare(client: MilvusClient, ef: int, level: str = "Bounded") -> Search:
    """The call to Milvus that the service makes, without the service.

    `Strong` waits for the next tick of Milvus' clock, to see all writes; with the service it is who
    writes that waits.
    """

    def search(query: np.ndarray) -> list[int]:
        answer = client.search(
            alias(NAME),
            data=[query],
            limit=K + SPARE,
            search_params={"metric_type": "COSINE", "params": {"ef": ef}},
            consistency_level=level,
        )
        return [int(row["id"]) for row in answer[0]]

    return search


def milvus_rows(data: Data, note: Callable[[str], None]) -> Iterator[Row]:
    """Fills Milvus through the service; times both ways to search it."""
    with tempfile.TemporaryDirectory() as folder:
        milvus = MilvusServer(Path(folder) / "milvus", lease_seconds=120)
        milvus.start()
        try:
            before = milvus.memory_bytes()
            with running_service(milvus, folder) as stub:
                client = MilvusClient(f"http://127.0.0.1:{milvus.port}", timeout=600)
                count = len(data.stored)
                note(f"rows in: {count / write(stub, data.stored):,.0f} rows/s, batches of {BATCH}")
                note(f"index built {wait_for_index(stub, client, count):,.0f} s after the last row")
                stats = stub.GetIndexStats(GetIndexStatsRequest(index_id=NAME))
                note(
                    f"{stats.index_type} {dict(stats.parameters)}; memory: estimate "
                    f"{stats.memory_bytes / 2**20:,.0f} MiB, Milvus grew by "
                    f"{(milvus.memory_bytes() - before) / 2**20:,.0f} MiB"
                )
                for target in TARGETS:
                    ef = effort(count, K, K + SPARE, target)
                    ways = {
                        OURS: through_service(stub, target),
                        BARE: bare(client, ef),
                        "bare, strong": bare(client, ef, "Strong"),
                    }
                    measured = timed(list(ways.values()), data.queries, data.exact)
                    for route, numbers in zip(ways, measured, strict=True):
                        yield Row(route, target, f"ef {ef}", *numbers)
        finally:
            milvus.stop()


def hnswlib_rows(data: Data, note: Callable[[str], None]) -> Iterator[Row]:
    """The same kind of index in this process."""
    index = hnswlib.Index(space="ip", dim=DIMENSION)
    index.init_index(max_elements=len(data.stored), M=16, ef_construction=200)
    start = time.monotonic()
    for first in range(0, len(data.stored), 50_000):
        part = data.stored[first : first + 50_000]
        index.add_items(part, np.arange(first, first + len(part)))
        say(f"hnswlib: {first + len(part):,} rows")
    note(f"hnswlib: {len(data.stored) / (time.monotonic() - start):,.0f} rows/s")

    def by_effort(ef: int) -> Search:
        index.set_ef(ef)
        return lambda query: index.knn_query(query, k=K, num_threads=1)[0][0].tolist()

    yield from tuned("hnswlib", "ef", EFS, by_effort, data)


def faiss_rows(data: Data, note: Callable[[str], None]) -> Iterator[Row]:
    """Inverted lists in this process, and exact search."""
    lists = min(4096, max(1, len(data.stored) // 40))
    index = faiss.index_factory(DIMENSION, f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)
    start = time.monotonic()
    index.train(data.stored[: 40 * lists])
    index.add(data.stored)
    note(f"faiss IVF{lists}: {len(data.stored) / (time.monotonic() - start):,.0f} rows/s")
    faiss.omp_set_num_threads(1)

    def by_effort(probes: int) -> Search:
        index.nprobe = probes
        return lambda query: index.search(query[None], K)[1][0].tolist()

    yield from tuned(f"faiss IVF{lists}", "nprobe", PROBES, by_effort, data)
    flat = faiss.IndexFlatIP(DIMENSION)
    flat.add(data.stored)

    def every(query: np.ndarray) -> list[int]:
        return flat.search(query[None], K)[1][0].tolist()

    (measured,) = timed([every], data.queries[:50], data.exact[:50])
    yield Row("faiss flat", 1.0, "exact", *measured)


def show(rows: list[Row], notes: list[str], count: int) -> None:
    """Prints the table, and what our wrapping adds."""
    table = Table(title=f"{count:,} vectors of {DIMENSION}, k {K}, one query a call")
    for name in ("route", "target", "setting", "recall", "p50 ms", "p99 ms"):
        table.add_column(name)
    for row in rows:
        numbers = f"{row.recall:.3f}", f"{row.p50:.2f}", f"{row.p99:.2f}"
        table.add_row(row.route, f"{row.target:.2f}", row.setting, *numbers)
    console = Console(width=100)
    console.print(table)
    by = {(row.route, row.target): row.p50 for row in rows}
    for target in TARGETS:
        ours, theirs = by[OURS, target], by[BARE, target]
        notes.append(
            f"wrapping at {target:.2f}: {ours - theirs:+.2f} ms, {ours / theirs:.2f} times"
        )
    for note in notes:
        console.print(note, highlight=False)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=650_000, help="vectors (default: 650,000)")
    parser.add_argument("--queries", type=int, default=300, help="searches (default: 300)")
    options = parser.parse_args()
    stored, queries = clustered(options.rows, seed=0), clustered(options.queries, seed=99)
    data = Data(stored, queries, nearest(stored, queries, K))
    say("exact neighbors known")
    notes: list[str] = []

    def note(words: str) -> None:
        say(words)
        notes.append(words)

    rows: list[Row] = []
    for part in (milvus_rows, hnswlib_rows, faiss_rows):
        for row in part(data, note):
            say(str(row))
            rows.append(row)
    show(rows, notes, options.rows)


if __name__ == "__main__":
    main()
