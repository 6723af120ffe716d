"""Leases: the one rule by which a worker keeps the work that the catalog has given to it.

A row tells its worker, a count of renewals and the length of the lease. It waits for a worker if it
has none, or if this process has seen the same count for the whole length, by its own clock that
nobody sets. So each replica decides alone, and the times of the machines don't matter. A row is
taken only if its count is still the one that was seen. After a restart nothing has been seen, and
what runs is left to its worker for the whole length again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    or_,
    select,
    update,
)

from catalog_service.clips.rows import now


class _Seen(NamedTuple):
    """The worker and the count of a row, and the time since when they are the same."""

    worker: str
    renewals: int
    since: float


class Leases:
    """The leases of the rows of a table, as this process sees them."""

    def __init__(self, table: Table, key: str, prefix: str, until: str) -> None:
        """Takes the names of the columns.

        Args:
            table: the rows.
            key: the primary key.
            prefix: the begin of the names of `worker`, `renewals` and `lease_ms`.
            until: the end of the lease by the wall clock. It is written for people and for replicas
                of earlier releases, and orders rows, but decides nothing.
        """
        self._table = table
        self._key: Column[Any] = table.c[key]
        self._worker: Column[Any] = table.c[f"{prefix}worker"]
        self._renewals: Column[Any] = table.c[f"{prefix}renewals"]
        self._length: Column[Any] = table.c[f"{prefix}lease_ms"]
        self._until: Column[Any] = table.c[until]
        self._seen: dict[str, _Seen] = {}
        self._free = or_(self._worker.is_(None), self._worker == "")

    def waiting(
        self, connection: Connection, where: ColumnElement[bool], order: Column[Any], limit: int
    ) -> list[Row[Any]]:
        """Returns rows that wait for a worker, in an order that begins with NULL.

        Args:
            connection: of the transaction.
            where: the rows that are work. It is always the same, for the others are forgotten.
            order: what comes first.
            limit: the largest number of rows.
        """
        columns = (self._key, self._worker, self._renewals, self._length, order.label("sort"))
        chosen: Select[Any] = select(*columns).where(where)
        unclaimed = chosen.where(self._free).order_by(order).limit(limit)
        free = connection.execute(unclaimed).all()
        held = connection.execute(chosen.where(~self._free).order_by(order)).all()
        over = [row for row in held if self.saw(row)]
        there = {getattr(row, self._key.name) for row in held}
        for key in [*self._seen]:
            if key not in there:
                self._seen.pop(key, None)
        found = [*free, *over]
        return sorted(found, key=lambda row: (row.sort is not None, row.sort or ""))[:limit]

    def waits(self, row: Row[Any]) -> bool:
        """Returns True for a row without a worker, or whose worker's lease is over."""
        return not getattr(row, self._worker.name) or self.saw(row)

    def saw(self, row: Row[Any]) -> bool:
        """Notes the count of a row that has a worker. Returns True if its lease is over."""
        key, worker, renewals, length = (
            getattr(row, column.name)
            for column in (self._key, self._worker, self._renewals, self._length)
        )
        present = time.monotonic()
        seen = self._seen.get(key)
        if seen is None or (seen.worker, seen.renewals) != (worker, renewals):
            seen = self._seen[key] = _Seen(worker, renewals, present)
        return bool(present - seen.since >= length / 1000)

    def unchanged(self, row: Row[Any]) -> ColumnElement[bool]:
        """The condition that nobody has taken or renewed a row since it was read."""
        return and_(
            self._key == getattr(row, self._key.name),
            self._renewals == getattr(row, self._renewals.name),
            or_(self._free, self._worker == getattr(row, self._worker.name)),
        )

    def take(
        self,
        connection: Connection,
        rows: Sequence[Row[Any]],
        where: ColumnElement[bool],
        worker: str,
        lease: timedelta,
        **values: Any,
    ) -> list[str]:
        """Gives rows that waited, and that nobody has taken since, to a worker. Returns keys."""
        values |= {self._worker.name: worker, **self.renewed(lease)}
        taken = []
        for row in rows:
            done = connection.execute(
                update(self._table).where(self.unchanged(row), where).values(**values)
            )
            if done.rowcount:
                taken.append(getattr(row, self._key.name))
        return taken

    def begun(self, row: Row[Any]) -> Row[Any]:
        """Notes a row whose lease has just begun, and returns it."""
        self.saw(row)
        return row

    def renewed(self, lease: timedelta) -> dict[str, Any]:
        """The values of a row whose lease begins now."""
        return {
            self._renewals.name: self._renewals + 1,
            self._length.name: round(lease.total_seconds() * 1000),
            self._until.name: now() + lease,
        }
