"""Hits joined to stretches, their coverage, and the time offset of the same recording."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.search.query import timed
from scoring.segments import (
    BELOW,
    MARGIN,
    OTHER,
    Hits,
    Windows,
    aligned,
    covered,
    placed,
    stretches,
)

WINDOW, HOP = 3.0, 1.5
OUT = HOP * MARGIN / BELOW
"""Way from a window that is as alike as the best to the line, if nothing beside it is alike."""
SLACK = OTHER * WINDOW - OUT
"""Way of the edge of a stretch into such a window."""


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


def offset(query: Windows, clip: Windows, pairs: list[tuple[int, int, float]]) -> float | None:
    """The offset of the alignment; None if there is none."""
    found = aligned(query, clip, Hits.of(pairs))
    return None if found is None else found.offset


def test_neighboring_hits_are_one_stretch() -> None:
    """A short voice in a long recording is heard in three windows of it."""
    pairs = [(0, 48, 0.9), (0, 49, 0.85), (0, 50, 0.9), (0, 51, 0.5)]
    (found,) = spans(whole(5), windows(144), pairs)
    assert found == pytest.approx((72 + SLACK, 78 - SLACK, 0, 5, 0.9))


@pytest.mark.parametrize("lacking", [0.19, 0.25, 0.36, 0.5])
def test_a_window_that_is_less_alike_moves_the_edge(lacking: float) -> None:
    """The more of the voice it holds, the earlier the voice begins, and the later it ends."""
    pairs = [(0, 47, 0.9 - lacking), (0, 48, 0.9), (0, 49, 0.9), (0, 50, 0.9 - lacking)]
    (found,) = spans(whole(5), windows(144), pairs)
    out = HOP * MARGIN / min(lacking, BELOW)
    expected = (72 + OTHER * WINDOW - out, 76.5 - OTHER * WINDOW + out, 0, 5, 0.9)
    assert found == pytest.approx(expected)


def test_a_window_on_the_line_is_the_outermost() -> None:
    """It holds so much else that it scores MARGIN less."""
    pairs = [(0, 48, 0.9 - MARGIN + 1e-9), (0, 49, 0.9), (0, 50, 0.9)]
    (found,) = spans(whole(5), windows(144), pairs)
    assert found[0] == pytest.approx(72 + OTHER * WINDOW, abs=1e-3)


def test_a_recording_has_no_edge_beyond_its_own() -> None:
    """Nor is there anything beside its first and last window."""
    pairs = [(0, number, 0.9) for number in range(len(windows(9).starts))]
    assert spans(whole(5), windows(9), pairs) == [(0, 9, 0, 5, 0.9)]


def test_two_recordings_of_one_window_are_one_stretch_as_wholes() -> None:
    """However little they are alike. One window of a longer recording has an edge."""
    assert spans(whole(2.0), whole(3.0), [(0, 0, 0.2)]) == [(0.0, 3.0, 0.0, 2.0, 0.2)]
    part = timed([0.0], [WINDOW], (0.0, 60.0))
    ((_, end, *_),) = spans(whole(2.0), part, [(0, 0, 0.2)])
    assert end < WINDOW


def test_a_window_that_was_missed_does_not_tear_a_stretch() -> None:
    """The windows on both sides of it touch."""
    pairs = [(0, 10, 0.9), (0, 12, 0.9)]
    (found,) = spans(whole(5), windows(60), pairs)
    assert found == pytest.approx((15 + SLACK, 21 - SLACK, 0, 5, 0.9))


def test_hits_further_away_are_stretches_of_their_own() -> None:
    """The better one first, and what is much worse not at all."""
    pairs = [(0, 5, 0.85), (0, 20, 0.9), (0, 30, 0.9 - MARGIN - 0.01)]
    found = spans(whole(5), windows(60), pairs)
    assert [score for *_, score in found] == [0.9, 0.85]
    assert [start for start, *_ in found] == pytest.approx([30 + SLACK, 7.5 + SLACK])


def test_a_diagonal_is_one_stretch() -> None:
    """A long query stands in the clip from 30 s on."""
    pairs = [(number, number + 20, 0.95) for number in range(7)]
    (found,) = spans(windows(12), windows(60), pairs)
    assert found == pytest.approx((30 + SLACK, 42 - SLACK, 0, 12, 0.95))


def test_the_same_recording_begins_where_it_does() -> None:
    """Windows that share half of their sound with it, or less, are not in its stretch."""
    query, clip = windows(12), windows(60)
    pairs = [
        (row, row + 20 + off, score)
        for row in range(7)
        for off, score in ((-2, 0.7), (-1, 0.9), (0, 1.0), (1, 0.9), (2, 0.7))
    ]
    hits = Hits.of(pairs)
    rough = stretches(query, clip, hits)
    assert rough[0].start < 29.5
    same = aligned(query, clip, hits)
    assert same is not None
    (found,) = placed(rough, clip, same)
    assert (found.start, found.end, found.score) == pytest.approx((30, 42, 1.0))
    assert (found.query_start, found.query_end) == pytest.approx((0, 12))


def test_an_offset_between_windows_is_told_by_both() -> None:
    """The cut begins half a hop after a window of the recording."""
    pairs = [
        (row, row + column, score)
        for row in range(7)
        for column, score in ((19, 0.8), (20, 0.95), (21, 0.95), (22, 0.8))
    ]
    assert offset(windows(12), windows(60), pairs) == pytest.approx(30.75, abs=HOP / 8)


def test_what_is_alike_everywhere_is_no_place() -> None:
    """A stretch that is longer than the query stays as it is."""
    query, clip = windows(12), windows(60)
    hits = Hits.of(
        (row, column, 1.0 if column - row == 20 else 0.95)
        for row in range(7)
        for column in range(len(clip.starts))
    )
    rough = stretches(query, clip, hits)
    same = aligned(query, clip, hits)
    assert same is not None
    assert placed(rough, clip, same) == rough
    assert (rough[0].start, rough[0].end) == (0, 60)


def test_a_thinned_query_moves_on_by_two_windows_of_the_clip() -> None:
    """Windows of the query that don't overlap are neighbors too."""
    query = timed([0, 3, 6], [3, 6, 9], (0.0, 9.0))
    pairs = [(number, 2 * number + 20, 0.95) for number in range(3)]
    (found,) = spans(query, windows(60), pairs)
    assert found == pytest.approx((30 + SLACK, 39 - SLACK, 0, 9, 0.95))


