"""Hits of a query's windows in a clip's windows, joined to stretches that are like each other."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MARGIN = 0.18
"""Difference to a clip's best score up to which a hit is like the query."""

BELOW = 2 * MARGIN
"""Difference to a clip's best score up to which hits are looked at; all others are no worse.

Those that are not like the query tell where what is like it begins and ends.
"""

OTHER = 0.4
"""Part of a window that is something else, if the window scores MARGIN less.

The score falls with the sound that a window shares with what is like the query, so a stretch begins
where the scores cross that line, between two windows. Chosen by 444 queries of voices of 5 to 7 s:
with MARGIN, BELOW and OTHER, 94.8 of 100 stretches begin within a hop of the voice, and 97.5 lie
where it speaks at all.
"""

SAME_SCORE = 0.88
"""Score from which two windows are taken for the same recording.

Windows of 3 s of one speaker saying something else score 0.65 on average, and 0.81 at most in a
hundred. Those of the same recording score 0.89 on average when they are half a hop apart. All of
it is of speakers that the bundled model was not trained on.
"""

OTHER_WORDS = 0.72
"""Score of two windows of a voice that says something else, on average and a little above."""

_EQUAL = 0.99
"""Mean score from which windows begin at the same sound."""

_BRIDGED = 2
"""Windows of a clip from one hit to the next of its stretch: such windows still touch."""

MOST_HITS = 4000
"""Hits of one clip that are joined, the best of them."""

_ROUNDING = 1e-3
_SAME_TIME = 0.01
_SAME_LENGTH = 0.05
Times = NDArray[np.float64]


@dataclass(frozen=True)
class Windows:
    """Windows of a recording, in order of start, in seconds."""

    starts: Times
    ends: Times
    hop: float
    """Time between the starts of neighbors; 0 if there is one window."""

    begin: float
    """Begin of the part of the recording that is looked at."""

    end: float

    @property
    def one(self) -> bool:
        """True if one window is all of the part that is looked at."""
        return (
            len(self.starts) == 1
            and self.starts[0] <= self.begin + _ROUNDING
            and self.ends[0] >= self.end - _ROUNDING
        )


