"""Imports of folders, with their progress."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from audiosearch.catalog.v1.import_job_pb2 import ImportJob

from audiosearch_client.results.view import View, last, table


@dataclass(frozen=True)
class FailedFile:
    """A file that could not be imported."""

    path: str
    """Relative to the folder."""

    reason: str
    """Such as `AUDIO_UNDECODABLE`."""

    problem: str
    """The same in a sentence."""


class Import(View[ImportJob]):
    """The import of a folder as it is now. In a notebook it is a bar."""

    def __init__(self, message: ImportJob, operation: str = "") -> None:
        """Shows a job; `operation` is the name that calls take, if the server works on it."""
        super().__init__(message)
        self.operation = operation

    @property
    def library(self) -> str:
        """The short name of its library."""
        return last(self.message.library)

    @property
    def folder(self) -> str:
        """The folder, as the side that reads it knows it."""
        return self.message.folder

    @property
    def state(self) -> str:
        """`running`, `succeeded`, `failed` or `cancelled`."""
        return ImportJob.State.Name(self.message.state).removeprefix("STATE_").lower()

    @property
    def done(self) -> bool:
        """True once it is over."""
        return self.message.state not in {ImportJob.STATE_RUNNING, ImportJob.STATE_UNSPECIFIED}

    @property
    def total(self) -> int:
        """Audio files found; 0 until they are counted."""
        return self.message.progress.total

    @property
    def imported(self) -> int:
        """Files that became clips."""
        return self.message.progress.imported

    @property
    def existing(self) -> int:
        """Files whose bytes the library had already."""
        return self.message.progress.existing

    @property
    def failed(self) -> int:
        """Files that could not be imported."""
        return self.message.progress.failed

    @property
    def failures(self) -> list[FailedFile]:
        """The first of those."""
        return [
            FailedFile(each.path, each.failure.reason, each.failure.message)
            for each in self.message.failures
        ]

    @property
    def passed_over(self) -> dict[str, int]:
        """Files that are no audio, by their kind."""
        return dict(self.message.progress.passed_over)

    @property
    def share(self) -> float:
        """The share that is done, from 0 to 1."""
        if self.done:
            return 1.0
        tried = self.imported + self.existing + self.failed
        return min(tried / self.total, 1.0) if self.total else 0.0

    def _told(self) -> Iterator[str]:
        yield repr(self.library)
        yield self.state
        counts = ((self.imported, "imported"), (self.existing, "there already"))
        yield from (f"{count:,} {word}" for count, word in counts)
        yield f"{self.failed:,} failed, of {self.total:,}"

    def _repr_html_(self) -> str:
        bar = f"<progress max='1' value='{self.share:.3f}'></progress> "
        shown = bar + escape(", ".join(self._told()))
        if not self.failures:
            return shown
        rows = [(each.path, each.reason, each.problem) for each in self.failures]
        return shown + table(("file", "reason", "problem"), rows)
