"""Measures the catalog with many clips, on SQLite and on MariaDB: one table, one run.

Run it as `python -m tools.benchmarks.catalog --clips 650000 --plans`. The service is one process
and its client another, on the same machine. BatchCreateClips creates the rows. Statements past the
service then turn them ACTIVE, because they have no audio. "service" is the time that the service
logs for a call, without the network and the client.
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
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, ClipFilter
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.filter.v1.filter_pb2 import Condition
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from catalog_service.settings import CatalogSettings
from serving.telemetry import configure
from tools.benchmarks.catalog_database import (
    cpu_seconds,
    make_active,
    plans_of,
    server_times,
    settings_of,
    size_of,
    some_ids,
)
from tools.servers import catalog_plans as plans
from tools.servers.catalog import HEARD, Catalog, Program
from tools.servers.debian import MissingError

BATCH = 1000
CALLERS = 2
ATTEMPTS = 5
LOOK_UP = 100
ROUNDS = 300
PAGES = 20
SINGLES = 200
RARE = {
    "metadata, one in a hundred": ClipFilter(
        conditions=[Condition(field="metadata.take", any_of=Condition.Values(values=["7"]))]
    ),
    "part of a name, one in a hundred": ClipFilter(
        conditions=[Condition(field="display_name", contains="77.W")]
    ),
    "part of a name that none has": ClipFilter(
        conditions=[Condition(field="display_name", contains="knife")]
    ),
}
Figures = dict[str, str]


def main() -> None:
    """Measures, and prints the table and, if asked for, the plans."""
    arguments = _arguments()
    configure("benchmark", "warning")
    console = Console(width=100)
    console.print(
        f"{arguments.clips:,} clips, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"
    )
    columns: dict[str, Figures] = {}
    shown: dict[str, str] = {}
    for name in arguments.backends:
        try:
            with (
                tempfile.TemporaryDirectory() as folder,
                settings_of(name, Path(folder)) as settings,
            ):
                columns[name] = asyncio.run(_measure(name, settings, arguments.clips, console))
                if arguments.plans:
                    shown[name] = asyncio.run(plans_of(settings))
        except MissingError as error:
            console.print(f"{name} left out: {error}")
    console.print(_table(columns))
    for name, text in shown.items():
        console.print(f"\nPlans of {name}\n{text}", highlight=False, markup=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=650_000, help="number of clips")
    parser.add_argument("--plans", action="store_true", help="show the plans of all statements")
    parser.add_argument(
        "--backends", nargs="+", default=["sqlite", "mariadb"], choices=["sqlite", "mariadb"]
    )
    return parser.parse_args()


async def _measure(name: str, settings: CatalogSettings, count: int, console: Console) -> Figures:
    program, figures = Program(settings), Figures()
    spent = server_times(program)
    try:
        async with program.client() as catalog:
            library = await catalog.library()
            with Progress(console=console, transient=True) as progress:
                task = progress.add_task(f"{name}: rows", total=count)
                figures |= await _fill(
                    catalog, library, count, program, lambda: progress.advance(task, BATCH)
                )
                progress.add_task(f"{name}: ACTIVE", total=None)
                await asyncio.to_thread(make_active, settings, library.uid)
            ids = await asyncio.to_thread(some_ids, settings)
            figures |= await _look_up(catalog, library, ids, spent)
            figures |= await _lists(catalog, library)
            figures |= await _counts(catalog, library)
            figures |= await _single(catalog, library, program)
            figures |= await _activations(catalog, library)
    finally:
        program.process.terminate()
        program.process.wait(60)
    return figures | {"database size": f"{size_of(settings) / 2**20:,.0f} MiB"}


def _new(number: int) -> clip_pb2.CreateClipRequest:
    return clip_pb2.CreateClipRequest(
        clip=Clip(
            display_name=f"clip{number}.wav",
            label=f"l{number % 50}",
            speaker=f"s{number % 1000}",
            metadata={"device": "phone", "take": f"{number % 100}"},
            source=f"folder/{number % 97}/clip{number}.wav",
            import_job=f"importJobs/01arz3ndektsv4rrffq69g5fa{number % 9}",
        ),
        audio_object=AudioObject(sha256=uuid.uuid4().hex * 2, size_bytes=160_000),
    )


async def _create(catalog: Catalog, request: clip_pb2.BatchCreateClipsRequest) -> None:
    """Sends a batch until it is stored. Clips of a batch that was cut off answer CLIP_EXISTS."""
    for attempt in range(ATTEMPTS):
        try:
            answer = await catalog.stubs.clips.BatchCreateClips(request)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or attempt == ATTEMPTS - 1:
                raise
            continue
        assert {it.failure.reason for it in answer.outcomes} <= {"", "CLIP_EXISTS"}
        return


async def _fill(
    catalog: Catalog, library: Library, count: int, program: Program, advance: Callable[[], None]
) -> Figures:
    """Inserts rows. Gives rows a second over all, and over the last tenth with large indexes."""
    ends: list[float] = []
    starts = iter(range(0, count, BATCH))

    async def caller() -> None:
        for first in starts:
            numbers = range(first, min(first + BATCH, count))
            request = clip_pb2.BatchCreateClipsRequest(
                parent=library.name, requests=[_new(number) for number in numbers]
            )
            await _create(catalog, request)
            ends.append(time.perf_counter())
            advance()

    start, used = time.perf_counter(), cpu_seconds(program)
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    used = cpu_seconds(program) - used
    late = ends[-1 - len(ends) // 10 :]
    return {
        "bulk insert, rows/s": f"{count / (ends[-1] - start):,.0f}",
        "  last tenth, rows/s": f"{(len(late) - 1) * BATCH / (late[-1] - late[0]):,.0f}"
        if len(late) > 1
        else "-",
        "  service's CPU a row": f"{used / count * 1e6:.0f} us",
    }


async def _timed(call: Callable[[], Awaitable[Any]]) -> float:
    start = time.perf_counter()
    await call()
    return (time.perf_counter() - start) * 1e3


async def _look_up(
    catalog: Catalog, library: Library, ids: list[str], spent: dict[str, list[float]]
) -> Figures:
    times = []
    for _ in range(ROUNDS):
        wanted = random.sample(ids, min(LOOK_UP, len(ids)))
        request = clip_pb2.LookupClipsRequest(parent=library.name, clip_ids=wanted)
        times.append(await _timed(lambda: catalog.stubs.clips.LookupClips(request)))  # noqa: B023
    await asyncio.sleep(0.2)
    return {
        "look-up of 100, client p50 / p99": _p50_p99(times),
        "  service p50 / p99": _p50_p99(spent["LookupClips"][-ROUNDS:]),
    }


async def _lists(catalog: Catalog, library: Library) -> Figures:
    """Reads pages of 100 clips, one after the other."""
    figures = Figures()
    for name, which in (plans.filters(library.name) | RARE).items():
        request = clip_pb2.ListClipsRequest(parent=library.name, page_size=100, filter=which)
        times, found = [], 0
        for _ in range(PAGES):
            start = time.perf_counter()
            page = await catalog.stubs.clips.ListClips(request)
            times.append((time.perf_counter() - start) * 1e3)
            found += len(page.clips)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        figures[f"page of 100: {name}"] = f"{statistics.median(times):.2f} ms" + (
            "" if found else " (none)"
        )
    return figures


async def _counts(catalog: Catalog, library: Library) -> Figures:
    """Counts all clips by the values of fields, of which there are few or many."""
    figures = Figures()
    for name, field, which in (
        ("label", "label", None),
        ("speaker", "speaker", None),
        ("metadata", "metadata.take", None),
        ("source", "source", None),
        ("label, of one in a hundred", "label", RARE["metadata, one in a hundred"]),
        ("label, of part of a name", "label", RARE["part of a name, one in a hundred"]),
    ):
        request = clip_pb2.CountValuesRequest(parent=library.name, field=field, filter=which)
        times = [await _timed(lambda: catalog.stubs.clips.CountValues(request)) for _ in range(3)]  # noqa: B023
        figures[f"count by {name}"] = f"{statistics.median(times):,.0f} ms"
    return figures


async def _single(catalog: Catalog, library: Library, program: Program) -> Figures:
    times: dict[str, list[float]] = defaultdict(list)
    used = cpu_seconds(program)
    for number in range(SINGLES):
        request = _new(number)
        request.parent = library.name
        start = time.perf_counter()
        name = (await catalog.stubs.clips.CreateClip(request)).name
        times["create"].append((time.perf_counter() - start) * 1e3)
        for step, call in (
            ("put audio (16 KB)", lambda: catalog.put(name, uuid.uuid4().bytes * 1000)),  # noqa: B023
            ("activate", lambda: catalog.activate(name)),  # noqa: B023
            ("get", lambda: catalog.get(name)),  # noqa: B023
        ):
            times[step].append(await _timed(call))
    used = cpu_seconds(program) - used
    figures = {f"one clip: {step}, p50 / p99": _p50_p99(each) for step, each in times.items()}
    return figures | {"  service's CPU for the four": f"{used / SINGLES * 1e3:.1f} ms"}


async def _activations(catalog: Catalog, library: Library) -> Figures:
    made = [(await catalog.creating(library)).name for _ in range(BATCH)]
    for name in made:
        await catalog.put(name, uuid.uuid4().bytes)
    request = clip_pb2.BatchActivateClipsRequest(
        parent=library.name,
        requests=[clip_pb2.ActivateClipRequest(name=name, audio=HEARD) for name in made],
    )
    spent = await _timed(lambda: catalog.stubs.clips.BatchActivateClips(request))
    return {"bulk activate, rows/s": f"{BATCH / spent * 1e3:,.0f}"}


def _p50_p99(times: list[float]) -> str:
    ordered = sorted(times)
    return f"{statistics.median(ordered):.2f} / {ordered[int(len(ordered) * 0.99)]:.2f} ms"


def _table(columns: dict[str, Figures]) -> Table:
    table = Table("", *columns)
    for row in next(iter(columns.values()), {}):
        table.add_row(row, *(figures[row] for figures in columns.values()))
    return table


if __name__ == "__main__":
    main()
