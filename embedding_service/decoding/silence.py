"""Silence is left out: digital zeros, a switching bit, and what lies far below a clip's own level.

The network hears silence as a voice of its own, which pulls every vector towards it: with one
second of zeros after five seconds of speech the cosine to the speech alone is 0.77. So frames of
10 ms, the features' hop, are judged one by one, and silent ones never reach the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedding_service.decoding.framing import Framing

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME_SECONDS = 0.01
FLOOR_DBFS = -85.0
"""Level at or below which every frame is silent: one bit of 16, switching, is at -92.

A higher floor would take the soft parts of quiet recordings for silence.
"""

BELOW_LOUD_DB = 55.0
"""Distance below a clip's loud frames from which a frame is silent."""

_LOUD_PERCENTILE = 95
"""Percentile of the audible frames' levels that is called loud."""

LEAST_SECONDS = 0.1
"""Least length that is kept of a clip that has as much: around its audible frames."""

_LOWEST_DBFS = -130.0


@dataclass(frozen=True)
class Sound:
    """Tells of each frame of a recording if it sounds, where the samples stay on their time line.

    Attributes:
        audible: If it is kept, as `Frames.audible` tells; of speech alone, if only that is wanted.
        loud: If it is kept and not below the silence limit.
        length: Samples of a frame; the last one may be shorter.
    """

    audible: NDArray[np.bool_]
    loud: NDArray[np.bool_]
    length: int

    def count(self, start: int, end: int) -> int:
        """Gives the number of audible samples among those from number start to end (exclusive)."""
        return int(np.count_nonzero(self._mask(start, end)))

    def is_loud(self, start: int, end: int) -> bool:
        """Returns True if a frame that begins or ends between two samples is loud."""
        return bool(self.loud[start // self.length : -(-end // self.length)].any())

    def of(self, start: int, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Gives the audible ones of samples, shape (n,), that begin with number start."""
        return samples[self._mask(start, start + len(samples))]

    def _mask(self, start: int, end: int) -> NDArray[np.bool_]:
        first = start // self.length
        frames = self.audible[first : -(-end // self.length)]
        skipped = start - first * self.length
        return np.repeat(frames, self.length)[skipped : skipped + end - start]


class Frames:
    """The frames of a clip, judged when all of its samples have streamed by."""

    def __init__(self, sample_rate: int) -> None:
        """Takes the sample rate in Hz."""
        self._framing = Framing(sample_rate, FRAME_SECONDS)
        self.length = self._framing.length
        self.seconds = self.length / sample_rate
        """Length of a frame."""
        self._levels: list[NDArray[np.float32]] = []

    def add(self, samples: NDArray[np.float32]) -> None:
        """Takes the next samples, mono, shape (n,)."""
        self._measure(self._framing.add(samples))

    def finish(self) -> None:
        """Takes what is left, as one short frame."""
        self._measure(self._framing.finish())

    def audible(self) -> NDArray[np.bool_]:
        """Tells for each frame if it is kept; all are False where none is audible.

        A frame's level is that of its spread around its mean: a constant offset is no sound. If
        less than LEAST_SECONDS is audible, the frames beside are kept too.
        """
        levels = self._all_levels()
        kept = levels > FLOOR_DBFS
        if not kept.any():
            return kept
        loud = float(np.percentile(levels[kept], _LOUD_PERCENTILE))
        kept &= levels > loud - BELOW_LOUD_DB
        least = min(round(LEAST_SECONDS / FRAME_SECONDS), len(kept))
        while np.count_nonzero(kept) < least:
            kept[1:] |= kept[:-1]
            kept[:-1] |= kept[1:]
        return kept

    def sound(self, kept: NDArray[np.bool_], limit_dbfs: float) -> Sound:
        """Tells which of the frames that are kept are loud: at or above the limit, in dBFS."""
        return Sound(kept, kept & (self._all_levels() >= limit_dbfs), self.length)

    def _all_levels(self) -> NDArray[np.float32]:
        return np.concatenate([*self._levels, np.zeros(0, np.float32)])

    def _measure(self, frames: NDArray[np.float32]) -> None:
        power = np.maximum(frames.astype(np.float64).var(axis=1), 10 ** (_LOWEST_DBFS / 10))
        self._levels.append((10 * np.log10(power)).astype(np.float32))


def audible(samples: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Gives a clip or a window without its silent frames.

    Args:
        samples: Mono, shape (n,).
        sample_rate: Hz.

    Returns:
        The audible frames one after the other, shape (m,), m <= n: the samples themselves where all
        are audible, nothing where none is.
    """
    frames = Frames(sample_rate)
    frames.add(samples)
    frames.finish()
    return kept_samples(samples, frames.audible(), frames.length)


def kept_samples(
    samples: NDArray[np.float32], kept: NDArray[np.bool_], length: int
) -> NDArray[np.float32]:
    """Gives the samples of the frames that are kept.

    Args:
        samples: Mono, shape (n,), beginning with a frame.
        kept: Tells of each of their frames if it is kept, shape (ceil(n / length),).
        length: Samples of a frame; the last one may be shorter.
    """
    return samples if kept.all() else samples[np.repeat(kept, length)[: len(samples)]]
