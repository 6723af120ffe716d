"""Groups of clips as the contract tells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.gateway.v1.duplicates_pb2 import Duplicate, DuplicateGroup

from scoring.duplicate_groups import Link

MOST_MEMBERS = 1000
_DECIMALS = 4


def described(groups: Sequence[Sequence[Link]], rows: Mapping[str, Clip]) -> list[DuplicateGroup]:
    """The groups of the clips that there still are, joined by id with their rows."""
    return list(_described(groups, rows))


def _described(
    groups: Sequence[Sequence[Link]], rows: Mapping[str, Clip]
) -> Iterator[DuplicateGroup]:
    for group in groups:
        members = [link for link in group if link.clip in rows]
        # Offsets are to the longest clip: a group without it is found anew.
        if len(members) > 1 and members[0] is group[0]:
            yield DuplicateGroup(
                members=[_member(link, rows[link.clip]) for link in members[:MOST_MEMBERS]],
                member_count=len(members),
            )


def _member(link: Link, clip: Clip) -> Duplicate:
    member = Duplicate(
        clip=clip.name,
        display_name=clip.display_name,
        duration=clip.audio.duration,
        score=round(link.score, _DECIMALS),
    )
    length = clip.audio.duration.ToMilliseconds()
    member.start_offset.FromMilliseconds(min(length, max(0, round(1000 * link.start))))
    member.end_offset.FromMilliseconds(min(length, max(0, round(1000 * link.end))))
    member.time_offset.FromMilliseconds(round(1000 * link.offset))
    return member
