"""Transactions: what is awaited inside, callers that leave, conflicts, files off the loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from sqlalchemy import Connection, insert, select, update

from catalog_service.clips.rows import now
from catalog_service.database.database import Database
from catalog_service.database.engines import backend
from catalog_service.database.schema import libraries
from catalog_service.settings import CatalogSettings
from serving.errors import Reason, ServiceError
from tests.conformance.catalog.conftest import settings_for
from tools.servers.catalog import serving

LIMIT = 30
NAMES = ("one", "two")


@asynccontextmanager
async def opened(settings: CatalogSettings) -> AsyncIterator[Database]:
    """A database with two libraries, `one` and `two`, both without a display name."""
    database = Database(backend(settings), settings.statement_seconds, settings.queue)
    await database.open()
    try:
        await database.write(make)
        yield database
    finally:
        await database.close()


def make(connection: Connection) -> None:
    """Makes the libraries."""
    times = {"create_time": now(), "update_time": now()}
    for name in NAMES:
        row = {"uid": name, "name": name, "display_name": "", "model": "m", "state": 2, **times}
        connection.execute(insert(libraries).values(row))


def show(connection: Connection, name: str = "one") -> str:
    """Reads a display name."""
    return str(connection.scalar(select(libraries.c.display_name).where(libraries.c.uid == name)))


def add(connection: Connection, text: str, name: str = "one") -> None:
    """Makes a display name longer; the row is locked until the transaction ends."""
    longer = libraries.c.display_name + text
    connection.execute(update(libraries).where(libraries.c.uid == name).values(display_name=longer))


@pytest_asyncio.fixture
async def database(settings: CatalogSettings) -> AsyncIterator[Database]:
    """A database of one's own, on each backend."""
    async with opened(settings) as made:
        yield made


async def test_what_is_awaited_inside_a_transaction_stops_nobody_else(database: Database) -> None:
    """The loop goes on, reads see the state before, and the second part sees what came out."""
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def between(seen: str) -> str:
        inside.set()
        await go_on.wait()
        return f"+{seen[3:]}?"

    def first(connection: Connection) -> str:
        add(connection, "new")
        return show(connection)

    def last(connection: Connection, done: str) -> str:
        add(connection, done)
        return show(connection)

    call = asyncio.create_task(database.write_around(first, between, last))
    await asyncio.wait_for(inside.wait(), LIMIT)
    assert await database.read(show) == ""
    other = asyncio.create_task(database.write(lambda c: add(c, "!")))
    await asyncio.wait([other], timeout=0.2)
    assert not other.done()
    go_on.set()
    assert await call == "new+?"
    await other
    assert await database.read(show) == "new+?!"


async def test_a_failure_inside_a_transaction_undoes_all(database: Database) -> None:
    """Wherever it fails, nothing stays of it, and the next one passes."""

    def failing(*_: object) -> str:
        raise ServiceError(Reason.STORAGE_FULL, "full")

    async def full(_: object) -> None:
        failing()

    async def fine(_: object) -> None:
        pass

    for between, last in ((full, lambda *_: ""), (fine, failing)):
        with pytest.raises(ServiceError) as caught:
            await database.write_around(lambda c: add(c, "new"), between, last)
        assert caught.value.reason is Reason.STORAGE_FULL
        assert await database.read(show) == ""
    await database.write(lambda c: add(c, "then"))
    assert await database.read(show) == "then"


async def test_a_caller_that_leaves_does_not_cut_what_it_began(database: Database) -> None:
    """A transaction that has begun goes on to its end, also when its caller is cancelled twice."""
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def between(_: object) -> None:
        inside.set()
        await go_on.wait()

    call = asyncio.create_task(
        database.write_around(lambda c: add(c, "new"), between, lambda *_: None)
    )
    await asyncio.wait_for(inside.wait(), LIMIT)
    for _ in range(2):
        call.cancel()
        await asyncio.wait([call], timeout=0.05)
    with pytest.raises(asyncio.CancelledError):
        await call
    go_on.set()
    await database.write(lambda c: add(c, "!"))  # waits for the row, so for its end
    assert await database.read(show) == "new!"


