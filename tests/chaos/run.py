"""One run: start the stack, let clients work, kill, let it settle, check, report."""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest
from audiosearch_client.client import AudiosearchClient
from grpc_health.v1 import health_pb2
from rich.console import Console

from deploy.local_stack import SERVICES
from tests.chaos.checks import Checks
from tests.chaos.clients import Client, Importer, Migrator, Uploader
from tests.chaos.ledger import DONE, Ledger
from tests.chaos.processes import (
    UP_SECONDS,
    Keeper,
    MilvusProcess,
    MysqlProcess,
    Process,
    ServiceProcess,
    Services,
    health,
    services,
)
from tests.chaos.report import report
from tests.chaos.voices import Enroller, Voice
from tests.conftest import REPOSITORY
from tools.servers.milvus_server import MilvusServer
from tools.servers.mysql_server import running as running_mysql
from tools.servers.stores import settings_for

LIBRARY = "chaos"
SHARES = {"gateway": 62, "catalog": 62, "index": 40, "embedding": 14, "milvus": 11, "mysql": 11}
"""Of 200 kills; a Milvus server takes the longest to come back."""

MOST_DOWN = 2
"""Processes that are down at a time: with more, no client would get anything done."""

QUIET_SECONDS = 4.0
CALM_SECONDS = 20.0
CALM_EVERY = 10
"""Longest pause between two kills, and between so many and the next."""

SETTINGS = {
    "AUDIOSEARCH_OFFLINE": "1",
    "AUDIOSEARCH_LOG_LEVEL": "info",
    "AUDIOSEARCH_ENCODER_CACHE": str(REPOSITORY / ".cache" / "encoder"),
    "AUDIOSEARCH_MAX_CALL_SECONDS": "12",
    "AUDIOSEARCH_UPSTREAM_SECONDS": "10",
    "AUDIOSEARCH_STALE_SECONDS": "15",
    "AUDIOSEARCH_RECONCILE_SECONDS": "2",
    "AUDIOSEARCH_SWEEP_SECONDS": "5",
}


@dataclass(frozen=True)
class Options:
    """The options of a run."""

    kills: int = 200
    seed: int = 1
    seconds: float = 1800.0
    """Longest the killing may take; what is left of the kills is then not done."""
    real: bool = True
    keep: bool = False
    """Keep the folder with data and logs."""


@contextlib.contextmanager
def processes(work: Path, options: Options) -> Iterator[tuple[Services, dict[str, Process]]]:
    """The four services and, if asked for, two real servers: none but MySQL runs yet."""
    settings = {
        **SETTINGS,
        "AUDIOSEARCH_IMPORT_ROOTS": str(work / "sounds"),
        "PPSPEECH_HOME": str(work / "none"),
    }
    with contextlib.ExitStack() as stack:
        servers: dict[str, Process] = {}
        if options.real:
            milvus, mysql = MilvusServer(work / "milvus"), stack.enter_context(running_mysql())
            servers = {"mysql": MysqlProcess(mysql), "milvus": MilvusProcess(milvus)}
            settings |= settings_for(milvus, mysql)
        ours = services(work / "data", settings)
        yield ours, servers | {name: ServiceProcess(ours, name) for name in SERVICES}


