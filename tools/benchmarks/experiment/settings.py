"""What is measured, and how much of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

DEMO_ROWS = 650_000
DEMO_LISTS = 16_384
DEMO_PROBES = 16
"""The earlier demo's index: IVF_SQ8 with so many lists, of which so many are searched."""

K = 10
CALLERS = 16
CLIP_SECONDS = 5


@dataclass(frozen=True)
class Settings:
    """What decides the figures; a run goes on where one with the same settings stopped."""

    rows: int = DEMO_ROWS
    queries: int = 10_000
    stores: str = "servers"
    quick: bool = False

    @classmethod
    def chosen(cls, rows: int | None, stores: str, *, quick: bool) -> Settings:
        """The settings of a run; a quick one has 5,000 rows unless told otherwise."""
        rows = rows or (5_000 if quick else DEMO_ROWS)
        return cls(rows, 200 if quick else 10_000, stores, quick)

    def to_json(self) -> dict[str, Any]:
        """As benchmark.json holds them."""
        return asdict(self)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Sizes at which growth is measured: 10,000, 100,000 and 650,000, or in proportion."""
        return self.rows * 10 // 650, self.rows * 100 // 650, self.rows

    @property
    def lists(self) -> int:
        """Lists of the demo's index, with as many vectors in each as in the demo's."""
        return max(1, self.rows * DEMO_LISTS // DEMO_ROWS)

    @property
    def singles(self) -> int:
        """Queries that are also sent one a call, to take the time of each."""
        return 50 if self.quick else 1000

    @property
    def searches(self) -> int:
        """Searches end to end, of one client."""
        return 10 if self.quick else 100

    @property
    def clips(self) -> int:
        """Clips that are imported to take the rate."""
        return 24 if self.quick else 400

    @property
    def lengths(self) -> tuple[int, ...]:
        """Seconds of the clips that the encoder is measured with."""
        return (1,) if self.quick else (1, 5, 20)

    @property
    def repeats(self) -> int:
        """Runs of which the median is taken."""
        return 2 if self.quick else 3


@dataclass(frozen=True)
class Options:
    """One run of the benchmark."""

    settings: Settings
    parts: tuple[str, ...]
    output: Path
