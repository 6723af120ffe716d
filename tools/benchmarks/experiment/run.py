"""One run of the benchmark: its steps in their order, each written as soon as it is there."""

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
    """All steps of these parts, in their order."""
    by_part = {
        "growth": [f"growth/{size}" for size in settings.sizes],
        "search": ["search/index service", *ON_SERVERS, *IN_PROCESS],
        "end-to-end": ["end-to-end", "end-to-end/demo"],
        "ingest": ["ingest"],
        "embedding": ["embedding"],
    }
    return [step for part, steps in by_part.items() if part in parts for step in steps]


class Run:
    """One run, whose results go to a folder."""

    def __init__(self, options: Options, work: Path) -> None:
        """Keeps what is needed on the way below `work`."""
        self.results = Results(options.output, options.settings)
        self.settings = options.settings
        self.work = work
        self.official = Official(work)
        self._steps = steps_of(options.parts, options.settings)

    @cached_property
    def data(self) -> search.Data:
        """Vectors, queries and the truth."""
        return search.Data.make(self.settings)

    def run(self) -> None:
        """Measures what is not there yet."""
        begun, missing = time.monotonic(), self.results.missing(self._steps)
        say(f"{len(missing)} of {len(self._steps)} steps are to be measured")
        # The longest first: a run that is cut off while the stack is up has to fill it again.
        self._with_stack([step for step in missing if step not in ("embedding", *IN_PROCESS)])
        self.step("embedding", partial(encoder.measure, self.official, self.work, self.settings))
        for name in peers.ROUTES:
            self.step(f"search/{name}", partial(self._in_process, name))
        say(f"{len(missing)} steps in {(time.monotonic() - begun) / 60:.0f} minutes")

    def wanted(self, step: str) -> bool:
        """Whether a step is asked for and not done."""
        return step in self._steps and bool(self.results.missing([step]))

    def step(self, name: str, measure: Callable[[], Any]) -> None:
        """Does a step, if it is asked for and not done."""
        if name in self._steps:
            self.results.step(name, measure)

    def curve(self, route: search.Route) -> dict[str, Any]:
        """Recall against time and rate of a way to search."""
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
