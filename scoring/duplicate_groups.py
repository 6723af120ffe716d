"""Groups of clips that are the same recording, from pairs of them."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

SAME = 0.9
"""Share of the longer clip's length from which a clip is no cut but a copy."""
_COPIES = 8
"""Copies of a clip that are kept as its pairs, those of the highest score."""


@dataclass(frozen=True, order=True)
class Link:
    """A clip that lies in another one, which is not shorter."""

    clip: str
    other: str
    score: float
    start: float
    """Begin of the stretch in the clip, in seconds."""
    end: float
    offset: float
    """Start in the other clip less the start in the clip."""

    def turned(self) -> Link:
        """The other clip as it lies in the clip."""
        start, end = self.start + self.offset, self.end + self.offset
        return Link(self.other, self.clip, self.score, start, end, -self.offset)


def chosen(links: Iterable[Link], lengths: Mapping[str, float]) -> list[Link]:
    """The links of one clip that count.

    A cut belongs to the one recording that it is most alike, so that a jingle does not make one
    group of all the recordings that it is in.
    """
    ranked = sorted(links, key=lambda link: (-link.score, link.other))
    copies = [link for link in ranked if lengths[link.clip] >= SAME * lengths[link.other]]
    cuts = [link for link in ranked if lengths[link.clip] < SAME * lengths[link.other]]
    return copies[:_COPIES] + cuts[:1]


def groups(links: Sequence[Link], lengths: Mapping[str, float]) -> list[list[Link]]:
    """Groups of clips, those with most clips first.

    Each group has a link for each clip, with the stretch of the clip and the offset to the group's
    longest clip, which is the first; the others by score.
    """
    near: dict[str, list[Link]] = defaultdict(list)
    for link in links:
        near[link.clip].append(link)
        near[link.other].append(link.turned())
    found = []
    for together in _components(links):
        longest = min(together, key=lambda clip: (-lengths[clip], clip))
        members = list(_placed(longest, near, lengths[longest]))
        members[1:] = sorted(members[1:], key=lambda link: (-link.score, link.clip))
        found.append(members)
    return sorted(found, key=lambda members: (-len(members), members[0].clip))


def _components(links: Sequence[Link]) -> Iterable[list[str]]:
    """Clips that hang together, by union-find."""
    above: dict[str, str] = {}

    def root(clip: str) -> str:
        while above.setdefault(clip, clip) != clip:
            above[clip] = above[above[clip]]
            clip = above[clip]
        return clip

    for link in links:
        above[root(link.clip)] = root(link.other)
    together: dict[str, list[str]] = defaultdict(list)
    for clip in list(above):
        together[root(clip)].append(clip)
    return together.values()


def _placed(longest: str, near: Mapping[str, Sequence[Link]], length: float) -> Iterator[Link]:
    """Each clip of a group by the fewest steps from the longest one, and by the best links."""
    first = Link(longest, longest, 1.0, 0.0, length, 0.0)
    reached, ahead = set[str](), [(0, -1.0, longest, first)]
    while ahead:
        steps, _, clip, link = heapq.heappop(ahead)
        if clip in reached:
            continue
        reached.add(clip)
        yield link
        for step in near[clip]:
            if step.other not in reached:
                back = step.turned()
                placed = replace(back, offset=back.offset + link.offset)
                heapq.heappush(ahead, (steps + 1, -step.score, step.other, placed))
