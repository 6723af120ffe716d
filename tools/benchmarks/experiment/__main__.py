"""Measures all parts beside others: `python -m tools.benchmarks.experiment`."""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from tools.benchmarks.experiment import charts, encoder, on_stack, peers, report
from tools.benchmarks.experiment.results import LeftOutError, Results
from tools.benchmarks.experiment.run import ON_NO_STACK, Run
from tools.benchmarks.experiment.settings import Options, Part, Settings, Stores
from tools.benchmarks.experiment.store import Store
from tools.benchmarks.index_recall import say

TABLE = "benchmark.md"
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def benchmark(
    rows: Annotated[
        int | None,
        typer.Option(
            min=2_000,
            max=5_000_000,
            show_default="650000, or 5000 with --quick",
            help="Vectors and clips in the library.",
        ),
    ] = None,
    stores: Annotated[
        Stores,
        typer.Option(help="Milvus and MariaDB, installed and started, or Milvus Lite and SQLite."),
    ] = Stores.servers,
    parts: Annotated[
        list[Part] | None,
        typer.Option(show_default="all", help="Measure only this part; can be repeated."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            file_okay=False,
            help="Folder for benchmark.json, a table and charts; a run that was stopped goes on "
            "from what is there.",
        ),
    ] = Path("build/benchmark"),
    store: Annotated[
        Path,
        typer.Option(
            file_okay=False,
            help="Folder that keeps the filled stores for later runs; --quick keeps none.",
        ),
    ] = Path(".cache/benchmark"),
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Take only a few minutes: this shows that it works, not its speed."
        ),
    ] = False,
) -> None:
    """Measure search, encoder, whole searches, imports and growth."""
    settings = Settings.chosen(rows, stores.value, quick=quick)
    measure(Options(settings, tuple(part.value for part in parts or Part), output, store))


def measure(options: Options) -> None:
    """Measures, then writes the table and the charts beside the results."""
    signal.signal(signal.SIGTERM, _end)
    logging.getLogger("faiss").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="audiosearch-bench-") as work:
        run = Run(options, Path(work))
        try:
            _measure_steps(run)
        finally:
            write(run.results, options.output)


def _end(_number: int, _frame: object) -> None:
    sys.exit("stopped; run the same command again to continue")


def _measure_steps(run: Run) -> None:
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
        official = None if run.settings.quick else run.official
        with closing(Store(run.store, run.settings, official)) as store:
            on_stack.measure(run, store)
    except LeftOutError as error:
        run.leave_out(steps, str(error))


def write(results: Results, folder: Path) -> None:
    """Writes the results so far as a table and charts."""
    (folder / TABLE).write_text(report.report(results.content), encoding="utf-8")
    drawn = charts.draw(results.content, folder)
    say(f"{folder}: {', '.join(['benchmark.json', TABLE, *drawn])}")


if __name__ == "__main__":
    app()
