"""Hits joined to stretches, their coverage, and the time offset of the same recording."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.search.query import timed
from gateway.search.segments import EDGE, MARGIN, Hits, Windows, covered, stretches, time_offset

WINDOW, HOP = 3.0, 1.5


def windows(duration: float) -> Windows:
    """The windows of a recording, the last of which ends with it."""
    starts = list(np.arange(0, duration - WINDOW + 1e-9, HOP))
    if starts[-1] + WINDOW < duration:
        starts.append(duration - WINDOW)
    return timed(starts, [start + WINDOW for start in starts], (0.0, duration))


def whole(duration: float) -> Windows:
    """A recording of one window."""
    return timed([0.0], [duration], (0.0, duration))


def spans(
    query: Windows, clip: Windows, pairs: list[tuple[int, int, float]]
) -> list[tuple[float, ...]]:
    """The stretches, in seconds."""
    return [
        (part.start, part.end, part.query_start, part.query_end, part.score)
        for part in stretches(query, clip, Hits.of(pairs))
    ]


def test_neighboring_hits_are_one_stretch() -> None:
    """A short voice in a long recording is heard in three windows of it."""
    pairs = [(0, 48, 0.9), (0, 49, 0.85), (0, 50, 0.9), (0, 51, 0.5)]
    assert spans(whole(5), windows(144), pairs) == [(72, 78, 0, 5, 0.9)]


def test_a_window_that_only_just_is_alike_holds_the_begin_of_the_voice() -> None:
    """The stretch begins within it, and ends within the last one."""
    pairs = [(0, 48, 0.9 - MARGIN), (0, 49, 0.9), (0, 50, 0.9 - MARGIN / 2)]
    (found,) = spans(whole(5), windows(144), pairs)
    assert found == pytest.approx((72 + EDGE * HOP, 78 - EDGE * HOP / 2, 0, 5, 0.9))


def test_a_window_that_was_missed_does_not_tear_a_stretch() -> None:
    """The windows on both sides of it touch."""
    pairs = [(0, 10, 0.9), (0, 12, 0.9)]
    assert spans(whole(5), windows(60), pairs) == [(15, 21, 0, 5, 0.9)]


def test_hits_further_away_are_stretches_of_their_own() -> None:
    """The better one first, and what is much worse not at all."""
    pairs = [(0, 5, 0.85), (0, 20, 0.9), (0, 30, 0.9 - MARGIN - 0.01)]
    found = spans(whole(5), windows(60), pairs)
    assert [(start, score) for start, *_, score in found] == [(30, 0.9), (7.5, 0.85)]


def test_a_diagonal_is_one_stretch() -> None:
    """A long query stands in the clip from 30 s on."""
    pairs = [(number, number + 20, 0.95) for number in range(7)]
    assert spans(windows(12), windows(60), pairs) == [(30, 42, 0, 12, 0.95)]


def test_a_thinned_query_moves_on_by_two_windows_of_the_clip() -> None:
    """Windows of the query that don't overlap are neighbors too."""
    query = timed([0, 3, 6], [3, 6, 9], (0.0, 9.0))
    pairs = [(number, 2 * number + 20, 0.95) for number in range(3)]
    assert spans(query, windows(60), pairs) == [(30, 39, 0, 9, 0.95)]


def test_a_stretch_within_a_better_one_is_dropped() -> None:
    """Two far parts of the query are like one part of the clip; one of them counts."""
    pairs = [(0, 20, 0.95), (1, 21, 0.95), (6, 20, 0.9)]
    assert spans(windows(12), windows(60), pairs) == [(30, 34.5, 0, 4.5, 0.95)]


def test_no_hits_are_no_stretch() -> None:
    """And no offset."""
    assert spans(whole(5), windows(60), []) == []
    assert time_offset(whole(5), windows(60), Hits.of([])) is None


def test_many_hits_are_joined_in_bounded_time() -> None:
    """Two hours against two hours, where all is like all."""
    query, clip = windows(300), windows(7200)
    number = len(query.starts)
    pairs = [(row, column, 0.9) for row in range(number) for column in range(1000)]
    (found,) = spans(query, clip, pairs)
    assert found[4] == 0.9


@pytest.mark.parametrize(
    ("parts", "share"),
    [([], 0), ([(10, 20)], 0.1), ([(10, 30), (20, 40)], 0.3), ([(0, 60), (40, 110)], 1)],
)
def test_coverage_counts_each_second_once(parts: list[tuple[float, float]], share: float) -> None:
    """Parts overlap, and may go beyond the end by a rounding."""
    assert covered(windows(100), parts) == pytest.approx(share)


def test_coverage_is_of_the_part_that_was_searched_with() -> None:
    """A range of the query begins later than its recording."""
    part = timed([30.0], [35.0], (30.0, 40.0))
    assert covered(part, [(30.0, 35.0)]) == pytest.approx(0.5)


def test_the_same_recording_tells_its_offset() -> None:
    """The query begins 30 s into the clip; other hits don't matter."""
    pairs = [(number, number + 20, 0.97) for number in range(7)] + [(3, 2, 0.89), (1, 30, 0.6)]
    assert time_offset(windows(12), windows(60), Hits.of(pairs)) == pytest.approx(30)


def test_a_query_that_begins_before_the_clip_has_a_negative_offset() -> None:
    """Its first windows have no hit."""
    pairs = [(number + 3, number, 0.97) for number in range(5)]
    assert time_offset(windows(13.5), windows(9), Hits.of(pairs)) == pytest.approx(-4.5)


@pytest.mark.parametrize(
    "pairs",
    [
        [(number, number + 20, 0.8) for number in range(7)],
        [(number, 30 - 3 * number, 0.97) for number in range(7)],
        [(number, number + 20, 0.97) for number in range(3)],
    ],
    ids=["the same voice only", "many diagonals", "less than half of the query"],
)
def test_what_is_not_the_same_recording_has_no_offset(pairs: list[tuple[int, int, float]]) -> None:
    """Likeness alone is no offset."""
    assert time_offset(windows(12), windows(60), Hits.of(pairs)) is None


def test_one_window_of_another_length_tells_no_offset() -> None:
    """5 s are like 3 s of them, but not at one place."""
    assert time_offset(whole(5), windows(60), Hits.of([(0, 20, 0.95)])) is None
    assert time_offset(whole(5), whole(5), Hits.of([(0, 0, 1.0)])) == 0
