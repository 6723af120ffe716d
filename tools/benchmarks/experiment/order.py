"""The order in which a run's steps are measured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from tools.benchmarks.experiment import encoder, peers
from tools.benchmarks.experiment.on_stack import Measuring
from tools.benchmarks.experiment.results import LeftOutError
from tools.benchmarks.experiment.run import IN_PROCESS, Run
from tools.benchmarks.experiment.stack import running
from tools.benchmarks.index_recall import say


def measure(run: Run) -> None:
    """Measures all steps that are not done."""
    begun, missing = time.monotonic(), run.results.missing(run.steps)
    say(f"{len(missing)} of {len(run.steps)} steps are to be measured")
    # First the steps on the stack: a run that is stopped among them must fill it again.
    _with_stack(run, [step for step in missing if step not in ("embedding", *IN_PROCESS)])
    run.step("embedding", partial(encoder.measure, run.official, run.work, run.settings))
    for name in peers.ROUTES:
        run.step(f"search/{name}", partial(_in_process, run, name))
    say(f"{len(missing)} steps in {(time.monotonic() - begun) / 60:.0f} minutes")


def _in_process(run: Run, name: str) -> dict[str, Any]:
    package = peers.package(name)
    return run.curve(peers.ROUTES[name](package, run.data.stored))


def _with_stack(run: Run, steps: Sequence[str]) -> None:
    if not steps:
        return
    checkpoint = None if run.settings.quick else run.official.made()
    try:
        with running(run.settings.stores, checkpoint) as stack:
            Measuring(run, stack).run()
    except LeftOutError as error:
        for step in run.results.missing(steps):
            run.results.leave_out(step, str(error))
