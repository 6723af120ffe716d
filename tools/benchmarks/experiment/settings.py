"""Settings of the benchmark."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

DEMO_ROWS = 650_000
DEMO_LISTS = 16_384
DEMO_PROBES = 16
"""Lists of the earlier demo's IVF_SQ8 index, and the number of them that a search reads."""

K = 10
CALLERS = 16
CLIP_SECONDS = 5


class Part(str, Enum):
    """A part that can be measured by itself."""

    search = "search"
    embedding = "embedding"
    end_to_end = "end-to-end"
    ingest = "ingest"
    growth = "growth"
    segments = "segments"


class Stores(str, Enum):
    """The stores of vectors and rows."""

    servers = "servers"
    embedded = "embedded"


@dataclass(frozen=True)
class Settings:
    """Settings that affect the figures. A stopped run continues only with equal settings."""

    rows: int = DEMO_ROWS
    queries: int = 10_000
    stores: str = "servers"
    quick: bool = False

    @classmethod
    def chosen(cls, rows: int | None, stores: str, *, quick: bool) -> Settings:
        """Returns the settings of a run. A quick one has 5,000 rows by default."""
        rows = rows or (5_000 if quick else DEMO_ROWS)
        return cls(rows, 200 if quick else 10_000, stores, quick)

    def to_json(self) -> dict[str, Any]:
        """Returns the settings for benchmark.json."""
        return asdict(self)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Sizes at which growth is measured: 10,000, 100,000 and 650,000, scaled to `rows`."""
        return self.rows * 10 // 650, self.rows * 100 // 650, self.rows

    @property
    def lists(self) -> int:
        """Lists of the demo's index, each with as many vectors as in the demo."""
        return max(1, self.rows * DEMO_LISTS // DEMO_ROWS)

    @property
    def singles(self) -> int:
        """Queries that are also sent alone, one a call, and timed."""
        return 50 if self.quick else 1000

    @property
    def searches(self) -> int:
        """Number of searches end to end of one client."""
        return 10 if self.quick else 100

    @property
    def clips(self) -> int:
        """Number of clips that are imported to measure the rate."""
        return 24 if self.quick else 400

    @property
    def sample(self) -> int:
        """Number of rows and vectors that are added to measure the rate."""
        return 500 if self.quick else 10_000

    @property
    def long_seconds(self) -> int:
        """Length of a long recording, in seconds."""
        return 20 if self.quick else 300

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths of the clips for the encoder, in seconds."""
        return (1,) if self.quick else (1, 5, 20)

    @property
    def repeats(self) -> int:
        """Number of runs for a median."""
        return 2 if self.quick else 3


@dataclass(frozen=True)
class Options:
    """One run of the benchmark."""

    settings: Settings
    parts: tuple[str, ...]
    output: Path
    store: Path
    """Folder of the filled stores that are kept for later runs."""