class Run:
    """One run in a folder of its own."""

    def __init__(self, work: Path, options: Options, console: Console) -> None:
        """Keeps everything below `work`."""
        self.ledger = Ledger(work / "sounds", options.seed)
        self.keepers: dict[str, Keeper] = {}
        self._work = work
        self._options = options
        self._console = console
        self._random = random.Random(options.seed)
        self._began = time.monotonic()

    def say(self, what: str) -> None:
        """Prints a line with the seconds since the start."""
        self._console.print(f"{time.monotonic() - self._began:6.0f} s  {what}")

    def run(self) -> bool:
        """Runs to the end and prints the report; True if all that was promised held."""
        (self._work / "sounds" / "uploads").mkdir(parents=True)
        with processes(self._work, self._options) as (ours, each):
            self.keepers = {name: Keeper(name, process) for name, process in each.items()}
            try:
                return self._run(ours)
            finally:
                for keeper in reversed(self.keepers.values()):
                    if keeper.is_alive() or keeper.up.is_set():
                        keeper.finish()

    def _run(self, ours: Services) -> bool:
        for keeper in self.keepers.values():
            keeper.start()
        self._wait_until_serving(ours)
        with AudiosearchClient(ours.target, 20) as client:
            client.call(
                client.stubs.libraries.CreateLibrary, CreateLibraryRequest(library_id=LIBRARY)
            )
            self.say(f"{len(self.keepers)} processes are up; killing begins")
            voices = self._work_and_kill(ours.target)
            self._wait_until_serving(ours)
            self.say("everything runs again; checking")
            index = ours.addresses.target("index")
            checks = Checks(client, index, LIBRARY, self.ledger, voices, self.say)
            checks.run(120)
        return report(self._console, self.keepers, self.ledger, checks)

    def _wait_until_serving(self, ours: Services) -> None:
        until = time.monotonic() + 180
        while health(ours.target) != health_pb2.HealthCheckResponse.SERVING:
            for keeper in self.keepers.values():
                if keeper.failure:
                    raise RuntimeError(f"{keeper.what} can't be kept") from keeper.failure
            if time.monotonic() > until:
                down = [name for name, keeper in self.keepers.items() if not keeper.up.is_set()]
                state = {name: health(ours.addresses.target(name)) for name in SERVICES}
                raise RuntimeError(f"the gateway is not SERVING; not up: {down}; health: {state}")
            time.sleep(0.2)

    def _clients(self, target: str) -> list[Client]:
        folder, kills = self._work / "sounds", self._options.kills
        uploaders = [
            Uploader(target, LIBRARY, self.ledger, number, 0.4, folder=folder / "uploads")
            for number in range(3)
        ]
        importer = Importer(
            *(target, LIBRARY, self.ledger, 9, 4), folder=folder, files=8, most=max(2, kills // 8)
        )
        return [*uploaders, importer]

    def _work_and_kill(self, target: str) -> list[Voice]:
        """Lets clients work while processes are killed; whom they enrolled."""
        folder = self._work / "sounds" / "uploads"
        enroller = Enroller(target, LIBRARY, self.ledger, 17, 0.6, folder=folder)
        migrator = Migrator(target, LIBRARY, self.ledger, 23, 10.0)
        clients = [*self._clients(target), enroller, migrator]
        for client in clients:
            client.start()
        try:
            self._kill_all()
            self._wait_for_an_upload()
        finally:
            for client in clients:
                client.stopping.set()
            for client in clients:
                client.join(120)
        return enroller.voices

    def _kill_all(self) -> None:
        until = time.monotonic() + self._options.seconds
        left = self._order()
        while left and time.monotonic() < until:
            name = next(filter(self._may_be_killed, left), None)
            if name is None:
                time.sleep(0.05)
                continue
            left.remove(name)
            self.keepers[name].order_kill()
            done = self._options.kills - len(left)
            if done % 10 == 0:
                self.say(f"{done} kills, {self._so_far()}")
            self._pause(done)
        if left:
            self.say(f"the time is up; {len(left)} kills were not done")

    def _wait_for_an_upload(self) -> None:
        """Lets clients get on where the machine was too slow for them between kills."""
        until = time.monotonic() + UP_SECONDS
        while not self.ledger.counts["upload", DONE] and time.monotonic() < until:
            time.sleep(0.1)

    def _pause(self, done: int) -> None:
        """Lets clients get on: a little every other time, and after ten kills until all are up."""
        calm = done % CALM_EVERY == 0
        seconds = CALM_SECONDS if calm else self._random.choice([0, QUIET_SECONDS])
        limit, before = time.monotonic() + seconds, self.ledger.acknowledged().total()
        while time.monotonic() < limit:
            up = not calm or all(keeper.up.is_set() for keeper in self.keepers.values())
            if up and self.ledger.acknowledged().total() >= before + 4:
                break
            time.sleep(0.05)
        time.sleep(self._random.uniform(0.0, 1.0))

    def _may_be_killed(self, name: str) -> bool:
        if self.keepers[name].failure:
            raise RuntimeError(f"{name} can't be kept") from self.keepers[name].failure
        down = sum(not keeper.up.is_set() for keeper in self.keepers.values())
        return self.keepers[name].up.is_set() and down < MOST_DOWN

    def _order(self) -> list[str]:
        """Returns the processes to kill, in random order: each gets its share of the whole."""
        shares = {name: SHARES[name] for name in self.keepers}
        whole, kills = sum(shares.values()), self._options.kills
        names = [name for name in shares for _ in range(max(1, shares[name] * kills // whole))]
        names += self._random.choices(list(shares)[-4:], k=max(0, kills - len(names)))
        self._random.shuffle(names)
        return names

    def _so_far(self) -> str:
        done = dict(sorted(self.ledger.acknowledged().items()))
        return f"acknowledged {done}, {len(self.ledger.violations)} violations"


def run(options: Options) -> bool:
    """Runs in a folder that is removed at the end, unless it is to be kept or something broke."""
    work = Path(tempfile.mkdtemp(prefix="chaos-"))
    console, right = Console(width=110, highlight=False), False
    try:
        right = Run(work, options, console).run()
    finally:
        if right and not options.keep:
            shutil.rmtree(work, ignore_errors=True)
        else:
            console.print(f"data and logs are in {work}")
    return right
