"""What `audiosearch benchmark` does, in a checkout."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.experiment.run import Run
from tests.benchmarks.experiment.settings import Options


def _end(_number: int, _frame: object) -> None:
    sys.exit("stopped; the same command goes on from here")


def main(options: Options) -> None:
    """Measures, then writes table and charts beside the results."""
    signal.signal(signal.SIGTERM, _end)
    with tempfile.TemporaryDirectory(prefix="audiosearch-bench-") as work:
        Run(options, Path(work)).run()
