"""Measures a search from the bytes of a clip to named matches, beside the earlier demo's."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from audiosearch.gateway.v1.search_pb2 import SearchClipsRequest, SearchConfig
from audiosearch.gateway.v1.system_status_pb2 import GetStatusRequest, SearchRecord

from tools.benchmarks.experiment.demo import Pipeline
from tools.benchmarks.experiment.settings import CALLERS, K
from tools.benchmarks.experiment.stack import Stack
from tools.benchmarks.experiment.timed import at_once, milliseconds, percentiles
from tools.benchmarks.index_recall import say
from tools.benchmarks.vector_executor import VectorExecutor

STEPS = ("wire", "decode", "features", "backbone", "index", "catalog")
DEMO_STEPS = ("embedding", "milvus", "mysql")
REMEMBERED = 50
"""Number of last searches whose times the gateway keeps."""


class Searches:
    """Searches of one library through the gateway."""

    def __init__(self, stack: Stack, library: str, wavs: Sequence[Path]) -> None:
        """Takes the clips to search with, used in turn."""
        self._stack = stack
        self._config = SearchConfig(parent=f"libraries/{library}", k=K)
        self._contents = [wav.read_bytes() for wav in wavs]

    def search(self, number: int) -> float:
        """Searches once. Returns the milliseconds from the bytes to matches with names."""
        content = self._contents[number % len(self._contents)]
        request = SearchClipsRequest(config=self._config, audio=content)
        answers: list[Any] = []
        stubs = self._stack.client.stubs
        spent = milliseconds(
            lambda: answers.append(self._stack.client.call(stubs.search.SearchClips, request))
        )
        names = [match.clip.display_name for match in answers[0].matches]
        assert len(names) == K, names
        assert all(names)
        return spent

    def one_by_one(self, count: int) -> list[dict[str, float]]:
        """Searches `count` times from one client. Returns the steps and the whole of each, ms."""
        found: list[dict[str, float]] = []
        while len(found) < count:
            part = min(REMEMBERED, count - len(found))
            self._stack.events("embedding")
            wholes = [self.search(number) for number in range(part)]
            found += self._split(wholes)
        return found

    def _split(self, wholes: Sequence[float]) -> list[dict[str, float]]:
        """Returns the steps of the last searches, from the gateway and the embedding log."""
        events = self._events(len(wholes))
        decoded = [each["ms"] for each in events if each["event"] == "decoded"]
        encoded = [each for each in events if each["event"] == "encoded"]
        records = self.records(len(wholes))
        steps = [
            {
                "decode": decode,
                "features": run["features_ms"],
                "backbone": run["backbone_ms"],
                "index": record.index_duration.ToNanoseconds() / 1e6,
                "catalog": record.catalog_duration.ToNanoseconds() / 1e6,
            }
            for decode, run, record in zip(decoded, encoded, records, strict=True)
        ]
        return [
            {"wire": whole - sum(each.values()), **each, "whole": whole}
            for each, whole in zip(steps, wholes, strict=True)
        ]

    def _events(self, count: int) -> list[dict[str, Any]]:
        """Returns the embedding service's log lines of `count` searches. May wait for them."""
        events: list[dict[str, Any]] = []
        until = time.monotonic() + 10
        while sum(each["event"] == "encoded" for each in events) < count:
            assert time.monotonic() < until, "the embedding service's log lacks searches"
            events += self._stack.events("embedding")
            time.sleep(0.01)
        return events

    def records(self, count: int) -> list[SearchRecord]:
        """Returns the gateway's records of the last searches, the oldest first."""
        client = self._stack.client
        records = client.call(client.stubs.status.GetStatus, GetStatusRequest()).searches
        return list(reversed(records[:count]))

    def at_once(self, count: int, callers: int) -> dict[str, Any]:
        """Searches from many clients. Returns times, searches a second, and the last steps."""
        times, rate = at_once(self.search, range(count), callers)
        records = self.records(min(count, REMEMBERED))
        steps = {
            name: statistics.median(
                getattr(record, f"{name}_duration").ToNanoseconds() / 1e6 for record in records
            )
            for name in ("embedding", "index", "catalog")
        }
        return {**percentiles(times), "a_second": rate, "callers": callers, "steps_p50_ms": steps}


def medians(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Returns the median of each step."""
    return {name: statistics.median(each[name] for each in found) for name in found[0]}


def all_but_backbone(found: Sequence[Mapping[str, float]]) -> float:
    """Returns the median time of a search without its backbone step."""
    return statistics.median(each["whole"] - each["backbone"] for each in found)


def measure(searches: Searches, count: int) -> dict[str, Any]:
    """Measures one client, then many."""
    searches.one_by_one(5)
    alone = searches.one_by_one(count)
    say(f"end to end, one client: {_shown(medians(alone))}")
    many = searches.at_once(max(count, 2 * CALLERS), CALLERS)
    say(f"end to end, {CALLERS} clients: {_shown(many['steps_p50_ms'])}")
    wholes = [each["whole"] for each in alone]
    return {
        "one": {
            **percentiles(wholes),
            "a_second": 1000 / statistics.mean(wholes),
            "steps_p50_ms": medians(alone),
            "all_but_backbone_p50_ms": all_but_backbone(alone),
        },
        "many": many,
    }


def beside(searches: Searches, pipeline: Pipeline, wavs: Sequence[Path], count: int) -> dict:
    """Measures ours and the demo in turn, search by search, so that both meet the same load."""
    ours: list[float] = []
    theirs: list[dict[str, float]] = []
    for number in range(count):
        ours.append(searches.search(number))
        theirs.append(pipeline.search(wavs[number % len(wavs)]))
    wholes = [sum(each.values()) for each in theirs]
    say(f"beside it the demo: {_shown(medians(theirs))}")
    return {
        "ours": percentiles(ours),
        "demo": {**percentiles(wholes), "steps_p50_ms": medians(theirs)},
        "share": statistics.median(ours) / statistics.median(wholes),
    }


def embedding(executors: Iterable[VectorExecutor], wavs: Sequence[Path]) -> list[float]:
    """Returns the median milliseconds of each executor for a clip, run in turn."""
    several = list(executors)
    taken = [[1000 * each.embed(wav)[0] for each in several] for wav in wavs]
    return [statistics.median(times) for times in zip(*taken, strict=True)]


def _shown(steps: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {spent:.1f} ms" for name, spent in steps.items())
