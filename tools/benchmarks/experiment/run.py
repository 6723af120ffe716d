"""Runs the steps of the benchmark in order, and writes each result at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tools.benchmarks.experiment import peers, search
from tools.benchmarks.experiment.encoder import Official
from tools.benchmarks.experiment.results import Results
from tools.benchmarks.experiment.settings import Options, Settings

IN_A_LIBRARY = (
    "search/index service",
    "search/filtered",
    "search/grouped",
    "search/bare pymilvus",
    "search/wrapping",
    "end-to-end",
    "ingest",
)
"""Steps in a library of full size."""

WITH_THE_DEMO = ("search/demo", "end-to-end/demo")
IN_PROCESS = tuple(f"search/{name}" for name in peers.ROUTES)
ON_NO_STACK = ("embedding", *IN_PROCESS)


def steps_of(parts: Sequence[str], settings: Settings) -> list[str]:
    """Returns all steps of these parts, in order."""
    by_part = {
        "growth": [f"growth/{size}" for size in settings.sizes],
        "search": [
            *(step for step in IN_A_LIBRARY if step.startswith("search/")),
            "search/demo",
            *IN_PROCESS,
        ],
        "end-to-end": ["end-to-end", "end-to-end/demo"],
        "ingest": ["ingest"],
        "segments": ["segments"],
        "embedding": ["embedding"],
    }
    return [step for part, steps in by_part.items() if part in parts for step in steps]


class Run:
    """One run of the benchmark, with its results in a folder."""

    def __init__(self, options: Options, work: Path) -> None:
        """Takes the options, and a folder for temporary files."""
        self.results = Results(options.output, options.settings)
        self.settings = options.settings
        self.work = work
        self.store = work / "store" if self.settings.quick else options.store
        self.official = Official(work)
        self.steps = steps_of(options.parts, options.settings)

    @cached_property
    def data(self) -> search.Data:
        """Vectors, queries and exact neighbors."""
        return search.Data.make(self.settings)

    def wanted(self, step: str) -> bool:
        """Returns True if a step is asked for and not done."""
        return step in self.steps and bool(self.results.missing([step]))

    def step(self, name: str, measure: Callable[[], Any]) -> None:
        """Measures a step if it is asked for and not done."""
        if name in self.steps:
            self.results.step(name, measure)

    def leave_out(self, steps: Sequence[str], why: str) -> None:
        """Notes the reason for those of the steps that are asked for and not done."""
        for step in filter(self.wanted, steps):
            self.results.leave_out(step, why)

    def curve(self, route: search.Route) -> dict[str, Any]:
        """Measures recall, time and rate of a route."""
        return search.curve(route, self.data, self.settings)
