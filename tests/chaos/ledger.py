"""The requests of clients and their answers: the truth that the stores are compared with."""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from tests.chaos import sounds

DONE = "acknowledged"


class Fate(Enum):
    """The outcome of a sound as its client knows it."""

    UNKNOWN = "unknown"
    """Asked for, but no answer came: it may be there or not, and nothing in between."""
    STORED = "stored"
    """Acknowledged: it must be there."""
    LEAVING = "leaving"
    """Its deletion was asked for, and no answer came."""
    DELETED = "deleted"
    """Its deletion was acknowledged: it must not be there, nor come back."""


@dataclass
class Entry:
    """One sound, known by its content."""

    path: Path
    sha256: str
    fate: Fate = Fate.UNKNOWN
    clip: str = ""
    """Name of the clip; empty while none is known, as for sounds of an import."""


@dataclass
class Job:
    """One import of a folder, whose sounds are in no other place."""

    folder: Path
    entries: list[Entry]
    operation: str = ""
    """Empty until it was acknowledged."""


class Call(NamedTuple):
    """One call of a client, begun at a time of the monotonic clock."""

    began: float
    seconds: float
    outcome: str


@dataclass
class Ledger:
    """Entries and counts of all clients; any thread may write."""

    folder: Path
    seed: int
    entries: list[Entry] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Number of each operation (`upload`) with each outcome (`acknowledged`, or a reason)."""
    calls: list[Call] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def new(self, folder: Path) -> Entry:
        """Writes a new sound into a folder and enters it."""
        path = sounds.write(folder, next(self._numbers), self.seed)
        entry = Entry(path, hashlib.sha256(path.read_bytes()).hexdigest())
        with self._lock:
            self.entries.append(entry)
        return entry

    def count(self, operation: str, outcome: str, seconds: float | None = None) -> None:
        """Counts an outcome of an operation; of a call that has just ended, also its seconds."""
        with self._lock:
            self.counts[operation, outcome] += 1
            if seconds is not None:
                self.calls.append(Call(time.monotonic() - seconds, seconds, outcome))

    def acknowledged(self) -> Counter[str]:
        """Returns the number of acknowledged calls of each operation so far."""
        with self._lock:
            told = [
                (name, count) for (name, answer), count in self.counts.items() if answer == DONE
            ]
        return Counter(dict(told))

    def violate(self, what: str) -> None:
        """Notes that something promised did not hold."""
        with self._lock:
            self.violations.append(what)

    def with_fate(self, fate: Fate) -> list[Entry]:
        """All entries of one fate."""
        return [entry for entry in self.entries if entry.fate is fate]
