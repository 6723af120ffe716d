"""Two clips laid beside each other: is the one, or the most of it, in the other?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]

MISSING = 0.72
"""Score of a pair of windows that is below LEAST or not among the nearest.

Two windows of a voice saying something else score 0.65 on average, and 0.77 if the bundled model
was trained on it.
"""

LEAST = 0.75
"""Lowest score of a pair of windows that is looked at."""

COVERED = 0.5
"""Share of the shorter clip that must lie beside the other clip."""

ONE = 0.985
"""Score from which one window of a voice is taken for the same recording.

One window has nothing beside it to compare with. Two short clips of a voice score 0.91 at most in
38 pairs, but two strokes of a knife 0.984. Copies in Opus score 0.994 and more, every second one in
Vorbis reaches the limit.
"""

SOUNDS = 0.98
"""Score from which windows are taken for the same recording by a model of sounds."""

CONTRAST = 0.5
"""Distance of windows on the line, at most, as a share of the distance of windows beside it.

A voice that only hums is alike everywhere. A copy is closer than that.
"""

_BESIDE = 4
"""Hops to each side of the line that are beside it."""

_FEW = 12
"""Windows up to which a change of speed stays within half a hop."""
_SPEEDS = (1.0, 0.985, 1.015, 0.97, 1.03, 0.955, 1.045)
_TRIED = 8
"""Places at which the shorter clip is laid, those of the highest scores."""
_ROUNDING = 2e-3


@dataclass(frozen=True)
class Near:
    """Windows of another clip that are near to those of a clip."""

    rows: NDArray[np.int64]
    """Number of the clip's window."""
    places: Times
    """Start of the other clip's window, in seconds."""
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """The place of a clip in another one."""

    score: float
    """Mean of the windows that lie beside each other."""
    count: int
    """Number of these windows."""
    start: float
    """Begin of the stretch in the clip, in seconds."""
    end: float
    offset: float
    """Start in the other clip less the start in the clip."""
    beside: float = 1.0
    """Mean distance of the windows beside the line that share no sound; 1 if there are none."""


def least(count: int) -> float:
    """The score from which so many windows are taken for the same recording.

    The more windows, the less likely all of them are alike by chance.
    """
    return 0.79 + 0.135 / math.sqrt(count)


def likely(best: Mapping[int, float], count: int) -> bool:
    """Returns False if no alignment can be the same recording.

    Args:
        best: The best score of each of the clip's windows in the other clip.
        count: Number of the clip's windows.
    """
    part = math.ceil(COVERED * count)
    scores = sorted(best.values(), reverse=True)[:part]
    return sum(scores) + (part - len(scores)) * MISSING >= part * least(count)


def lay(
    length: float, place: float, other: float, score: float, least: float = ONE
) -> Alignment | None:
    """Lays a clip beside a window of another clip, if one of both clips is a single window.

    Args:
        length: Length of the clip, in seconds.
        place: Start of the other clip's window.
        other: Length of that window.
        score: Score of the pair.
        least: Score from which they are the same recording.

    Returns:
        None if they are not the same recording, as far as one window can tell.
    """
    if score < least:
        return None
    return Alignment(score, 1, 0.0, length, place + (other - length) / 2)


def align(starts: Times, window: float, hop: float, other: float, near: Near) -> Alignment | None:
    """Lays a clip of several windows beside a clip of several that lasts `other` seconds.

    Returns:
        The best alignment; None if they are not the same recording.
    """
    best: Alignment | None = None
    seen = set[int]()
    for seed in np.argsort(-near.scores, kind="stable").tolist():
        place, row = float(near.places[seed]), int(near.rows[seed])
        diagonal = round(2 * (place - starts[row]) / hop)
        if diagonal in seen:
            continue
        seen.add(diagonal)
        for speed in _SPEEDS if len(starts) > _FEW else _SPEEDS[:1]:
            line = place + speed * (starts - starts[row])
            found = _along(starts, line, window, hop, other, near)
            if found and (best is None or found.score > best.score):
                best = found
        if len(seen) == _TRIED:
            break
    same = best and best.score >= least(best.count) and 1 - best.score <= CONTRAST * best.beside
    return best if same else None


def _along(
    starts: Times, line: Times, window: float, hop: float, other: float, near: Near
) -> Alignment | None:
    """The alignment in which the windows lie at `line` in the other clip."""
    half = hop / 2 + _ROUNDING
    beside = (line >= -half) & (line <= other - window + half)
    if not beside.any():
        return None
    start, end = float(starts[beside][0]), float(starts[beside][-1]) + window
    if end - start < COVERED * (float(starts[-1]) + window - float(starts[0])):
        return None
    away = near.places - line[near.rows]
    on = (np.abs(away) <= half) & beside[near.rows]
    scores = np.full(len(starts), MISSING)
    np.maximum.at(scores, near.rows[on], near.scores[on])
    around = (np.abs(away) <= hop) & beside[near.rows]
    weights = (near.scores[around] - MISSING) ** 2
    offsets = near.places[around] - starts[near.rows[around]]
    offset = float(np.average(offsets, weights=weights))
    far = np.abs(away)
    elsewhere = (far >= window - _ROUNDING) & (far < window + _BESIDE * hop) & beside[near.rows]
    # Places to each side of the line, in hops, that share no sound with the one on it.
    before = line[beside] / hop - window / hop + 1
    after = (other - window) / hop - line[beside] / hop - window / hop + 1
    count = float(np.clip([before, after], 0, _BESIDE).sum())
    distances = count * (1 - MISSING) - float((near.scores[elsewhere] - MISSING).sum())
    return Alignment(
        float(scores[beside].mean()),
        int(beside.sum()),
        start,
        end,
        offset,
        max(0.0, distances / count) if count >= 1 else 1.0,
    )
