"""The order in which a run's steps are measured."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import Any

from tools.benchmarks.experiment import encoder, on_stack, peers
from tools.benchmarks.experiment.results import LeftOutError
from tools.benchmarks.experiment.run import ON_NO_STACK, Run
from tools.benchmarks.experiment.store import Store
from tools.benchmarks.index_recall import say


def measure(run: Run) -> None:
    """Measures all steps that are not done."""
    begun, missing = time.monotonic(), run.results.missing(run.steps)
    say(f"{len(missing)} of {len(run.steps)} steps are to be measured")
    _with_stack(run)
    run.step("embedding", partial(encoder.measure, run.official, run.work, run.settings))
    for name in peers.ROUTES:
        run.step(f"search/{name}", partial(_in_process, run, name))
    say(f"{len(missing)} steps in {(time.monotonic() - begun) / 60:.0f} minutes")


def _in_process(run: Run, name: str) -> dict[str, Any]:
    package = peers.package(name)
    return run.curve(peers.ROUTES[name](package, run.data.stored))


def _with_stack(run: Run) -> None:
    steps = [step for step in run.steps if step not in ON_NO_STACK]
    if not run.results.missing(steps):
        return
    try:
        with closing(Store(run.store, run.settings, run.official)) as store:
            on_stack.measure(run, store)
    except LeftOutError as error:
        run.leave_out(steps, str(error))
