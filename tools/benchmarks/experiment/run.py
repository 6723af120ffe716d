"""Runs the steps of the benchmark in order, and writes each result at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from tools.benchmarks.experiment import encoder, peers, search
from tools.benchmarks.experiment.encoder import Official
from tools.benchmarks.experiment.on_stack import ON_SERVERS, Measuring
from tools.benchmarks.experiment.results import LeftOutError, Results
from tools.benchmarks.experiment.settings import Options, Settings
from tools.benchmarks.experiment.stack import running
from tools.benchmarks.index_recall import say

IN_PROCESS = tuple(f"search/{name}" for name in peers.ROUTES)


def steps_of(parts: Sequence[str], settings: Settings) -> list[str]:
    """Returns all steps of these parts, in order."""
    by_part = {
        "growth": [f"growth/{size}" for size in settings.sizes],
        "search": ["search/index service", *ON_SERVERS, *IN_PROCESS],
        "end-to-end": ["end-to-end", "end-to-end/demo"],
        "ingest": ["ingest"],
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
        self._steps = steps_of(options.parts, options.settings)

    @cached_property
    def data(self) -> search.Data:
        """Vectors, queries and exact neighbors."""
        return search.Data.make(self.settings)

    def run(self) -> None:
        """Measures all steps that are not done."""
        begun, missing = time.monotonic(), self.results.missing(self._steps)
        say(f"{len(missing)} of {len(self._steps)} steps are to be measured")
        # First the steps on the stack: a run that is stopped among them must fill it again.
        self._with_stack([step for step in missing if step not in ("embedding", *IN_PROCESS)])
        self.step("embedding", partial(encoder.measure, self.official, self.work, self.settings))
        for name in peers.ROUTES:
            self.step(f"search/{name}", partial(self._in_process, name))
        say(f"{len(missing)} steps in {(time.monotonic() - begun) / 60:.0f} minutes")

    def wanted(self, step: str) -> bool:
        """Returns True if a step is asked for and not done."""
        return step in self._steps and bool(self.results.missing([step]))

    def step(self, name: str, measure: Callable[[], Any]) -> None:
        """Measures a step if it is asked for and not done."""
        if name in self._steps:
            self.results.step(name, measure)

    def curve(self, route: search.Route) -> dict[str, Any]:
        """Measures recall, time and rate of a route."""
        return search.curve(route, self.data, self.settings)

    def _in_process(self, name: str) -> dict[str, Any]:
        package = peers.package(name)
        return self.curve(peers.ROUTES[name](package, self.data.stored))

    def _with_stack(self, steps: Sequence[str]) -> None:
        if not steps:
            return
        checkpoint = None if self.settings.quick else self.official.made()
        try:
            with running(self.settings.stores, checkpoint) as stack:
                Measuring(self, stack).run()
        except LeftOutError as error:
            for step in self.results.missing(steps):
                self.results.leave_out(step, str(error))