async def test_a_caller_that_leaves_while_waiting_begins_nothing(database: Database) -> None:
    """A transaction that waits for its turn is dropped with its caller."""
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def between(_: object) -> None:
        inside.set()
        await go_on.wait()

    first = [
        asyncio.create_task(database.write_around(lambda _: None, between, lambda *_: None))
        for _ in range(8)  # all places of writers
    ]
    await asyncio.wait_for(inside.wait(), LIMIT)
    left = asyncio.create_task(database.write(lambda c: add(c, "left")))
    await asyncio.wait([left], timeout=0.05)
    left.cancel()
    await asyncio.wait([left])
    go_on.set()
    await asyncio.gather(*first)
    await database.write(lambda c: add(c, "two", "two"))
    assert await database.read(show) == ""


@pytest.mark.server
async def test_a_deadlock_is_tried_again(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Two who lock the same two rows in opposite order both get through."""
    async with opened(settings_for("mysql", tmp_path, request)) as database:
        begun, both = list[str](), asyncio.Event()

        async def cross(mine: str, its: str) -> None:
            async def between(_: object) -> None:
                begun.append(mine)
                if len(set(begun)) == len(NAMES):
                    both.set()
                await asyncio.wait_for(both.wait(), LIMIT)  # each has its first row by then

            await database.write_around(
                lambda c: add(c, "1", mine), between, lambda c, _: add(c, "2", its)
            )

        await asyncio.gather(cross("one", "two"), cross("two", "one"))
        assert len(begun) > len(NAMES), "nobody had to begin again"
        shown = [await database.read(lambda c, name=name: show(c, name)) for name in NAMES]
        assert sorted(map(sorted, shown)) == [["1", "2"], ["1", "2"]]


class Watch:
    """Events of files below a folder, with the threads in which they happened."""

    def __init__(self) -> None:
        """Sees nothing yet."""
        self.folder: str | None = None
        self.seen: list[tuple[str, bool]] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Notes an event that Python reports to its audit hooks."""
        folder = self.folder
        if folder is None or event.partition(".")[0] not in {"open", "os", "shutil", "fcntl"}:
            return
        if any(isinstance(it, (str, Path)) and str(it).startswith(folder) for it in arguments):
            self.seen.append((event, threading.current_thread() is threading.main_thread()))


WATCH = Watch()
sys.addaudithook(WATCH)  # a hook can't be taken away: this one sleeps while it has no folder


@contextmanager
def watched(folder: Path) -> Iterator[Watch]:
    """Notes what happens to files below the folder during the block."""
    WATCH.folder, WATCH.seen = str(folder), []
    try:
        yield WATCH
    finally:
        WATCH.folder = None


async def test_no_file_is_touched_on_the_event_loop(settings: CatalogSettings) -> None:
    """A clip's whole life: each step that has to do with its audio does so in another thread."""
    async with serving(settings) as catalog:
        library = await catalog.library()
        with watched(settings.audio_folder) as watch:
            clip = await catalog.clip(library, b"audio")
            await catalog.audio(clip.name)
            many = await catalog.clips(library, 3)
            again = await catalog.creating(library)
            await catalog.put(again.name, b"before")
            await catalog.put(again.name, b"after")
            await catalog.fail(again.name)
            await catalog.begin_deletion(many[0].name)
            await catalog.stubs.clips.DeleteClip(clip_pb2.DeleteClipRequest(name=many[0].name))
            await catalog.stubs.libraries.BeginLibraryDeletion(
                library_pb2.BeginLibraryDeletionRequest(name=library.name, force=True)
            )
            await catalog.stubs.libraries.DeleteLibrary(
                library_pb2.DeleteLibraryRequest(name=library.name)
            )
        assert {event for event, _ in watch.seen} >= {
            "open",
            "os.rename",
            "os.remove",
            "os.scandir",
        }
        assert [event for event, on_loop in watch.seen if on_loop] == []
