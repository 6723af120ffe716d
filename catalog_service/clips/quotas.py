"""Quotas of the owners of clips: the clips that each has, and the bytes of their audio.

Additions of one owner wait for each other, whichever replica they come from. The clips
themselves are counted, so that deletions, failures and restores need no counter. Because
that takes a second for a million clips, the last count is kept with the additions since then. It is
never too low, and clips are counted again when it leaves no room, or is a minute old.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, insert, select, update

from catalog_service.clips.rows import along, now
from catalog_service.database.database import Database
from catalog_service.database.schema import clips, owners
from catalog_service.database.states import ClipState
from serving.errors import Reason, ServiceError

COUNTED = timedelta(minutes=1)
"""Longest use of a count. Others of the same name may have no quota, and tell of no addition."""
_NEVER = datetime(1970, 1, 2, tzinfo=timezone.utc)
_LOCKED = select(owners).where(owners.c.name == bindparam("owner")).with_for_update()
_KEEP = update(owners).where(owners.c.name == bindparam("owner"))
_USED = along(
    select(func.count(), func.coalesce(func.sum(clips.c.size_bytes), 0)).where(
        clips.c.owner == bindparam("owner"),
        clips.c.state.in_([ClipState.CREATING, ClipState.ACTIVE, ClipState.TRASHED]),
    ),
    "ix_clips_owner",
)


class Quota(NamedTuple):
    """An owner of clips and the most that it may have; 0 for any number."""

    owner: str
    max_clips: int
    max_bytes: int

    @property
    def limited(self) -> bool:
        """True if the owner may not have any number of clips and bytes."""
        return bool(self.owner and (self.max_clips or self.max_bytes))


NO_QUOTA = Quota("", 0, 0)


class Used(NamedTuple):
    """The clips of an owner and the bytes of their audio."""

    clips: int
    size_bytes: int


class Additions:
    """The additions of one transaction to the clips of owners. Call `keep` at its end."""

    def __init__(self, connection: Connection, quotas: Iterable[Quota]) -> None:
        """Lets no other transaction add to owners with quotas until this one is over.

        Raises:
            IntegrityError: Another transaction met an owner first, and a repeat will find it.
        """
        self._connection = connection
        self._added: Counter[tuple[str, str]] = Counter()
        self._used: dict[str, Used] = {}
        self._fresh: set[str] = set()
        # In order, so that no two wait for each other.
        for owner in sorted({quota.owner for quota in quotas if quota.limited}):
            row = connection.execute(_LOCKED, {"owner": owner}).one_or_none()
            if row is None:
                connection.execute(
                    insert(owners).values(name=owner, clips=0, size_bytes=0, count_time=_NEVER)
                )
            if row is None or now() - row.count_time > COUNTED:
                self._count(owner)
            else:
                self._used[owner] = Used(row.clips, row.size_bytes)

    def refusal(self, quota: Quota, clip_count: int, size_bytes: int) -> ServiceError | None:
        """QUOTA_EXCEEDED if so much more is too much; else it counts, and the answer is None."""
        if not quota.limited:
            return None
        error = self._exceeded(quota, clip_count, size_bytes)
        if error and quota.owner not in self._fresh:
            self._count(quota.owner)
            error = self._exceeded(quota, clip_count, size_bytes)
        if error is None:
            self._added[quota.owner, "clips"] += clip_count
            self._added[quota.owner, "size_bytes"] += size_bytes
        return error

    def keep(self) -> None:
        """Keeps what owners have now."""
        for owner in self._used:
            counted = {"count_time": now()} if owner in self._fresh else {}
            self._connection.execute(
                _KEEP.values(**self._now(owner)._asdict(), **counted), {"owner": owner}
            )

    def _count(self, owner: str) -> None:
        self._used[owner] = _used(self._connection, owner)
        self._fresh.add(owner)

    def _now(self, owner: str) -> Used:
        used = self._used[owner]
        return Used(
            used.clips + self._added[owner, "clips"],
            used.size_bytes + self._added[owner, "size_bytes"],
        )

    def _exceeded(self, quota: Quota, clip_count: int, size_bytes: int) -> ServiceError | None:
        has = self._now(quota.owner)
        if quota.max_clips and clip_count and has.clips + clip_count > quota.max_clips:
            what, had, more = "clips", f"{has.clips:,} of {quota.max_clips:,} clips", ""
        elif quota.max_bytes and has.size_bytes + size_bytes > quota.max_bytes:
            what, had = "bytes", f"{has.size_bytes:,} of {quota.max_bytes:,} bytes of audio"
            more = f", and this has {size_bytes:,} more"
        else:
            return None
        return ServiceError(
            Reason.QUOTA_EXCEEDED,
            f"the API key {quota.owner!r} has {had} that it may have in all libraries{more}: "
            "delete clips that it has made, also out of the trash, or ask the operator for more",
            {"quota": what},
        )


async def count(database: Database, names: Sequence[str]) -> dict[str, Used]:
    """Returns what each owner has, as its quota counts it."""
    return await database.read(lambda c: {name: _used(c, name) for name in names})


def _used(connection: Connection, owner: str) -> Used:
    found = connection.execute(_USED, {"owner": owner}).one()
    return Used(int(found[0]), int(found[1]))
