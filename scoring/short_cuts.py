"""A clip of one window laid beside the windows of a longer clip.

The vector of a few seconds is near the mean of the vectors of the windows that cover them, and
nearer than to each. Other words of the voice are not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.diagonals import CONTRAST, MISSING, ONE, Alignment

Values = NDArray[np.float64]

CUT = 0.94
"""Score from which a clip is taken for a cut out of the windows that cover it.

Cuts of 4.5 s score 0.97 on average, and 95 of 100 reach 0.948. Other words of the same voice score
0.75 on average, and 0.881 at most in 810 pairs. If the bundled model was trained on the voice, they
score 0.83 on average, and 0.946 at most in 2,648 pairs.
"""

LIKELY = 0.84
"""Mean score of single windows from which it is worth to look at their vectors."""

_TRIED = 2
"""Places in one clip that are looked at."""

_BESIDE = 4
"""Windows to each side of a place that are beside it."""

_SHORT = 0.9
"""Share of a window below which a clip says too little, and is held against ONE."""

_ROUNDING = 2e-3


@dataclass(frozen=True)
class Place:
    """Neighboring windows of the longer clip that together cover as much as the shorter one."""

    first: int
    last: int
    score: float
    """Mean score of the windows for themselves."""
    beside: float
    """Mean distance of the windows beside them that share no sound; 1 if there are none."""


def starts(length: float, window: float, hop: float) -> Values:
    """Starts of the windows of a clip, in seconds; the last one ends with it."""
    last = max(0.0, length - window)
    regular = hop * np.arange(math.ceil(last / hop + 1))
    return np.append(regular[regular < last - _ROUNDING], last)


def places(length: float, window: float, hop: float, scores: Values) -> list[Place]:
    """The places where a clip of that length may lie in another one, the likeliest first.

    Args:
        length: Length of the clip, in seconds.
        window: Length of a window.
        hop: Time between neighbors.
        scores: Of the clip with each window of the other one; MISSING where none is known.
    """
    count = min(len(scores), 1 + max(0, math.ceil((length - window) / hop - _ROUNDING)))
    means = np.convolve(scores, np.full(count, 1 / count), "valid")
    apart = math.ceil(window / hop - _ROUNDING)
    found = []
    for first in np.argsort(-means, kind="stable")[:_TRIED].tolist():
        if means[first] < LIKELY:
            break
        last = first + count - 1
        before = scores[max(0, first - apart - _BESIDE + 1) : max(0, first - apart + 1)]
        beside = 1 - np.concatenate([before, scores[last + apart : last + apart + _BESIDE]])
        distance = float(beside.mean()) if len(beside) else 1.0
        found.append(Place(first, last, float(means[first]), distance))
    return found


def lay(
    length: float, window: float, begins: Values, place: Place, vector: Values, windows: Values
) -> Alignment | None:
    """Lays a clip beside a place in another one; None if it is no cut of it.

    Args:
        length: Length of the clip, in seconds.
        window: Length of a window.
        begins: Starts of all windows of the other clip.
        place: The place.
        vector: Of the clip, of unit length.
        windows: Vectors of the windows of the place, shape (n, dimension).
    """
    mean = windows.mean(axis=0)
    score = float(vector @ mean) / max(float(np.linalg.norm(mean)), 1e-6)
    least = ONE if length < _SHORT * window else CUT
    if score < least or 1 - score > CONTRAST * place.beside:
        return None
    start, end = float(begins[place.first]), float(begins[place.last]) + window
    # Its middle lies in the middle of the place.
    offset = start + (end - start - length) / 2
    return Alignment(min(score, 1.0), len(windows), 0.0, length, offset, place.beside)


def unknown(count: int) -> Values:
    """Scores of so many windows, none of them known."""
    return np.full(count, MISSING)
