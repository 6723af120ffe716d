"""Speech of a recording: stretches that are surely speech, and a margin around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

from embedding_service.decoding.silence import LEAST_SECONDS
from embedding_service.speech.detector import PIECE_SECONDS, RATE, Detector
from embedding_service.speech.weights import read_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

BEGINS = 0.5
"""Probability that a piece of a stretch of speech must reach."""

GOES_ON = 0.25
"""Probability above which a stretch goes on before and after such a piece."""

MARGIN_SECONDS = 0.2
"""Sound that is kept beside a stretch: soft ends of words, and the pauses between them.

With 0.1 s, clean cuts of 2 s lose more than with 0.2 s, and cuts in noise gain no more.
"""

SURE = 0.85
"""Probability of one piece by which a recording has speech. Music often has 0.5, seldom this."""

SURE_SHARE = 0.3
"""Share of a recording in stretches by which it has speech, too: a digit may have no surer sign."""


class Activity:
    """Finds the speech of a recording of which all samples have streamed by.

    A number is held for each piece of 32 ms: two hours are 1 MB.
    """

    def __init__(self, sample_rate: int) -> None:
        """Takes the sample rate in Hz.

        Raises:
            SpeechModelError: As `read_weights`.
        """
        same = sample_rate == RATE
        self._resampler = None if same else soxr.ResampleStream(sample_rate, RATE, 1, "float32")
        self._detector = Detector(read_weights())
        self._parts: list[NDArray[np.float32]] = []

    def add(self, samples: NDArray[np.float32]) -> None:
        """Takes the next samples, mono, shape (n,)."""
        self._take(samples, last=False)

    def finish(self) -> None:
        """Takes what is left."""
        if self._resampler is not None:
            self._take(np.zeros(0, np.float32), last=True)
        self._parts.append(self._detector.finish())

    def among(self, audible: NDArray[np.bool_], seconds: float) -> NDArray[np.bool_] | None:
        """Tells of each frame of a recording if it is audible speech.

        Args:
            audible: Tells of each frame if it is audible, shape (n,).
            seconds: Length of a frame.

        Returns:
            Shape (n,); None if the recording has no speech, or less than LEAST_SECONDS.
        """
        kept = audible & self._spoken(len(audible), seconds)
        return kept if np.count_nonzero(kept) * seconds > LEAST_SECONDS - seconds / 2 else None

    def _spoken(self, count: int, seconds: float) -> NDArray[np.bool_]:
        probabilities = np.concatenate([*self._parts, np.zeros(0, np.float32)])
        stretches = _stretches(probabilities)
        spoken = np.zeros(count, np.bool_)
        total = sum(end - start for start, end in stretches) * PIECE_SECONDS
        sure = probabilities.max(initial=0) >= SURE or total >= SURE_SHARE * count * seconds
        for start, end in stretches if sure else ():
            first = max(round((start * PIECE_SECONDS - MARGIN_SECONDS) / seconds), 0)
            spoken[first : round((end * PIECE_SECONDS + MARGIN_SECONDS) / seconds)] = True
        return spoken

    def _take(self, samples: NDArray[np.float32], *, last: bool) -> None:
        resampler = self._resampler
        heard = resampler.resample_chunk(samples, last=last) if resampler else samples
        self._parts.append(self._detector.add(heard))


def _stretches(probabilities: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Gives the first piece of each stretch of speech, and the one after its last."""
    going = np.concatenate([[False], probabilities >= GOES_ON, [False]])
    edges = np.flatnonzero(going[1:] != going[:-1]).reshape(-1, 2)
    return [
        (int(start), int(end)) for start, end in edges if probabilities[start:end].max() >= BEGINS
    ]
