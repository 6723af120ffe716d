"""Clips laid beside each other by the scores of their windows."""

from __future__ import annotations

import numpy as np
import pytest

from scoring import diagonals
from scoring.diagonals import Alignment, Near, align, lay, least, likely

WINDOW, HOP = 3.0, 1.5


def starts(length: float) -> np.ndarray:
    """Starts of the windows of a clip; the last one ends with it."""
    regular = np.arange(0, length - WINDOW, HOP)
    return np.append(regular, length - WINDOW)


def alike(
    length: float, other: float, begin: float, speed: float = 1.0, score: float = 0.99
) -> Near:
    """Hits of a clip that begins so late in the other one: less alike, the further apart."""
    mine, theirs = starts(length), starts(other)
    away = np.abs(theirs[None, :] - (begin + speed * mine[:, None]))
    scores = score - 0.1 * away
    rows, columns = np.nonzero(scores >= diagonals.LEAST)
    return Near(rows, theirs[columns], scores[rows, columns])


def laid(length: float, other: float, near: Near) -> Alignment | None:
    """The alignment of clips of these lengths."""
    return align(starts(length), WINDOW, HOP, other, near)


@pytest.mark.parametrize("begin", [0.0, 1.5, 4.7, 5.25])
def test_a_cut_is_found_where_it_was_cut(begin: float) -> None:
    """Also between the windows of the other clip."""
    found = laid(12.0, 30.0, alike(12.0, 30.0, begin))
    assert found
    assert found.offset == pytest.approx(begin, abs=0.3)
    assert (found.start, found.end) == (0.0, 12.0)
    assert found.score > 0.9


def test_a_clip_that_begins_earlier_has_a_negative_offset() -> None:
    """The stretch is the part that both have."""
    found = laid(12.0, 30.0, alike(12.0, 30.0, -4.5))
    assert found
    assert found.offset == pytest.approx(-4.5, abs=0.3)
    assert (found.start, found.end) == pytest.approx((4.5, 12.0), abs=0.8)


def test_less_than_half_in_common_is_not_the_same() -> None:
    """Two recordings with one jingle are two."""
    assert laid(12.0, 30.0, alike(12.0, 30.0, -7.5)) is None


def test_a_minute_that_is_faster_stays_on_its_line() -> None:
    """3 % are more than a window by then."""
    found = laid(120.0, 130.0, alike(120.0, 130.0, 0.0, speed=1.03))
    assert found
    assert found.score > 0.9


def test_a_voice_that_only_hums_is_no_copy_of_itself() -> None:
    """All its windows are alike; those of a copy are closer still."""
    rows, columns = np.nonzero(np.ones((20, 20)))
    apart = Near(rows, starts(31.5)[columns], np.full(400, 0.97))
    assert laid(31.5, 31.5, apart) is None
    scores = np.where(rows == columns, 0.995, 0.97)
    assert laid(31.5, 31.5, Near(rows, starts(31.5)[columns], scores))


def test_the_same_voice_saying_something_else_is_not_the_same() -> None:
    """Alike here and there, on no diagonal."""
    random = np.random.default_rng(0)
    scores = np.clip(random.normal(0.71, 0.065, (20, 20)), 0, 0.905)
    rows, columns = np.nonzero(scores >= diagonals.LEAST)
    near = Near(rows, starts(31.5)[columns], scores[rows, columns])
    assert laid(31.5, 31.5, near) is None


def test_more_windows_need_a_lower_score() -> None:
    """Because so many of them are not alike by chance."""
    assert [least(count) for count in (2, 9, 100)] == pytest.approx(
        [0.885, 0.835, 0.8035], abs=1e-3
    )


def test_a_clip_that_cannot_lie_in_another_is_told_at_once() -> None:
    """By the best score of each window, half of which must be good."""
    assert likely(dict.fromkeys(range(5), 0.95), 10)
    assert not likely(dict.fromkeys(range(3), 0.88), 10)


def test_single_windows_are_judged_by_their_score() -> None:
    """The middle of one lies in the middle of the other."""
    assert lay(4.0, 0.0, 4.05, 0.97) is None
    assert lay(4.0, 0.0, 4.0, 0.985)
    found = lay(5.0, 6.0, WINDOW, 0.99)
    assert found
    assert (found.offset, found.start, found.end) == (5.0, 0.0, 5.0)
