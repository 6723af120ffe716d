"""Clips of one window laid beside the windows of longer ones."""

from __future__ import annotations

import numpy as np
import pytest

from scoring import short_cuts
from scoring.diagonals import MISSING, Alignment
from scoring.short_cuts import lay, places, starts, unknown

WINDOW, HOP, WIDE = 3.0, 1.5, 64
GRAIN = 0.25
"""Seconds of a grain of sound: a vector is the mean of the grains that it covers."""


def grains(length: float, seed: int) -> np.ndarray:
    """A recording of one voice: each grain is partly alike."""
    draw = np.random.default_rng(seed)
    count = round(length / GRAIN)
    return 0.6 * draw.standard_normal(WIDE) + draw.standard_normal((count, WIDE))


def heard(sound: np.ndarray, start: float, end: float) -> np.ndarray:
    """The vector of a part."""
    mean = sound[round(start / GRAIN) : round(end / GRAIN)].mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def found(clip: np.ndarray, length: float, other: np.ndarray, total: float) -> list[Alignment]:
    """The places of a clip in another one."""
    begins = starts(total, WINDOW, HOP)
    windows = np.array([heard(other, begin, begin + WINDOW) for begin in begins])
    vector = heard(clip, 0, length)
    laid = [
        lay(length, WINDOW, begins, place, vector, windows[place.first : place.last + 1])
        for place in places(length, WINDOW, HOP, windows @ vector)
    ]
    return [one for one in laid if one]


@pytest.mark.parametrize(
    ("length", "begin"), [(3.0, 6.0), (3.0, 0.0), (4.5, 3.0), (4.5, 9.0), (6.0, 1.5), (5.0, 1.5)]
)
def test_a_cut_is_found_where_it_was_cut(length: float, begin: float) -> None:
    """By one window, or by several that cover it."""
    total = 13.5
    sound = grains(total, 1)
    cut = sound[round(begin / GRAIN) : round((begin + length) / GRAIN)]
    best = max(found(cut, length, sound, total), key=lambda one: one.score)
    assert best.offset == pytest.approx(begin, abs=HOP / 2)
    assert (best.start, best.end) == (0, length)
    assert best.score >= short_cuts.CUT


def test_other_sound_of_the_same_kind_is_no_cut() -> None:
    """It is alike everywhere and nowhere more."""
    sound = grains(30, 2)
    assert not found(sound[:20], 5.0, sound[40:], 20.0)


def test_what_is_alike_everywhere_is_no_cut() -> None:
    """A voice that only hums comes near the score, but not only there."""
    scores = np.full(19, 0.95)
    (place, *_) = places(3.0, WINDOW, HOP, scores)
    assert place.beside == pytest.approx(0.05)
    vector, other = np.zeros((2, 8))
    vector[0], other[:2] = 1, (0.95, (1 - 0.95**2) ** 0.5)
    begins = starts(30, WINDOW, HOP)
    assert lay(3.0, WINDOW, begins, place, vector, other[np.newaxis]) is None
    alone = np.full(19, MISSING)
    alone[9] = 0.95
    (place, *_) = places(3.0, WINDOW, HOP, alone)
    assert lay(3.0, WINDOW, begins, place, vector, other[np.newaxis])


def test_less_than_a_window_must_be_more_alike() -> None:
    """A second of sound says little."""
    scores = np.full(19, MISSING)
    scores[9] = 0.97
    (place, *_) = places(1.0, WINDOW, HOP, scores)
    vector, other = np.zeros((2, 8))
    vector[0], other[:2] = 1, (0.97, (1 - 0.97**2) ** 0.5)
    begins = starts(30, WINDOW, HOP)
    assert lay(1.0, WINDOW, begins, place, vector, other[np.newaxis]) is None
    assert lay(3.0, WINDOW, begins, place, vector, other[np.newaxis])


def test_nothing_near_is_no_place() -> None:
    """Unknown windows count as other words of the voice."""
    assert places(5.0, WINDOW, HOP, unknown(12)) == []
    assert places(5.0, WINDOW, HOP, unknown(1)) == []


@pytest.mark.parametrize(
    ("length", "expected"),
    [(6.0, [0, 1.5, 3.0]), (7.0, [0, 1.5, 3.0, 4.0]), (3.0, [0]), (2.0, [0])],
)
def test_the_last_window_ends_with_the_clip(length: float, expected: list[float]) -> None:
    """The others begin a hop apart."""
    assert starts(length, WINDOW, HOP) == pytest.approx(expected)
