"""The rate of a long run, and the time that the rest will take."""

from __future__ import annotations

import time
from collections import deque

WINDOW_SECONDS = 60.0
SAMPLE_SECONDS = 1.0


class Rate:
    """The rate of the last minute.

    A mean since the start would promise too early an end, because files that the library already
    has are skipped much faster than the others are imported. The estimate of rich is no
    better: it looks at the last 1,000 updates, ten seconds of skipping 100 files a second.
    """

    def __init__(self, now: float | None = None) -> None:
        """Starts at zero. Times are in seconds of the monotonic clock."""
        self._samples = deque([(time.monotonic() if now is None else now, 0)])
        self._latest = self._samples[0]

    def update(self, done: int, now: float | None = None) -> None:
        """Records the number done. At most one sample a second is kept."""
        self._latest = (time.monotonic() if now is None else now, done)
        if self._latest[0] - self._samples[-1][0] >= SAMPLE_SECONDS:
            self._samples.append(self._latest)
        while len(self._samples) > 1 and self._samples[1][0] <= self._latest[0] - WINDOW_SECONDS:
            self._samples.popleft()

    @property
    def per_second(self) -> float:
        """The number done in a second, over the last minute or since the start if that is less."""
        (start, before), (end, done) = self._samples[0], self._latest
        return (done - before) / (end - start) if end > start else 0.0

    def left(self, remaining: int) -> float | None:
        """Seconds that the rest takes at this rate; None while the rate is 0."""
        return remaining / self.per_second if self.per_second else None

    def describe(self, total: int, noun: str = "clips") -> str:
        """Rate and time left, for people. `total` is 0 while it is not known."""
        seconds = self.left(max(total - self._latest[1], 0)) if total else None
        left = (
            "" if not total else f", {span(seconds)} left" if seconds is not None else ", stalled"
        )
        return f"{self.per_second:.1f} {noun}/s{left}"


def span(seconds: float) -> str:
    """A duration for people: `41 s`, `12 min 05 s`, `7 h 30 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
