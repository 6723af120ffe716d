"""Cuts one part out of streamed samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedding_service.decoding.readers import AudioError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ROUNDING_SECONDS = 0.1
"""Most by which a part may end beyond the audio: lengths are rounded where people choose parts."""


@dataclass(frozen=True)
class Part:
    """A part of a recording.

    Attributes:
        start: Its start in seconds, at least 0.
        end: Its end in seconds, after the start; None for that of the recording.
    """

    start: float = 0.0
    end: float | None = None


WHOLE = Part()


class Cut:
    """Lets the samples of a part through."""

    def __init__(self, part: Part, sample_rate: int) -> None:
        """Takes the part, and the sample rate in Hz."""
        self._part = part
        self._rate = sample_rate
        self._start = round(part.start * sample_rate)
        self._end = None if part.end is None else round(part.end * sample_rate)
        self._seen = 0

    @property
    def full(self) -> bool:
        """True if all samples of the part have come."""
        return self._end is not None and self._seen >= self._end

    def take(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Takes the next samples of the recording, shape (n,), and gives those of the part."""
        before = self._seen
        self._seen += len(samples)
        end = None if self._end is None else max(self._end - before, 0)
        return samples[max(self._start - before, 0) : end]

    def seconds(self, whole: float) -> float:
        """Gives the length of the part in a recording that was decoded so far.

        Args:
            whole: Length of what was decoded, in seconds.

        Raises:
            AudioError: FIELD_INVALID: the part is not within the recording.
        """
        if self._part == WHOLE:
            return whole
        start, end = self._part.start, self._part.end
        if start >= whole or (end is not None and end - whole > _ROUNDING_SECONDS):
            raise AudioError(
                "FIELD_INVALID",
                f"config.range must lie within the audio, which is {whole:.6g} s long: it begins "
                f"at {start:g} s" + ("" if end is None else f" and ends at {end:g} s"),
            )
        last = self._seen if self._end is None else min(self._end, self._seen)
        return max(last - self._start, 0) / self._rate
