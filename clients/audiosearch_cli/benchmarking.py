"""`audiosearch benchmark`: the speed of every part on this machine, beside other tools."""

from __future__ import annotations

import importlib
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

CHECKOUT = Path(__file__).resolve().parents[2]
EXPERIMENT = "tools.benchmarks.experiment"


class Part(str, Enum):
    """A part of the benchmark that can run alone."""

    search = "search"
    embedding = "embedding"
    end_to_end = "end-to-end"
    ingest = "ingest"
    growth = "growth"


class Stores(str, Enum):
    """The stores of vectors and rows."""

    servers = "servers"
    embedded = "embedded"


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
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Take only a few minutes: this shows that it works, not its speed."
        ),
    ] = False,
) -> None:
    """Measure search, encoder, whole searches, imports and growth; needs a checkout."""
    command, settings = _load("command"), _load("settings")
    chosen = settings.Settings.chosen(rows, stores.value, quick=quick)
    wanted = tuple(part.value for part in parts or Part)
    command.main(settings.Options(chosen, wanted, output))


def _load(name: str) -> Any:
    """A module of the benchmark, which is not installed."""
    if not CHECKOUT.joinpath(*EXPERIMENT.split(".")).is_dir():
        raise FileNotFoundError(
            "the benchmark needs a checkout of Audiosearch, because its peers, servers and "
            "generators are part of the tests: run `make benchmark` in one"
        )
    if str(CHECKOUT) not in sys.path:
        sys.path.insert(0, str(CHECKOUT))
    try:
        return importlib.import_module(f"{EXPERIMENT}.{name}")
    except ModuleNotFoundError as error:
        raise FileNotFoundError(
            f"the benchmark needs {error.name}: `make benchmark` installs all that it needs"
        ) from error
