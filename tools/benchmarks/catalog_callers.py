"""Measures the catalog's calls at 1 and at 16 callers, also beside another checkout: one run.

Run it as `python -m tools.benchmarks.catalog_callers --beside ../before`. Each checkout's service
is a separate process with its own database, all on one MariaDB server (or on SQLite). They take
turns, so that other load on the machine affects all alike. "CPU" is the service's own, for a call.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip
from audiosearch.catalog.v1.library_pb2 import Library
from rich.console import Console
from rich.table import Table

from catalog_service.settings import CatalogSettings
from serving.telemetry import configure
from tools.benchmarks.catalog_database import (
    cpu_seconds,
    make_active,
    server_times,
    settings_of,
    some_ids,
)
from tools.servers.catalog import Catalog, Program

BATCH = 1000
CALLERS = (1, 16)
CALLS = 160
Call = Callable[[], Awaitable[object]]


class Side(NamedTuple):
    """The service of one checkout, filled with clips."""

    name: str
    program: Program
    catalog: Catalog
    library: Library
    ids: list[str]


class Figure(NamedTuple):
    """One round of calls: milliseconds each, calls a second, and CPU milliseconds a call."""

    times: list[float]
    rate: float
    cpu: float


def main() -> None:
    """Measures and prints the table."""
    arguments = _arguments()
    configure("benchmark", "warning")
    console = Console(width=140)
    console.print(
        f"{arguments.clips:,} clips, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
    )
    checkouts = {"here": Path.cwd(), **{it.name: it for it in arguments.beside}}
    found = asyncio.run(_measure(checkouts, arguments))
    console.print(_table(list(checkouts), found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=20_000, help="rows of each catalog")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each checkout")
    parser.add_argument("--backend", default="mariadb", choices=["mariadb", "sqlite"])
    parser.add_argument(
        "--beside", type=Path, nargs="*", default=[], help="other checkouts, with their stubs"
    )
    return parser.parse_args()


async def _measure(
    checkouts: dict[str, Path], arguments: argparse.Namespace
) -> dict[str, dict[str, list[Figure]]]:
    """Returns the figures of all rounds, by call and by checkout."""
    found: dict[str, dict[str, list[Figure]]] = defaultdict(lambda: defaultdict(list))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place = stack.enter_context(settings_of(arguments.backend, folder))
        programs = {
            name: stack.enter_context(_running(place, name, path))
            for name, path in checkouts.items()
        }
        async with AsyncExitStack() as clients:
            sides = [
                Side(
                    name,
                    program,
                    catalog := await clients.enter_async_context(program.client()),
                    await catalog.library(),
                    [],
                )
                for name, program in programs.items()
            ]
            for first in range(0, arguments.clips, 10 * BATCH):
                count = min(10 * BATCH, arguments.clips - first)
                for side in sides:
                    found["bulk insert, 1,000 rows a call, 2 callers"][side.name].append(
                        await _fill(side, count)
                    )
            for side in sides:
                await asyncio.to_thread(make_active, side.program.settings, side.library.uid)
                side.ids.extend(await asyncio.to_thread(some_ids, side.program.settings))
            for number in range(arguments.rounds):
                for side in sides if number % 2 else reversed(sides):
                    for callers in CALLERS:
                        await _round(side, callers, found)
                    await _beside_bulk(side, found)
    return found


@contextmanager
def _running(place: CatalogSettings, name: str, checkout: Path) -> Iterator[Program]:
    """Runs the service of a checkout, with its own database."""
    own = {"mysql_db": f"{name}_{uuid.uuid4().hex[:8]}", "data_dir": place.data_dir / name}
    paths = os.pathsep.join(str(checkout.resolve() / part) for part in ("", "protos"))
    here = Path.cwd()
    os.chdir(checkout)  # `python -m` looks there first
    try:
        program = Program(place.model_copy(update=own), PYTHONPATH=paths)
    finally:
        os.chdir(here)
    server_times(program)  # so that its log is read
    try:
        yield program
    finally:
        program.process.terminate()
        program.process.wait(60)


async def _fill(side: Side, count: int) -> Figure:
    async def one() -> None:
        request = clip_pb2.BatchCreateClipsRequest(
            parent=side.library.name, requests=[_new() for _ in range(BATCH)]
        )
        await side.catalog.stubs.clips.BatchCreateClips(request)

    return await _calls(side, one, count // BATCH, 2)


async def _round(side: Side, callers: int, found: dict[str, dict[str, list[Figure]]]) -> None:
    catalog, parent = side.catalog, side.library.name

    async def look_up(count: int) -> None:
        ids = random.sample(side.ids, count)
        await catalog.stubs.clips.LookupClips(
            clip_pb2.LookupClipsRequest(parent=parent, clip_ids=ids)
        )

    made: list[str] = []

    async def create() -> None:
        clip = await catalog.stubs.clips.CreateClip(_new(parent))
        made.append(clip.name)

    async def put() -> None:
        await catalog.put(names.pop(), uuid.uuid4().bytes)

    async def activate() -> None:
        await catalog.activate(made.pop())

    steps: dict[str, Call] = {
        "get of one": lambda: catalog.get(f"{parent}/clips/{random.choice(side.ids)}"),
        "look-up of 10": lambda: look_up(10),
        "look-up of 100": lambda: look_up(100),
        "create one clip": create,
        "put its audio": put,
        "activate it": activate,
    }
    names: list[str] = []
    for step, call in steps.items():
        if step == "put its audio":
            names.extend(made)
        key = f"{step}, {callers} caller" + "s" * (callers > 1)
        found[key][side.name].append(await _calls(side, call, CALLS, callers))


async def _beside_bulk(side: Side, found: dict[str, dict[str, list[Figure]]]) -> None:
    """Reads of one clip while another caller makes 1,000 clips a call."""
    bulk = asyncio.create_task(_fill(side, 5 * BATCH))
    one, times = f"{side.library.name}/clips/{side.ids[0]}", list[float]()
    start, used = time.perf_counter(), cpu_seconds(side.program)
    while not bulk.done():
        begun = time.perf_counter()
        await side.catalog.get(one)
        times.append((time.perf_counter() - begun) * 1e3)
    spent, used = time.perf_counter() - start, cpu_seconds(side.program) - used
    figure = Figure(times, len(times) / spent, used / len(times) * 1e3)
    found["get of one, while 1,000 rows a call come in"][side.name].append(figure)
    await bulk


async def _calls(side: Side, call: Call, count: int, callers: int) -> Figure:
    left, times = iter(range(count)), list[float]()

    async def one_caller() -> None:
        for _ in left:
            start = time.perf_counter()
            await call()
            times.append((time.perf_counter() - start) * 1e3)

    start, used = time.perf_counter(), cpu_seconds(side.program)
    await asyncio.gather(*(one_caller() for _ in range(callers)))
    spent = time.perf_counter() - start
    used = cpu_seconds(side.program) - used
    return Figure(times, count / spent, used / count * 1e3)


def _new(parent: str = "") -> clip_pb2.CreateClipRequest:
    number = random.randrange(10**6)
    return clip_pb2.CreateClipRequest(
        parent=parent,
        clip=Clip(
            display_name=f"clip{number}.wav",
            label=f"l{number % 50}",
            speaker=f"s{number % 1000}",
            metadata={"device": "phone"},
            source=f"folder/{number % 97}/clip{number}.wav",
        ),
        audio_object=AudioObject(sha256=uuid.uuid4().hex * 2, size_bytes=160_000),
    )


def _table(names: list[str], found: dict[str, dict[str, list[Figure]]]) -> Table:
    table = Table(
        "", *(f"{name}: p50 / p90, calls/s, CPU" for name in names), "time, rate, CPU to the last"
    )
    for step, sides in found.items():
        last = sides[names[-1]]
        table.add_row(step, *(_shown(sides[name]) for name in names), _ratio(sides[names[0]], last))
    return table


def _p50(figures: list[Figure]) -> float:
    return statistics.median(statistics.median(it.times) for it in figures)


def _shown(figures: list[Figure]) -> str:
    ordered = sorted(ms for it in figures for ms in it.times)
    rate = statistics.median(it.rate for it in figures)
    cpu = statistics.median(it.cpu for it in figures)
    return (
        f"{_p50(figures):.2f} / {ordered[len(ordered) * 9 // 10]:.2f} ms, {rate:,.0f}, {cpu:.2f} ms"
    )


def _ratio(ours: list[Figure], theirs: list[Figure]) -> str:
    pairs = (
        (_p50(ours), _p50(theirs)),
        (
            statistics.median(it.rate for it in ours),
            statistics.median(it.rate for it in theirs),
        ),
        (
            statistics.median(it.cpu for it in ours),
            statistics.median(it.cpu for it in theirs),
        ),
    )
    return ", ".join(f"{mine / other:.2f}" if other else "-" for mine, other in pairs)


if __name__ == "__main__":
    main()
