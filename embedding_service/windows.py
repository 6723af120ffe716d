"""Cuts a stream of samples into windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SECOND_NS = 10**9


@dataclass(frozen=True)
class Window:
    """A piece of a stream.

    Attributes:
        start: Number of its first sample.
        samples: Mono float32, shape (n,).
    """

    start: int
    samples: NDArray[np.float32]

    @property
    def end(self) -> int:
        """Number of the sample after its last."""
        return self.start + len(self.samples)


class Cutter:
    """Cuts a stream into windows. Holds the samples of one window, however long the stream is.

    Window number n starts at n hops. Each start is rounded to the nearest sample separately, so
    that rounding errors do not add up.
    """

    def __init__(self, sample_rate: int, window_ns: int, hop_ns: int) -> None:
        """Takes the sample rate in Hz, and window and hop in ns, at least one sample long."""
        self._rate = sample_rate
        self._hop_ns = hop_ns
        self._buffer = np.empty(_samples(window_ns, sample_rate), np.float32)
        self._filled = 0
        self._skip = 0
        self._number = 0
        self._start = 0
        self._covered = 0
        self._seen = 0

    def add(self, samples: NDArray[np.float32]) -> Iterator[Window]:
        """Takes the next samples, mono, shape (n,), and yields the windows that they fill."""
        while len(samples):
            used = self._skipped(samples) if self._skip else self._copied(samples)
            samples = samples[used:]
            self._seen += used
            if self._filled == len(self._buffer):
                window = Window(self._start, self._buffer.copy())
                self._advance()
                yield window

    def finish(self) -> Window | None:
        """Returns the last, shorter window, if it holds samples that were in no other."""
        if self._seen <= max(self._start, self._covered):
            return None
        return Window(self._start, self._buffer[: self._filled].copy())

    def _skipped(self, samples: NDArray[np.float32]) -> int:
        count = min(self._skip, len(samples))
        self._skip -= count
        return count

    def _copied(self, samples: NDArray[np.float32]) -> int:
        count = min(len(self._buffer) - self._filled, len(samples))
        self._buffer[self._filled : self._filled + count] = samples[:count]
        self._filled += count
        return count

    def _advance(self) -> None:
        self._number += 1
        size, last = len(self._buffer), self._start
        self._start = _samples(self._number * self._hop_ns, self._rate)
        self._covered = last + size
        step = self._start - last
        self._filled = max(size - step, 0)
        self._skip = max(step - size, 0)
        self._buffer[: self._filled] = self._buffer[size - self._filled :]


def _samples(nanoseconds: int, sample_rate: int) -> int:
    """Returns the nearest number of samples, computed in integers to be exact at any length."""
    return (2 * nanoseconds * sample_rate + SECOND_NS) // (2 * SECOND_NS)
