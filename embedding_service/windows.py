"""Windows of audio: the rule that they follow, and the cutting of streams and of recordings."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SECOND_NS = 10**9
_TAIL_NS = SECOND_NS // 1000
"""Least time between two windows: their starts in milliseconds name them."""


@dataclass(frozen=True)
class Rule:
    """A rule by which recordings are cut into windows; all times in ns.

    Attributes:
        window: Length of a window.
        hop: Time between the starts of neighbouring windows.
        single: A recording up to this length is one window, whatever `window` is.
    """

    window: int
    hop: int
    single: int

    def spans(self, samples: int, sample_rate: int) -> Iterator[tuple[int, int]]:
        """Yields the first sample of each window of a recording, and the one after its last.

        Window number n starts at n hops, and the last one ends with the recording. A window that
        would start less than a millisecond before the last one is left out.
        """
        size = to_samples(self.window, sample_rate)
        if samples <= max(size, to_samples(self.single, sample_rate)):
            yield 0, samples
            return
        last = samples - size
        for number in itertools.count():
            start = to_samples(number * self.hop, sample_rate)
            if start > last - to_samples(_TAIL_NS, sample_rate):
                break
            yield start, start + size
        yield last, samples


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
        self._buffer = np.empty(to_samples(window_ns, sample_rate), np.float32)
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
        self._start = to_samples(self._number * self._hop_ns, self._rate)
        self._covered = last + size
        step = self._start - last
        self._filled = max(size - step, 0)
        self._skip = max(step - size, 0)
        self._buffer[: self._filled] = self._buffer[size - self._filled :]


def to_samples(nanoseconds: int, sample_rate: int) -> int:
    """Returns the nearest number of samples, computed in integers to be exact at any length."""
    return (2 * nanoseconds * sample_rate + SECOND_NS) // (2 * SECOND_NS)
