"""Progress of a long run: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from typing_extensions import Self

from audiosearch_cli.rate import Rate

LINE_SECONDS = 60.0


class Shown:
    """Shows progress on standard error. Use it as a context manager."""

    def __init__(
        self, word: str = "importing", noun: str = "clips", *, quiet: bool = False
    ) -> None:
        """Shows nothing if `quiet`."""
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn(word),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._lines = not quiet and not console.is_terminal
        self._word, self._noun = word, noun
        self._task = self._bar.add_task("", total=None, rate="")
        self._rate = Rate()
        self._next_line = time.monotonic() + LINE_SECONDS

    def __enter__(self) -> Self:
        """Returns itself."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the last state on the terminal."""
        self._bar.stop()

    def update(self, job: ImportJob) -> None:
        """Shows the counts of an import."""
        state = job.progress
        self.show(state.imported + state.existing + state.failed, state.total)

    def show(self, done: int, total: int) -> None:
        """Shows the number done. `total` is 0 while it is not known."""
        self._rate.update(done)
        rate = self._rate.describe(total, self._noun)
        self._bar.update(self._task, total=total or None, completed=done, rate=rate)
        if self._lines and time.monotonic() >= self._next_line:
            self._next_line += LINE_SECONDS
            sys.stderr.write(f"{self._word} {done:,} of {total:,}, {rate}\n")
