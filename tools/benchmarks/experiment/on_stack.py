"""The steps that need the four services."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiosearch.embedding.v1.embedding_service_pb2 import ListModelsRequest

from tools.benchmarks import index_filtered, long_recordings, search_grouped
from tools.benchmarks.experiment import (
    demo,
    end_to_end,
    growth,
    ingest,
    search,
)
from tools.benchmarks.experiment.encoder import MISSING
from tools.benchmarks.experiment.filled import NAME, Filled
from tools.benchmarks.experiment.results import LeftOutError
from tools.benchmarks.experiment.run import IN_A_LIBRARY, WITH_THE_DEMO, Run
from tools.benchmarks.experiment.stack import Servers
from tools.benchmarks.experiment.store import Store
from tools.benchmarks.vector_executor import PEER, installed, with_threads

if TYPE_CHECKING:
    from pymilvus import MilvusClient


NO_SERVERS = "Milvus Lite lets one process open a file, and that is the index service"
QUERIES = 16


def measure(run: Run, store: Store) -> None:
    """Measures all steps that are asked for, each group on a stack that has just started."""
    wavs, rows = ingest.queries(run.work / "queries", QUERIES), run.settings.rows
    if run.wanted("segments"):
        with store.empty() as stack:
            run.step("segments", lambda: long_recordings.measure(stack, run.settings))
    for size in run.settings.sizes:
        if run.wanted(f"growth/{size}"):
            with store.filled(size) as filled:
                searches = end_to_end.Searches(filled.stack, NAME, wavs)
                measured = partial(growth.measure, filled, searches, run.settings)
                run.step(f"growth/{size}", measured)
    if any(map(run.wanted, IN_A_LIBRARY)):
        with store.filled(rows) as filled:
            Measuring(run, filled, wavs).ours()
    # Last: the demo's index takes Milvus half an hour, and memory that ours would lack.
    if run.settings.stores != "servers":
        run.leave_out(WITH_THE_DEMO, NO_SERVERS)
    elif any(map(run.wanted, WITH_THE_DEMO)):
        try:
            with store.filled(rows, with_demo=True) as filled:
                Measuring(run, filled, wavs).demo()
        except LeftOutError as error:
            run.leave_out(WITH_THE_DEMO, str(error))


class Measuring:
    """Measures in a full library."""

    def __init__(self, run: Run, filled: Filled, wavs: Sequence[Path]) -> None:
        """Takes the run, the library, and clips to search with."""
        self._run = run
        self._stack = filled.stack
        self._wavs = wavs
        self._filled = filled
        self._searches = end_to_end.Searches(filled.stack, NAME, wavs)

    def ours(self) -> None:
        """Measures our services. The last step adds clips."""
        step = self._run.step
        step("search/index service", lambda: self._run.curve(search.ours(self._filled)))
        step(
            "search/bare pymilvus", lambda: self._run.curve(search.bare(self._filled, self._milvus))
        )
        step("search/wrapping", self._wrapping)
        step("search/filtered", self._filtered)
        step("search/grouped", self._grouped)
        step("end-to-end", self._end_to_end)
        step("ingest", self._ingest)

    def demo(self) -> None:
        """Measures the demo, which is in the same servers."""
        settings = self._run.settings
        demo.load(self._milvus, settings.rows, settings)
        self._run.step("search/demo", lambda: self._run.curve(demo.route(self._milvus, settings)))
        self._run.step("end-to-end/demo", self._beside_demo)

    @property
    def _servers(self) -> Servers:
        if self._stack.servers is None:
            raise LeftOutError(NO_SERVERS)
        return self._stack.servers

    @cached_property
    def _milvus(self) -> MilvusClient:
        return self._servers.client()

    def _wrapping(self) -> dict[str, Any]:
        return search.wrapping(self._filled, self._milvus, self._run.data, self._run.settings)

    def _filtered(self) -> dict[str, Any]:
        return index_filtered.measure(self._filled, self._run.data, self._run.settings)

    def _grouped(self) -> dict[str, Any]:
        return search_grouped.measure(self._filled, self._run.data, self._run.settings)

    def _end_to_end(self) -> dict[str, Any]:
        (model,) = self._stack.embedding.ListModels(ListModelsRequest()).models
        measured = end_to_end.measure(self._searches, self._run.settings.searches)
        return {"model": model.display_name, "precision": model.precision, **measured}

    def _beside_demo(self) -> dict[str, Any]:
        servers, settings = self._servers, self._run.settings
        if not installed():
            raise LeftOutError(MISSING)
        checkpoint = self._run.official.made()
        with with_threads(checkpoint) as executors, closing(demo.Table(servers)) as table:
            pipeline = demo.Pipeline(executors[PEER], self._milvus, table)
            pipeline.search(self._wavs[0])
            as_it_is = [pipeline.search(wav)["mysql"] for wav in self._wavs[:3]]
            table.add_index()
            pipeline.search(self._wavs[0])
            beside = end_to_end.beside(self._searches, pipeline, self._wavs, settings.searches // 2)
            many = end_to_end.embedding(executors.values(), self._wavs)
        return {
            **beside,
            "mysql_without_an_index_ms": sorted(as_it_is)[1],
            "embedding_all_cores_ms": many[-1],
        }

    def _ingest(self) -> dict[str, Any]:
        settings = self._run.settings
        return {
            "import": ingest.import_rate(self._stack, NAME, settings.clips),
            "upload": ingest.time_to_searchable(self._stack, NAME, 5 if settings.quick else 50),
        }
