"""One storm: start the stack, let clients work, harm it phase by phase, check, tell."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import grpc
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest, GetLibraryRequest, Library
from audiosearch.index.v1.index_service_pb2 import DropIndexRequest, GetIndexStatsRequest
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from audiosearch_client.client import AudiosearchClient
from grpc_health.v1 import health_pb2
from rich.console import Console

from deploy.local_stack import SERVICES
from gateway.access import api_key, key_file
from gateway.access.rights import Right
from serving.errors import ServiceError
from tests.chaos import sounds
from tests.chaos.checks import Checks
from tests.chaos.clients import Client, Importer, Uploader
from tests.chaos.ledger import DONE, Entry, Fate, Ledger
from tests.chaos.processes import Keeper, health
from tests.chaos.stack import folder, kept, wait_until_serving
from tests.chaos.storm.crowd import Greedy, Prober, Strangers, raise_file_limit
from tests.chaos.storm.seen import Seen, show, verdict
from tests.chaos.voices import Enroller
from tools.servers.processes import send_signal

PHASES = (
    *("calm", "greedy"),
    *(f"{harm} {service}" for harm in ("kill", "hang") for service in reversed(SERVICES)),
    *("damaged", "lost", "strangers"),
)
"""Kinds of harm, in this order. `hang` is SIGSTOP for the whole phase, then SIGCONT."""

OTHERS, HARMED, GREEDY, HEALTH = "others", "harmed library", "greedy key", "health checks"
LIBRARIES = {OTHERS: "storm", HARMED: "harmed", GREEDY: "greedy"}
AT_ONCE = {"kill", "damaged", "lost"}
LASTING = {"greedy", "hang", "strangers"}
"""Harm after which all is to be whole again in time: from its begin on, and from its end on."""

WHOLE_SECONDS = 120.0
"""Longest wait after a phase until everything is whole again."""

LULL_SECONDS = 5.0
"""Calm at the end of a phase: calls that waited in it end before the next harm."""

TIMEOUT = 20.0
END_SECONDS = 60.0
PAUSE_SECONDS = 0.15
"""Pause of a client for each client there is: calm is no overload."""


class Span(NamedTuple):
    """The time of one phase, until all was whole again, and a remark."""

    phase: str
    begin: float
    end: float
    note: str


@dataclass(frozen=True)
class Options:
    """The options of a storm."""

    clients: int = 64
    seconds: float = 30.0
    """Of each phase."""
    seed: int = 1
    phases: tuple[str, ...] = PHASES
    call_seconds: int = 60
    """Longest that a call may take."""
    filled: int = 24
    """Clips at first in the library that is going to be harmed."""

    @property
    def settings(self) -> dict[str, str]:
        """Settings of the services."""
        return {
            "AUDIOSEARCH_MAX_CALL_SECONDS": str(self.call_seconds),
            "AUDIOSEARCH_UPSTREAM_SECONDS": str(self.call_seconds - 2),
            "AUDIOSEARCH_STALE_SECONDS": str(self.call_seconds + 3),
        }


class Storm:
    """One storm in a folder of its own."""

    def __init__(self, work: Path, options: Options, console: Console) -> None:
        """Keeps everything below `work`."""
        self.seen: list[Seen] = []
        self.found = Counter[str]()
        self.ledgers = {
            name: Ledger(work / "sounds", options.seed + number)
            for number, name in enumerate((*LIBRARIES, HEALTH))
        }
        self._work = work
        self._sounds = work / "sounds"
        self._options = options
        self._console = console
        self._keys: dict[str, str] = {}
        self._keepers: dict[str, Keeper] = {}
        self._began = time.monotonic()

    def say(self, what: str) -> None:
        """Prints a line with the seconds since the start."""
        self._console.print(f"{time.monotonic() - self._began:6.0f} s  {what}")

    def run(self) -> bool:
        """Runs to the end and prints the tables; True if nothing is lost, orphaned or wrong."""
        self._sounds.mkdir(parents=True)
        raise_file_limit()
        settings = {"AUDIOSEARCH_KEYRING": str(self._keyring()), **self._options.settings}
        with kept(self._work, settings, real=False) as (ours, self._keepers):
            self._ours = ours
            with AudiosearchClient(ours.target, TIMEOUT, self._keys[OTHERS]) as self._client:
                stored = self._fill()
                voices = self._storm(stored)
                wait_until_serving(ours, self._keepers)
                self.say("everything runs again; checking")
                wrong = self._check(voices)
        show(self._console, self.seen)
        self.found = verdict(self._console, wrong, self.ledgers.values())
        return not self.found.total()

    def _keyring(self) -> Path:
        path = self._work / "keys"
        for name, grants in {
            OTHERS: {"*": Right.manage},
            GREEDY: {LIBRARIES[GREEDY]: Right.write},
        }.items():
            key, self._keys[name] = api_key.make(name.replace(" ", "-"), grants)
            key_file.change(path, lambda known, key=key: known.update({key.id: key}))
        return path

    def _fill(self) -> list[Entry]:
        """Makes the libraries, and clips in the one that is going to be harmed."""
        for name in LIBRARIES.values():
            request = CreateLibraryRequest(library_id=name)
            self._client.call(self._client.stubs.libraries.CreateLibrary, request)
        stored = [self.ledgers[HARMED].new(self._sounds) for _ in range(self._options.filled)]
        for entry in stored:
            entry.clip = self._client.upload(LIBRARIES[HARMED], entry.path).clip.name
            entry.fate = Fate.STORED
        sounds.near_silence(self._sounds / "hour.flac", 60)
        return stored

    # Clients

    def _common(self, callers: str, seed: int, pause: float) -> tuple[object, ...]:
        ledger, key = self.ledgers[callers], self._keys.get(callers, self._keys[OTHERS])
        return self._ours.target, LIBRARIES[callers], ledger, seed, pause, key, TIMEOUT

    def _storm(self, stored: list[Entry]) -> Enroller:
        """Lets clients work through all phases; the client that knows the speakers."""
        folders = {name: self._sounds / LIBRARIES[name] for name in LIBRARIES}
        for each in folders.values():
            each.mkdir()
        count, pause = self._options.clients, PAUSE_SECONDS * self._options.clients
        enroller = Enroller(*self._common(OTHERS, 0, 2 * pause), folder=folders[OTHERS])
        importer = Importer(
            *self._common(OTHERS, 1, 10 * pause), folder=folders[OTHERS], files=8, most=20
        )
        watchers = [
            Uploader(*self._common(HARMED, seed, pause / 3), folder=folders[HARMED], may_lack=True)
            for seed in range(2, 2 + max(1, count // 8))
        ]
        for number, watcher in enumerate(watchers):
            watcher.stored.extend(stored[number :: len(watchers)])
        uploaders = [
            Uploader(*self._common(OTHERS, seed, pause), folder=folders[OTHERS])
            for seed in range(2 + len(watchers), count)
        ]
        prober = Prober(self._ours.target, "", self.ledgers[HEALTH], 0, 0.5)
        clients = [enroller, importer, *watchers, *uploaders, prober]
        spans = list[Span]()
        for client in clients:
            client.start()
        try:
            for phase in self._options.phases:
                spans.append(self._weather(phase))
        finally:
            self._end(clients)
        self._look(spans)
        return enroller

    def _end(self, clients: list[Client]) -> None:
        for client in clients:
            client.stopping.set()
        until = time.monotonic() + END_SECONDS
        for client in clients:
            client.join(max(0.0, until - time.monotonic()))
            if client.is_alive():
                client.ledger.violate(f"a call of {type(client).__name__} does not end")

    # Phases

    def _weather(self, phase: str) -> Span:
        """One phase, until all is whole again."""
        self.say(f"{phase} begins")
        begin, note = time.monotonic(), ""
        harm, _, service = phase.partition(" ")
        with self._harms()[harm](service):
            if harm in AT_ONCE:
                note = self._wait_until_whole(phase, lost=harm in {"damaged", "lost"})
            time.sleep(max(0.0, begin + self._options.seconds - time.monotonic()))
        if harm in LASTING:
            note = self._wait_until_whole(phase, lost=False)
        time.sleep(min(LULL_SECONDS, self._options.seconds / 5))  # for calls under way
        return Span(phase, begin, time.monotonic(), note)

    def _look(self, spans: list[Span]) -> None:
        """Notes what was seen in each phase, once all calls are over."""
        for span in spans:
            for callers, ledger in self.ledgers.items():
                row = Seen.of(span.phase, callers, ledger.calls, span.begin, span.end)
                if row.outcomes:
                    row.note = span.note if callers == OTHERS else ""
                    self.seen.append(row)

    def _harms(self) -> dict[str, Callable[[str], contextlib.AbstractContextManager[None]]]:
        return {
            "calm": lambda _: contextlib.nullcontext(),
            "greedy": self._greedy,
            "kill": self._kill,
            "hang": self._hang,
            "damaged": self._damaged,
            "lost": self._lost,
            "strangers": self._strangers,
        }

    @contextlib.contextmanager
    def _greedy(self, _: str) -> Iterator[None]:
        crowd = [
            Greedy(*self._common(GREEDY, seed, 0.02), hour=self._sounds / "hour.flac")
            for seed in range(self._options.clients)
        ]
        for each in crowd:
            each.start()
        yield
        for each in crowd:
            each.cut()
        for each in crowd:
            each.join(END_SECONDS)

    @contextlib.contextmanager
    def _kill(self, service: str) -> Iterator[None]:
        self._keepers[service].order_kill()
        yield

    @contextlib.contextmanager
    def _hang(self, service: str) -> Iterator[None]:
        pid = self._ours.pid(service)
        send_signal(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def _damaged(self, _: str) -> Iterator[None]:
        """Empties a file of one library, as a power cut does, and starts the index anew."""
        store = self._ours.data_dir / "index"
        name = f"audiosearch_{self._windows(self._library())}"
        send_signal(self._ours.pid("index"), signal.SIGSTOP)
        (store / "milvus.db" / "collections" / name / "schema.json").write_bytes(b"")
        self._keepers["index"].order_kill()
        yield
        if not list(store.glob("*.damaged-*")):
            self.ledgers[HARMED].violate("the damaged library was not set aside")

    @contextlib.contextmanager
    def _lost(self, _: str) -> Iterator[None]:
        library = self._library()
        with self._index() as index:
            for index_id in (self._windows(library), f"{library.uid}_c{library.generation}"):
                index.DropIndex(DropIndexRequest(index_id=index_id), timeout=TIMEOUT)
        yield

    @contextlib.contextmanager
    def _strangers(self, _: str) -> Iterator[None]:
        crowd = Strangers(self._ours.target, self._ours.addresses.rest_target)
        crowd.start()
        yield
        crowd.finish()
        self.say(f"strangers opened {crowd.opened} sockets and streams")

    # Wholeness

    def _wait_until_whole(self, phase: str, *, lost: bool) -> str:
        """Waits until all runs, clients are connected and no index lacks anything; a remark."""
        begin = time.monotonic()
        while not self._whole(lost=lost):
            if any(keeper.failure for keeper in self._keepers.values()):
                wait_until_serving(self._ours, self._keepers)  # raises the failure
            if time.monotonic() > begin + WHOLE_SECONDS:
                self.ledgers[OTHERS].violate(f"not whole {WHOLE_SECONDS:.0f} s after: {phase}")
                return "not whole"
            time.sleep(0.1)
        return f"whole after {time.monotonic() - begin:.0f} s"

    def _whole(self, *, lost: bool) -> bool:
        if not all(keeper.up.is_set() for keeper in self._keepers.values()):
            return False
        if health(self._ours.target) != health_pb2.HealthCheckResponse.SERVING:
            return False
        asked = self.ledgers[HEALTH].calls
        if not asked or asked[-1].outcome != DONE:
            return False
        try:
            return not lost or self._filled()
        except (ServiceError, grpc.RpcError):
            return False

    def _filled(self) -> bool:
        """The harmed library has at least one vector for each clip that was acknowledged."""
        library, stored = self._library(), len(self.ledgers[HARMED].with_fate(Fate.STORED))
        if library.HasField("index_state"):
            return False
        with self._index() as index:
            request = GetIndexStatsRequest(index_id=self._windows(library))
            return index.GetIndexStats(request, timeout=TIMEOUT).vector_count >= stored

    def _library(self) -> Library:
        request = GetLibraryRequest(name=f"libraries/{LIBRARIES[HARMED]}")
        return self._client.call(self._client.stubs.libraries.GetLibrary, request)

    def _windows(self, library: Library) -> str:
        return f"{library.uid}_w{library.generation}"

    @contextlib.contextmanager
    def _index(self) -> Iterator[IndexServiceStub]:
        with grpc.insecure_channel(self._ours.addresses.target("index")) as channel:
            yield IndexServiceStub(channel)

    def _check(self, enroller: Enroller) -> Counter[str]:
        """The number of wrong items by check, in all libraries."""
        index, wrong = self._ours.addresses.target("index"), Counter[str]()
        for callers, name in LIBRARIES.items():
            voices = enroller.voices if callers == OTHERS else []
            ledger = self.ledgers[callers]
            checks = Checks(self._client, index, name, ledger, voices, self.say)
            seconds = 2.0 * self._options.call_seconds + 30
            if callers == GREEDY:
                checks.run_on_stores(seconds)
            else:
                checks.run(seconds)
            wrong += checks.wrong
        return wrong


def run(options: Options, *, keep: bool) -> bool:
    """Runs in a folder that is removed at the end, unless it is to be kept or something broke."""
    with folder("storm", keep=keep) as made:
        made.right = Storm(made.path, options, made.console).run()
    return made.right
