"""One run: send inputs, several at a time, count their ends, and look at the stack afterwards."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from deploy.local_stack import LocalStack
from tests.end_to_end.conftest import start
from tests.end_to_end.guarded import standard_error
from tests.fuzz.kinds import KINDS, make
from tests.fuzz.outcomes import LATE
from tests.fuzz.processes import Processes, Sample
from tests.fuzz.report import Report
from tests.fuzz.target import Target, target

THREADS = 8
BATCH = 200
"""Inputs between two looks at the stack, and at what they have removed."""

WARM = 4
"""Part of the inputs after which the stack counts as warm: one of so many."""


@dataclass(frozen=True)
class Options:
    """The options of a run."""

    inputs: int = 10_000
    seed: int = 1
    seconds: float = 1800.0
    output: Path = Path("build/fuzz")
    """Folder for inputs that failed."""
    first: int = 0
    kinds: tuple[str, ...] = tuple(KINDS)


class Run:
    """A run on a stack whose services keep their temporary files in a folder of their own."""

    def __init__(
        self, stack: LocalStack, temporary: Path, sounds: Path, options: Options, console: Console
    ) -> None:
        """Takes a folder for sounds, which the gateway may import."""
        self.report = Report(options.seed, options.output)
        self._processes = Processes(stack, temporary)
        self._stack = stack
        self._sounds = sounds
        self._options = options
        self._console = console

    def run(self) -> bool:
        """Returns True if nothing was found."""
        with target(self._stack, self._sounds) as made:
            before = warm = self._processes.sample()
            for number, sample in enumerate(self._batches(made), 1):
                if number * BATCH <= max(self._options.inputs // WARM, BATCH):
                    warm = sample
            if not self._processes.ended():
                made.clean()
                if left := made.libraries() ^ made.before:
                    self.report.fault(f"libraries are not as before: {left}")
        for fault in (*self._processes.compare(before, warm), *self._processes.trouble()):
            self.report.fault(fault)
        self.report.show(self._console, before, warm, self._processes.sample())
        self._console.print(f"{self._processes.logged():,} bytes were logged")
        return not self.report.faults

    def _batches(self, made: Target) -> Iterator[Sample]:
        """Sends a batch of inputs after the other; the processes after each."""
        options = self._options
        until = time.monotonic() + options.seconds
        last = options.first + options.inputs
        with ThreadPoolExecutor(THREADS) as pool:
            for start_ in range(options.first, last, BATCH):
                indexes = range(start_, min(start_ + BATCH, last))
                list(pool.map(lambda index: self._one(made, index), indexes))
                if ended := self._processes.ended():
                    self.report.fault(f"by input {indexes[-1]}: {ended} ended")
                    return
                made.restore()
                yield self._processes.sample()
                if time.monotonic() > until:
                    self._console.print(f"the time is up after {indexes[-1] + 1 - options.first}")
                    return

    def _one(self, made: Target, index: int) -> None:
        kind, sent = make(self._options.seed, index, made, self._options.kinds)
        begun = time.monotonic()
        outcome = sent.send()
        spent = time.monotonic() - begun
        if spent > sent.seconds + LATE:
            self.report.fault(f"input {index}, {sent.what}: ended {spent:.0f} s after its begin")
        self.report.note(index, kind, sent, outcome, spent)


def run(options: Options) -> bool:
    """Runs on a stack of its own, and says what was found."""
    console = Console(width=120, highlight=False)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        base = Path(folder)
        temporary = base / "temporary"
        temporary.mkdir()
        log = base / "log"
        with standard_error(log), start(base, TMPDIR=str(temporary)) as running:
            right = Run(running.stack, temporary, running.imports, options, console).run()
        if not right:
            options.output.mkdir(parents=True, exist_ok=True)
            (options.output / f"{options.seed}.log").write_bytes(log.read_bytes())
    return right