@dataclass(frozen=True)
class Hits:
    """Pairs of a query's window and a clip's window: numbers of windows, and scores."""

    queries: NDArray[np.int64]
    clips: NDArray[np.int64]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int, float]]) -> Hits:
        """The hits of (window of the query, window of the clip, score)."""
        columns = list(zip(*pairs, strict=True)) or [(), (), ()]
        return cls(
            np.array(columns[0], np.int64),
            np.array(columns[1], np.int64),
            np.array(columns[2], np.float64),
        )

    def chosen(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> Hits:
        """Some of the hits."""
        return Hits(self.queries[which], self.clips[which], self.scores[which])


@dataclass(frozen=True)
class Stretch:
    """A stretch of a clip that is like a stretch of the query, in seconds."""

    start: float
    end: float
    query_start: float
    query_end: float
    score: float


def stretches(query: Windows, clip: Windows, hits: Hits) -> list[Stretch]:
    """Joins hits to stretches, the best first.

    Hits in neighboring windows, of the query and of the clip, are one stretch. Hits whose score is
    more than MARGIN below the best are in none, but tell where those beside them begin and end. A
    stretch that lies for the most part in a better one is left out.
    """
    if not len(hits.scores):
        return []
    if query.one and clip.one:  # short recordings: nothing lies beside their windows
        ends = (clip.starts[0], clip.ends[0], query.starts[0], query.ends[0], hits.scores.max())
        return [Stretch(*map(float, ends))]
    order = np.argsort(-hits.scores, kind="stable")[:MOST_HITS]
    known = hits.chosen(order)
    near = known.chosen(known.scores >= known.scores[0] - MARGIN)
    found: list[Stretch] = []
    for members in _neighborhoods(query, clip, near):
        joined = near.chosen(members)
        beside_clip = known.chosen(_reached(known.queries, joined.queries))
        beside_query = known.chosen(_reached(known.clips, joined.clips))
        stretch = Stretch(
            *_span(clip, joined.clips, beside_clip.clips, beside_clip.scores),
            *_span(query, joined.queries, beside_query.queries, beside_query.scores),
            float(joined.scores.max()),
        )
        if not any(_mostly_within(stretch, better) for better in found):
            found.append(stretch)
    return found


def _reached(numbers: NDArray[np.int64], members: NDArray[np.int64]) -> NDArray[np.bool_]:
    """True for the numbers from the first to the last of the members."""
    first, last = int(members.min()), int(members.max())
    return np.logical_and(numbers >= first, numbers <= last)


def _span(
    windows: Windows,
    members: NDArray[np.int64],
    numbers: NDArray[np.int64],
    scores: NDArray[np.float64],
) -> tuple[float, float]:
    """Start and end of a stretch, between its outer windows and those beside them.

    Args:
        windows: Those of the recording.
        members: Numbers of the windows of the stretch.
        numbers: Numbers of the windows with a score, some beside the stretch.
        scores: Their scores.
    """
    best = np.full(len(windows.starts), -np.inf)
    np.maximum.at(best, numbers, scores)
    first, last = int(members.min()), int(members.max())
    top = float(best[first : last + 1].max())

    def inwards(outer: int, beside: int) -> float:
        """The way from the border of the outer window to that of the stretch, in seconds."""
        step, score = windows.hop, top - BELOW
        if 0 <= beside < len(best):
            apart = abs(float(windows.starts[outer] - windows.starts[beside]))
            if apart <= windows.hop + _ROUNDING:
                step, score = apart, max(score, float(best[beside]))
        line, inner = top - MARGIN, float(best[outer])
        out = min(1.0, (inner - line) / (inner - score)) if inner > max(line, score) else 0.0
        if score >= line:
            out = 1.0
        return OTHER * float(windows.ends[outer] - windows.starts[outer]) - max(0.0, out) * step

    start, end = float(windows.starts[first]), float(windows.ends[last])
    if start > windows.begin + _ROUNDING:
        start = max(windows.begin, start + inwards(first, first - 1))
    if end < windows.end - _ROUNDING:
        end = min(windows.end, end - inwards(last, last + 1))
    return start, end


def _neighborhoods(query: Windows, clip: Windows, hits: Hits) -> list[NDArray[np.int64]]:
    """Numbers of hits that hang together, each list and all of them the best first."""
    rows = _cells(query.starts[hits.queries], query.hop)
    columns = _cells(clip.starts[hits.clips], clip.hop)
    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, cell in enumerate(zip(rows, columns, strict=True)):
        cells[cell].append(number)
    # A diagonal moves on by the query's hop in both.
    step = max(_BRIDGED, math.ceil(query.hop / clip.hop - _ROUNDING)) if clip.hop else _BRIDGED
    found = []
    while cells:
        cell, members = next(iter(cells.items()))
        del cells[cell]
        edge, together = [cell], list(members)
        while edge:
            row, column = edge.pop()
            for near in _around(row, column, step):
                if near in cells:
                    together += cells.pop(near)
                    edge.append(near)
        found.append(np.array(sorted(together)))
    return found


def _cells(starts: Times, hop: float) -> list[int]:
    """The number of hops before each start; the last window of a recording shares a number."""
    if not hop:
        return [0] * len(starts)
    found: list[int] = np.floor(starts / hop + _ROUNDING).astype(int).tolist()
    return found


def _around(row: int, column: int, step: int) -> Iterable[tuple[int, int]]:
    for down in (-1, 0, 1):
        for across in range(-step, step + 1):
            yield row + down, column + across


def _mostly_within(stretch: Stretch, other: Stretch) -> bool:
    shared = min(stretch.end, other.end) - max(stretch.start, other.start)
    return shared > (stretch.end - stretch.start) / 2


def covered(windows: Windows, spans: Iterable[tuple[float, float]]) -> float:
    """The share of the part that is looked at that lies in at least one span.

    In [0, 1], rounded to four decimals: windows are kept in milliseconds.
    """
    length = windows.end - windows.begin
    if length <= 0:
        return 0.0
    total, reached = 0.0, windows.begin
    for start, end in sorted(spans):
        stop = min(end, windows.end)
        total += max(0.0, stop - max(start, reached))
        reached = max(reached, stop)
    return round(min(1.0, total / length), 4)


@dataclass(frozen=True)
class Alignment:
    """The same recording in query and clip, in seconds."""

    offset: float
    """Start in the clip less the start in the query."""

    start: float
    """Begin of the windows of the query that agree on the offset."""

    end: float


def aligned(query: Windows, clip: Windows, hits: Hits) -> Alignment | None:
    """The place of the query in the clip, if both are likely the same recording.

    The best hits of more than half of the query's windows must score SAME_SCORE, be of windows of
    the same length and lie within a hop on one diagonal. Two windows must agree, unless both
    recordings are one window or the query is one that begins at the same sound. The offset between
    diagonals is told by how alike the windows beside are: the windows of a cut seldom begin where
    those of the recording do.
    """
    if not len(query.starts) or hits.scores.max(initial=0) < SAME_SCORE:
        return None
    if query.one and clip.one:
        return _aligned_wholes(query, clip)
    best: dict[int, int] = {}
    for number in np.argsort(-hits.scores, kind="stable").tolist():
        best.setdefault(int(hits.queries[number]), number)
    lengths = query.ends[hits.queries] - query.starts[hits.queries]
    others = clip.ends[hits.clips] - clip.starts[hits.clips]
    alike = np.abs(lengths - others) <= _SAME_LENGTH * np.maximum(lengths, others)
    diagonals = clip.starts[hits.clips] - query.starts[hits.queries]
    same = np.array(sorted(best.values()))
    same = same[(hits.scores[same] >= SAME_SCORE) & alike[same]]
    same = same[np.argsort(diagonals[same], kind="stable")]
    alone = len(clip.starts) == 1 or bool(
        len(query.starts) == 1 and (hits.scores[same] >= _EQUAL).all()
    )
    least = max(len(query.starts) // 2 + 1, 1 if alone else 2)
    if len(same) < least:
        return None
    # The widest run of diagonals within a hop.
    ends = np.searchsorted(diagonals[same], diagonals[same] + clip.hop, side="right")
    begin = int(np.argmax(ends - np.arange(len(same))))
    run = same[begin : ends[begin]]
    if len(run) < least:
        return None
    middle = offset = float(np.median(diagonals[run]))
    beside = alike & (np.abs(diagonals - middle) <= clip.hop + _ROUNDING)
    if float(hits.scores[run].mean()) < _EQUAL:
        weights = np.maximum(hits.scores[beside] - OTHER_WORDS, 0) ** 2
        offset = float(np.average(diagonals[beside], weights=weights))
    return Alignment(
        offset,
        float(query.starts[hits.queries[run]].min()),
        float(query.ends[hits.queries[run]].max()),
    )


def _aligned_wholes(query: Windows, clip: Windows) -> Alignment | None:
    """As `aligned`, for recordings of one window with a hit that is good enough."""
    start, end = float(query.starts[0]), float(query.ends[0])
    length, other = end - start, float(clip.ends[0] - clip.starts[0])
    if abs(length - other) > _SAME_LENGTH * max(length, other):
        return None
    return Alignment(float(clip.starts[0]) - start, start, end)


def placed(found: list[Stretch], clip: Windows, same: Alignment) -> list[Stretch]:
    """Stretches of which the one that holds an alignment begins and ends as that does.

    Windows that share a part of the sound make a stretch of the same recording too long. A stretch
    that is longer by more than a window is alike elsewhere, too, and stays as it is.
    """
    start = max(clip.begin, same.start + same.offset)
    end = min(clip.end, same.end + same.offset)
    most = float((clip.ends - clip.starts).max())
    for number, one in enumerate(found):
        ways = abs(one.start - start), abs(one.end - end)
        if _SAME_TIME < max(ways) <= most:
            better = Stretch(start, end, start - same.offset, end - same.offset, one.score)
            return [*found[:number], better, *found[number + 1 :]]
    return found
