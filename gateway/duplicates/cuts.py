"""Clips of one window that are cut out of longer clips."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gateway.libraries.indexes import Generation, read, window_id
from gateway.upstream import Upstream
from scoring import short_cuts
from scoring.diagonals import Alignment
from scoring.short_cuts import Place, Values

_OTHERS = 8
"""Longer clips that a clip is laid beside, those that it is likeliest in."""
_SAME_MS = 2
"""Difference of the start of a last window to what the length of its clip says."""

Hits = Mapping[str, Sequence[tuple[int, int | None, float]]]
"""By clip: window of the short clip, start of the other's in milliseconds, and score."""


@dataclass(frozen=True)
class Short:
    """A clip of one window."""

    id: str
    length: float
    vector: Values
    near: Hits


@dataclass(frozen=True)
class _Try:
    other: str
    place: Place
    begins: Values
    ids: Sequence[str]


class Cuts:
    """Lays clips of one window beside longer ones, by the vectors of the windows there."""

    def __init__(
        self, upstream: Upstream, generation: Generation, window: float, hop: float
    ) -> None:
        """Reads the index of windows of a library; window and hop in seconds."""
        self._index = upstream.index
        self._index_id = generation.windows
        self._window, self._hop = window, hop

    async def find(
        self, clips: Sequence[Short], lengths: Mapping[str, float]
    ) -> dict[str, dict[str, Alignment]]:
        """By short clip and longer clip: the place of the first in the second."""
        tries = await asyncio.to_thread(self._tries, clips, lengths)
        ids = list(dict.fromkeys(id_ for some in tries for each in some for id_ in each.ids))
        found = read(self._index, self._index_id, ids)
        stored = {vector.id: vector.values async for vector in found}
        return await asyncio.to_thread(self._laid, clips, tries, stored)

    def _tries(self, clips: Sequence[Short], lengths: Mapping[str, float]) -> list[list[_Try]]:
        found = []
        for short in clips:
            some = [
                each
                for other, hits in short.near.items()
                if lengths.get(other, 0.0) > short.length
                and max(score for *_, score in hits) >= short_cuts.LIKELY
                for each in self._places(short, other, lengths[other], hits)
            ]
            found.append(sorted(some, key=lambda each: -each.place.score)[:_OTHERS])
        return found

    def _places(
        self,
        short: Short,
        other: str,
        length: float,
        hits: Sequence[tuple[int, int | None, float]],
    ) -> list[_Try]:
        begins = short_cuts.starts(length, self._window, self._hop)
        names = [round(1000 * begin) for begin in begins.tolist()]
        numbers = {start: number for number, start in enumerate(names)}
        scores = short_cuts.unknown(len(names))
        for _, start, score in hits:
            if start is None:
                return []
            number = numbers.get(start)
            if number is None and abs(start - names[-1]) <= _SAME_MS:
                number = len(names) - 1
                names[number] = start
            if number is not None:
                scores[number] = max(scores[number], score)
        found = short_cuts.places(short.length, self._window, self._hop, scores)
        return [
            _Try(
                other,
                place,
                begins,
                [window_id(other, start) for start in names[place.first : place.last + 1]],
            )
            for place in found
        ]

    def _laid(
        self,
        clips: Sequence[Short],
        tries: Sequence[Sequence[_Try]],
        stored: Mapping[str, Sequence[float]],
    ) -> dict[str, dict[str, Alignment]]:
        found: dict[str, dict[str, Alignment]] = {}
        for short, some in zip(clips, tries, strict=True):
            best = found.setdefault(short.id, {})
            for each in some:
                if not all(id_ in stored for id_ in each.ids):
                    continue
                windows = np.array([stored[id_] for id_ in each.ids], np.float64)
                laid = short_cuts.lay(
                    short.length, self._window, each.begins, each.place, short.vector, windows
                )
                if laid and (each.other not in best or laid.score > best[each.other].score):
                    best[each.other] = laid
        return found
