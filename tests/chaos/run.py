"""One run: start the stack, let clients work, kill, let it settle, check, report."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path

from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest
from audiosearch_client.client import AudiosearchClient
from rich.console import Console

from tests.chaos.checks import Checks
from tests.chaos.clients import Client, Importer, Migrator, Uploader
from tests.chaos.ledger import DONE, Ledger
from tests.chaos.processes import UP_SECONDS, Keeper
from tests.chaos.report import report
from tests.chaos.stack import folder, kept, wait_until_serving
from tests.chaos.voices import Enroller, Voice
from tools.servers.services import Services

LIBRARY = "chaos"
SHARES = {"gateway": 62, "catalog": 62, "index": 40, "embedding": 14, "milvus": 11, "mysql": 11}
"""Of 200 kills; a Milvus server takes the longest to come back."""

MOST_DOWN = 2
"""Processes that are down at a time: with more, no client would get anything done."""

QUIET_SECONDS = 4.0
CALM_SECONDS = 20.0
CALM_EVERY = 10
"""Longest pause between two kills, and between so many and the next."""


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
        with kept(self._work, real=self._options.real) as (ours, self.keepers):
            return self._run(ours)

    def _run(self, ours: Services) -> bool:
        with AudiosearchClient(ours.target, 20) as client:
            client.call(
                client.stubs.libraries.CreateLibrary, CreateLibraryRequest(library_id=LIBRARY)
            )
            self.say(f"{len(self.keepers)} processes are up; killing begins")
            voices = self._work_and_kill(ours.target)
            wait_until_serving(ours, self.keepers)
            self.say("everything runs again; checking")
            index = ours.addresses.target("index")
            checks = Checks(client, index, LIBRARY, self.ledger, voices, self.say)
            checks.run(120)
        return report(self._console, self.keepers, self.ledger, checks)

    def _clients(self, target: str) -> list[Client]:
        sounds, kills = self._work / "sounds", self._options.kills
        uploaders = [
            Uploader(target, LIBRARY, self.ledger, number, 0.4, folder=sounds / "uploads")
            for number in range(3)
        ]
        importer = Importer(
            *(target, LIBRARY, self.ledger, 9, 4), folder=sounds, files=8, most=max(2, kills // 8)
        )
        return [*uploaders, importer]

    def _work_and_kill(self, target: str) -> list[Voice]:
        """Lets clients work while processes are killed; whom they enrolled."""
        uploads = self._work / "sounds" / "uploads"
        enroller = Enroller(target, LIBRARY, self.ledger, 17, 0.6, folder=uploads)
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
    with folder("chaos", keep=options.keep) as made:
        made.right = Run(made.path, options, made.console).run()
    return made.right
