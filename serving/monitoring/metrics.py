"""All metrics, by name. Values of labels are bounded: none is what a caller sent.

A service exports those that every service has and its own. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.process_collector import ProcessCollector

from serving.errors import Reason

_PREFIX = "audiosearch"
UPKEEP = ("reconcile", "sweep")
_CALL = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 300)
_STEP = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)


def _counter(name: str, help_: str, labels: Sequence[str] = ()) -> Counter:
    return Counter(f"{_PREFIX}_{name}", help_, labels, registry=None)


def _gauge(name: str, help_: str, labels: Sequence[str] = ()) -> Gauge:
    return Gauge(f"{_PREFIX}_{name}", help_, labels, registry=None)


def _histogram(name: str, help_: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
    return Histogram(f"{_PREFIX}_{name}", help_, labels, registry=None, buckets=buckets)


BUILD = _gauge("build_info", "1, with the service and its version", ["service", "version"])
SERVING = _gauge("serving", "1 while the service is healthy, else 0")
CALLS = _counter(
    "calls_total",
    "calls that ended, by gRPC's method or REST's route and by OK, CANCELLED or the reason",
    ["method", "outcome"],
)
FAILURES = _counter("failures_total", "calls that failed, by reason", ["reason"])
CALL_SECONDS = _histogram("call_seconds", "times of calls, failed ones too", ["method"], _CALL)
CALLS_RUNNING = _gauge("calls_running", "calls that run now", ["transport"])
CALL_PLACES = _gauge("call_places", "calls that may run at a time", ["transport"])
STAGE_SECONDS = _histogram("stage_seconds", "times of the stages of calls", ["stage"], _STEP)
QUEUE_LENGTH = _gauge("queue_length", "jobs in a queue, those that run included", ["queue"])
QUEUE_PLACES = _gauge("queue_places", "jobs that a queue takes; more are refused", ["queue"])
QUEUE_REFUSALS = _counter("queue_refusals_total", "jobs that a full queue refused", ["queue"])
QUEUE_SECONDS = _histogram("queue_wait_seconds", "waits for a turn in a queue", ["queue"], _STEP)

PEER_SERVING = _gauge(
    "peer_serving", "1 while a service behind the gateway is healthy, else 0", ["peer"]
)
IMPORT_FILES = _counter(
    "import_files_total", "files of imports: imported, existing or failed", ["outcome"]
)
IMPORTS_ENDED = _counter("imports_ended_total", "imports that ended here, by state", ["state"])
IMPORTS_RUNNING = _gauge("imports_running", "imports that this gateway works on")
RECONCILED = _counter(
    "reconciled_total", "clips, vectors or indexes that upkeep put right, by action", ["action"]
)
UPKEEP_RUNS = _counter(
    "upkeep_runs_total", "runs of the reconciler and the sweep, by outcome", ["work", "outcome"]
)
UPKEEP_TIME = _gauge(
    "upkeep_last_success_timestamp_seconds",
    "Unix time of the last run that passed, at first of the start",
    ["work"],
)

MODEL = _gauge(
    "model_info",
    "1 for each model that runs",
    ["model", "purpose", "precision", "source"],
)
ENCODED = _counter("encoded_pieces_total", "pieces of audio that were embedded", ["model"])
ENCODED_SECONDS = _counter(
    "encoded_audio_seconds_total", "seconds of audio that were embedded", ["model"]
)

INDEXES = _gauge("indexes", "indexes in the store; the same from each replica")
INDEX_VECTORS = _gauge("index_vectors", "vectors in all indexes; the same from each replica")
INDEX_PENDING = _gauge(
    "index_pending_vectors", "vectors that are found by scanning, as no index is built over them"
)
INDEX_MEMORY = _gauge("index_memory_bytes", "estimated memory of all indexes")
INDEX_TIME = _gauge("index_sizes_timestamp_seconds", "Unix time of these sizes of the index")

LIBRARIES = _gauge("libraries", "libraries by state; the same from each replica", ["state"])
CLIPS = _gauge("clips", "clips by state; the same from each replica", ["state"])
IMPORT_JOBS = _gauge("import_jobs", "imports that wait or run", ["state"])
DAMAGED_CLIPS = _gauge("damaged_clips", "clips whose audio is damaged or missing")
INCOMPLETE_LIBRARIES = _gauge("incomplete_libraries", "libraries whose index lacks vectors")
MISSING_VECTORS = _gauge("missing_vectors", "vectors that their indexes lack, at the last look")
CATALOG_TIME = _gauge("catalog_sizes_timestamp_seconds", "Unix time of these sizes of the catalog")

SHARED: tuple[MetricWrapperBase, ...] = (
    *(BUILD, SERVING, CALLS, FAILURES, CALL_SECONDS, CALLS_RUNNING, CALL_PLACES, STAGE_SECONDS),
    *(QUEUE_LENGTH, QUEUE_PLACES, QUEUE_REFUSALS, QUEUE_SECONDS),
)
OWN: dict[str, tuple[MetricWrapperBase, ...]] = {
    "gateway": (
        *(PEER_SERVING, IMPORT_FILES, IMPORTS_ENDED, IMPORTS_RUNNING),
        *(RECONCILED, UPKEEP_RUNS, UPKEEP_TIME),
    ),
    "embedding": (MODEL, ENCODED, ENCODED_SECONDS),
    "index": (INDEXES, INDEX_VECTORS, INDEX_PENDING, INDEX_MEMORY, INDEX_TIME),
    "catalog": (
        *(LIBRARIES, CLIPS, IMPORT_JOBS, DAMAGED_CLIPS),
        *(INCOMPLETE_LIBRARIES, MISSING_VECTORS, CATALOG_TIME),
    ),
}
"""Metrics that one service exports besides, by its name."""


_KNOWN: dict[MetricWrapperBase, Sequence[tuple[str, ...]]] = {
    FAILURES: [(reason.value,) for reason in Reason],
    IMPORTS_ENDED: [("STATE_SUCCEEDED",), ("STATE_FAILED",), ("STATE_CANCELLED",)],
    IMPORT_FILES: [("imported",), ("existing",), ("failed",)],
    UPKEEP_RUNS: [(work, outcome) for work in UPKEEP for outcome in ("passed", "failed")],
    RECONCILED: [
        *(("finished",), ("undone",), ("failed",), ("removed",), ("left",)),
        *(("orphan_removed",), ("refilled",), ("kept",), ("embedded_again",), ("mirrored",)),
        ("index_restored",),
    ],
}
"""Values of labels that are there from the start: a rate sees no first count of any other."""


@cache
def _of_call(method: str, outcome: str) -> tuple[Counter, Histogram]:
    """The metrics of calls alike: to find them by their labels takes longer than to count."""
    return CALLS.labels(method, outcome), CALL_SECONDS.labels(method)


def count_call(method: str, outcome: str, seconds: float) -> None:
    """Counts a call that ended."""
    calls, times = _of_call(method, outcome)
    calls.inc()
    times.observe(seconds)


def watch_queue(name: str, places: int, length: Callable[[], float]) -> None:
    """Exports the length of a queue, asked for at each scrape, and its places."""
    QUEUE_PLACES.labels(name).set(places)
    QUEUE_LENGTH.labels(name).set_function(length)


def watch_calls(transport: str, places: int, running: Callable[[], float]) -> None:
    """Exports the number of calls that run, asked for at each scrape, and their places."""
    CALL_PLACES.labels(transport).set(places)
    CALLS_RUNNING.labels(transport).set_function(running)


def registry(service: str) -> CollectorRegistry:
    """The metrics that a service exports, with those of its process."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # would be twice as many series
    made = CollectorRegistry()
    for metric in (*SHARED, *OWN[service]):
        made.register(metric)
        for values in _KNOWN.get(metric, ()):
            metric.labels(*values)
    for work in UPKEEP:
        UPKEEP_TIME.labels(work).set_to_current_time()
    ProcessCollector(registry=made)
    return made
