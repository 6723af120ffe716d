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

ON_SERVERS = ("search/bare pymilvus", "search/wrapping", "search/demo")
IN_PROCESS = tuple(f"search/{name}" for name in peers.ROUTES)
WITHOUT_A_LIBRARY = ("embedding", "segments", *IN_PROCESS)


def steps_of(parts: Sequence[str], settings: Settings) -> list[str]:
    """Returns all steps of these parts, in order."""
    by_part = {
        "growth": [f"growth/{size}" for size in settings.sizes],
        "search": [
            *("search/index service", "search/filtered", "search/grouped"),
            *ON_SERVERS,
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
        self.official = Official(work)
        self.steps = steps_of(options.parts, options.settings)

    @cached_property
    def data(self) -> search.Data:
        """Vectors, queries and exact neighbors."""
        return search.Data.make(self.settings)

    @property
    def needs_a_library(self) -> bool:
        """True if a step is asked for and not done that measures in a library of full size."""
        return any(self.wanted(step) for step in self.steps if step not in WITHOUT_A_LIBRARY)

    def wanted(self, step: str) -> bool:
        """Returns True if a step is asked for and not done."""
        return step in self.steps and bool(self.results.missing([step]))

    def step(self, name: str, measure: Callable[[], Any]) -> None:
        """Measures a step if it is asked for and not done."""
        if name in self.steps:
            self.results.step(name, measure)

    def curve(self, route: search.Route) -> dict[str, Any]:
        """Measures recall, time and rate of a route."""
        return search.curve(route, self.data, self.settings)
