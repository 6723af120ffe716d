"""Matches: candidates with the segments of their hits."""

from __future__ import annotations

import numpy as np
from audiosearch.gateway.v1.search_pb2 import Coverage, Match, Segment
from google.protobuf.duration_pb2 import Duration

from gateway.search.neighbors import DECIMALS, Hit
from gateway.search.query import seconds
from gateway.search.ranking import Candidate
from scoring.segments import BELOW, Hits, Windows, aligned, covered, placed, stretches


def needs_more(candidate: Candidate) -> bool:
    """True if there may be hits in the candidate's clip that make its segments."""
    if not candidate.source.neighbors.windowed:
        return False
    many = candidate.source.neighbors.count > 1 and candidate.source.query.windows is not None
    return many or any(hit.start_ms is not None for hit in candidate.hits)


async def complete(candidates: list[Candidate]) -> dict[str, list[Hit]]:
    """All hits that make segments of these clips, by name of the clip."""
    found = {candidate.clip.name: list(candidate.hits) for candidate in candidates}
    wanting = [candidate for candidate in candidates if needs_more(candidate)]
    for source in dict.fromkeys(candidate.source for candidate in wanting):
        of_source = [candidate for candidate in wanting if candidate.source is source]
        names = {candidate.clip_id: candidate.clip.name for candidate in of_source}
        least = min(candidate.score for candidate in of_source) - BELOW
        for hit in await source.hits(list(names), least):
            found[names[hit.clip_id]].append(hit)
    return found


def match(candidate: Candidate, group: str) -> Match:
    """A match without its segments."""
    return Match(clip=candidate.clip, score=round(candidate.score, DECIMALS), group=group)


def segmented(found: Match, candidate: Candidate, hits: list[Hit], most: int) -> Match:
    """The match with its segments, at most so many, and its coverage.

    A library without windows has none, nor has one for vectors, which have no time.
    """
    if not candidate.source.neighbors.windowed or candidate.source.library.dimension:
        return found
    query = candidate.source.query
    each = list({hit.place: hit for hit in hits}.values())
    clip, numbers = _windows(candidate, each)
    times = query.windows or Windows(np.zeros(1), np.zeros(1), 0.0, 0.0, 0.0)
    queried = [hit.query if query.windows else 0 for hit in each]
    pairs = Hits.of(
        (row, numbers[hit.start_ms], hit.score) for row, hit in zip(queried, each, strict=True)
    )
    joined = stretches(times, clip, pairs)
    same = aligned(times, clip, pairs) if query.windows else None
    if same is not None:
        joined = placed(joined, clip, same)
    for stretch in joined[:most]:
        segment = Segment(
            start_offset=_duration(stretch.start),
            end_offset=_duration(stretch.end),
            score=round(stretch.score, DECIMALS),
        )
        if query.windows:
            segment.query_start_offset.CopyFrom(_duration(stretch.query_start))
            segment.query_end_offset.CopyFrom(_duration(stretch.query_end))
        found.segments.append(segment)
    found.coverage.CopyFrom(
        Coverage(of_clip=covered(clip, ((part.start, part.end) for part in joined)))
    )
    if query.windows:
        spans = ((part.query_start, part.query_end) for part in joined)
        found.coverage.of_query = covered(times, spans)
        if same is not None:
            found.coverage.time_offset.CopyFrom(_duration(same.offset))
    return found


def _windows(candidate: Candidate, hits: list[Hit]) -> tuple[Windows, dict[int | None, int]]:
    """The windows of the clip that have hits, and the number of each by its start."""
    rule = candidate.source.library.window_rule
    length, hop = seconds(rule.window), seconds(rule.hop)
    duration = seconds(candidate.clip.audio.duration)
    starts = sorted({hit.start_ms for hit in hits}, key=lambda start: start or 0)
    begins = np.array([(start or 0) / 1000 for start in starts], np.float64)
    ends = [duration if start is None else min(start / 1000 + length, duration) for start in starts]
    numbers = {start: number for number, start in enumerate(starts)}
    return Windows(begins, np.array(ends, np.float64), hop, 0.0, duration), numbers


def _duration(value: float) -> Duration:
    """A time, rounded to the milliseconds that windows are kept in."""
    duration = Duration()
    duration.FromMilliseconds(round(value * 1000))
    return duration
