"""Groups of matches: by clip, or by the value of a field."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.gateway.v1.search_pb2 import SearchConfig

from gateway.search.neighbors import MOST_REACH
from gateway.search.pages import Page
from gateway.search.ranking import Found, Narrowing
from serving import limits
from serving.conditions import metadata_key
from serving.errors import Reason, ServiceError

FoundT = TypeVar("FoundT", bound=Found)
FoundT_co = TypeVar("FoundT_co", bound=Found, covariant=True)
CLIP = "clip"
_FIELDS = ("label", "speaker", "source")
_MOST_VALUES = limits.of(Condition.Values, "values").max_items
_READ_PER_GROUP = 3
"""Clips that are read at once for each group of several clips that is wanted."""
_REACH_PER_GROUP = 4
"""Hits that are asked for at first for each such group.

Milvus Lite takes 35 us for each hit, and another round leaves out the groups that are full.
"""
_MOST_CONDITIONS = 10
"""Conditions that leave out full groups; a filter's own have the rest of the index's room."""


def check_field(name: str) -> str:
    """Returns the field to group by, CLIP if it is empty; FIELD_INVALID for any other."""
    field_ = name or CLIP
    key = metadata_key(field_)
    most = limits.of(Clip, "metadata").max_key_length
    known = field_ in (CLIP, *_FIELDS) if key is None else 1 <= len(key) <= most
    too_long = len(field_) > limits.of(SearchConfig, "group_by").max_length
    if not known or too_long or limits.CONTROL.search(field_):
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"config.group_by: {field_[:80]!r} is none of {CLIP}, {', '.join(_FIELDS)} and "
            "metadata.{key}",
            {"field": "config.group_by"},
        )
    return field_


def value_of(clip: Clip, field_: str) -> str:
    """The value that a clip is grouped by; empty if it has none."""
    if field_ == CLIP:
        return clip.name
    key = metadata_key(field_)
    return str(getattr(clip, field_)) if key is None else clip.metadata.get(key, "")


class Source(Protocol[FoundT_co]):
    """Clips of one library, the best first."""

    async def next(
        self, wanted: int, reach: int, narrowing: Callable[[], Narrowing]
    ) -> FoundT_co | None:
        """The next clip; None after the last."""
        ...

    def take(self) -> FoundT_co:
        """Takes the clip that `next` gave."""
        ...


@dataclass
class Groups(Generic[FoundT]):
    """The groups of one page, filled by clips that come the most similar first."""

    by: str
    size: int
    """Most clips of a group."""
    count: int
    """Most groups."""
    page: Page
    members: dict[str, list[FoundT]] = field(default_factory=dict)
    before: set[str] = field(default_factory=set)
    """Values of the groups on the pages before that have come again."""
    more: bool = False
    """True if there is a group after the page, or may be one that nobody looked for."""

    def add(self, candidate: FoundT) -> None:
        """Puts a clip into its group, if the page has room for it."""
        value = value_of(candidate.clip, self.by)
        if self.page.has(value):
            self.before.add(value)
        elif value in self.members:
            if not self._is_full(value):
                self.members[value].append(candidate)
        elif len(self.members) < self.count:
            self.members[value] = [candidate]
        else:
            self.more = True

    @property
    def done(self) -> bool:
        """True if no other clip can change the page.

        By clip, one more is needed to know if there is a page after this one.
        """
        if len(self.members) < self.count:
            return False
        if self.by == CLIP:
            return self.more
        return all(self._is_full(value) for value in self.members)

    def _is_full(self, value: str) -> bool:
        return len(self.members[value]) >= (1 if self.by == CLIP else self.size)

    def narrowing(self) -> Narrowing:
        """The clips that are of no use any more."""
        if self.by == CLIP:
            return Narrowing()
        if len(self.members) == self.count:
            return self._only_open()
        full = {value for value in self.members if self._is_full(value)} | self.before
        values = sorted(full)[: _MOST_VALUES * _MOST_CONDITIONS]
        conditions = [
            Condition(field=self.by, none_of=Condition.Values(values=part))
            for part in _parts(values)
        ]
        covered = set(values)
        if metadata_key(self.by) is not None:
            covered.discard("")  # conditions never leave out a clip that lacks the key
        return Narrowing(conditions, lambda clip: value_of(clip, self.by) in covered)

    def _only_open(self) -> Narrowing:
        """All groups are there, and only clips of those with room are of use."""
        values = sorted(value for value in self.members if not self._is_full(value))
        lacking = "" in values and metadata_key(self.by) is not None
        if lacking or len(values) > _MOST_VALUES:
            return Narrowing()
        self.more = True
        only = Condition(field=self.by, any_of=Condition.Values(values=values))
        return Narrowing([only], lambda clip: value_of(clip, self.by) not in values)

    def ranked(self) -> list[tuple[str, list[FoundT]]]:
        """The groups and their clips, the best first."""
        for members in self.members.values():
            members.sort(key=lambda candidate: candidate.order)
        return sorted(self.members.items(), key=lambda group: group[1][0].order)


async def fill(groups: Groups[FoundT], sources: Sequence[Source[FoundT]]) -> None:
    """Takes clips from sources, the best first, until the groups are done."""
    wanted = len(groups.page.shown) + groups.count + 1
    single = groups.by == CLIP
    reach = min(MOST_REACH, wanted if single else wanted * _REACH_PER_GROUP)
    wanted = min(MOST_REACH, wanted if single else wanted * _READ_PER_GROUP)
    while not groups.done:
        heads = await asyncio.gather(
            *(source.next(wanted, reach, groups.narrowing) for source in sources)
        )
        there = [
            (head, source) for head, source in zip(heads, sources, strict=True) if head is not None
        ]
        if not there:
            return
        _, best = min(there, key=lambda each: each[0].order)
        groups.add(best.take())


def _parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _MOST_VALUES):
        yield values[start : start + _MOST_VALUES]