def test_a_stretch_within_a_better_one_is_dropped() -> None:
    """Two far parts of the query are like one part of the clip; one of them counts."""
    pairs = [(0, 20, 0.95), (1, 21, 0.95), (6, 20, 0.9)]
    (found,) = spans(windows(12), windows(60), pairs)
    assert found == pytest.approx((30 + SLACK, 34.5 - SLACK, 0, 4.5 - SLACK, 0.95))


def test_no_hits_are_no_stretch() -> None:
    """And no offset."""
    assert spans(whole(5), windows(60), []) == []
    assert offset(whole(5), windows(60), []) is None


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
    assert offset(windows(12), windows(60), pairs) == pytest.approx(30)


def test_a_query_that_begins_before_the_clip_has_a_negative_offset() -> None:
    """Its first windows have no hit."""
    pairs = [(number + 3, number, 0.97) for number in range(5)]
    assert offset(windows(13.5), windows(9), pairs) == pytest.approx(-4.5)


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
    assert offset(windows(12), windows(60), pairs) is None


def test_one_window_of_another_length_tells_no_offset() -> None:
    """5 s are like 3 s of them, but not at one place."""
    assert offset(whole(5), windows(60), [(0, 20, 0.95)]) is None
    assert offset(whole(5), whole(5), [(0, 0, 1.0)]) == 0


def test_one_window_tells_its_offset_if_it_is_the_same() -> None:
    """One that is only much alike does not."""
    assert offset(whole(3), windows(60), [(0, 20, 0.995), (0, 19, 0.9)]) == 30
    assert offset(whole(3), windows(60), [(0, 20, 0.97), (0, 19, 0.9)]) is None
