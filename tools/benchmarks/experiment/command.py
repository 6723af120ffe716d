"""Runs `audiosearch benchmark` in a checkout."""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
from pathlib import Path

from tools.benchmarks.experiment import charts, report
from tools.benchmarks.experiment.results import Results
from tools.benchmarks.experiment.run import Run
from tools.benchmarks.experiment.settings import Options
from tools.benchmarks.index_recall import say

TABLE = "benchmark.md"


def _end(_number: int, _frame: object) -> None:
    sys.exit("stopped; run the same command again to continue")


def main(options: Options) -> None:
    """Measures, then writes the table and the charts beside the results."""
    signal.signal(signal.SIGTERM, _end)
    logging.getLogger("faiss").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="audiosearch-bench-") as work:
        run = Run(options, Path(work))
        try:
            run.run()
        finally:
            write(run.results, options.output)


def write(results: Results, folder: Path) -> None:
    """Writes the results so far as a table and charts."""
    (folder / TABLE).write_text(report.report(results.content), encoding="utf-8")
    drawn = charts.draw(results.content, folder)
    say(f"{folder}: {', '.join(['benchmark.json', TABLE, *drawn])}")
