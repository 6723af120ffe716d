"""Changes the type of an index as it grows, while it is read and written.

Milvus can't change the index of a collection in use, so a second collection is filled and replaces
the first. No lock is held, and several replicas may try at the same time. These rules keep the data
right:

- Every write goes to all collections of an index, the older first (`MilvusStore`). So a new
  collection gets each write that was not answered before its creation.
- Rows are copied from the older collection to the newer, then read again from the older. Rows that
  changed in between are copied or removed again, until both reads are equal.
- The alias that readers use moves in one step, and only while it still names the collection that
  was copied. A collection is dropped only while it has no alias.
- A collection that a crash left behind does no harm. It is dropped when its maker gave no sign of
  life for some time, and the work starts anew. If the maker still lives, its last step fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack

import structlog

from index_service import collection_names, filters
from index_service.commands import Collection, Commands, Row
from index_service.connection import NoCollectionError, NotLoadedError, TakenError
from index_service.plan import Plan, plan
from index_service.settings import IndexSettings
from index_service.store import IndexInfo
from serving.errors import ServiceError

log = structlog.get_logger()

_IDS = 8000  # compared at a time
_VECTORS = 2000  # copied at a time
# The next two are multiples of `retune_seconds`.
_LINGER = 0.5  # searches that began on the old collection end on it
_DEAD = 12  # the maker of a collection gives a sign of life about every second
_SWEEP_SECONDS = 600.0
_BUILD_SECONDS = 60.0  # bounded: during a long import building never ends
_STEADY = 3  # Milvus plans the building of an index shortly after the files are written


class _StoppedError(Exception):
    """The service is ending."""


class _OvertakenError(Exception):
    """Another replica was faster, or the index was dropped."""


class Retuner:
    """Checks the indexes of a server from a separate thread and changes their types."""

    def __init__(self, commands: Commands, settings: IndexSettings) -> None:
        """Starts the thread."""
        self._commands = commands
        self._settings = settings
        self._touched: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._sweep_at = 0.0
        self._thread = threading.Thread(target=self._run, name="retuner", daemon=True)
        self._thread.start()

    def touch(self, index_id: str) -> None:
        """Notes that an index was written to, to be checked next time."""
        with self._lock:
            self._touched.add(index_id)

    def close(self) -> None:
        """Ends the thread. A collection that is not complete stays for another replica to drop."""
        self._stop.set()
        self._thread.join(self._settings.store_seconds)

    def _run(self) -> None:
        while not self._stop.wait(self._settings.retune_seconds):
            with self._lock:
                touched, self._touched = self._touched, set()
            try:
                for index_id in self._due(touched):
                    self._look_after(index_id)
            except _StoppedError:
                return
            except ServiceError as error:  # Milvus is gone: the next round tries again
                log.info("retune.postponed", why=error.message)
                self._sweep_at = 0.0
            except Exception:  # the boundary of the thread: an unexpected error must not end it
                log.exception("retune.crashed")

    def _due(self, touched: set[str]) -> Iterable[str]:
        """Returns the indexes that were written to or have extra collections; now and then all."""
        owners = [collection_names.owner(name) for name in self._commands.names()]
        ids = [index_id for index_id in owners if index_id is not None]
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + _SWEEP_SECONDS
            return sorted(set(ids))
        return sorted(one for one in set(ids) if one in touched or ids.count(one) > 1)

    def _look_after(self, index_id: str) -> None:
        try:
            active = self._active(index_id)
            others = self._clear(index_id, active)
            if active is None or others or collection_names.owner(active.name) is None:
                return
            present = self._commands.index(active.name).plan
            wanted = plan(self._commands.count(active.name), present.index_type, self._settings)
            if wanted.index_type != present.index_type:
                self._replace(index_id, active, wanted)
        except _OvertakenError:
            log.info("retune.overtaken", index=index_id)
        except (NoCollectionError, NotLoadedError, TakenError):
            log.info("retune.gone", index=index_id)

    def _active(self, index_id: str) -> Collection | None:
        try:
            return self._commands.describe(collection_names.alias(index_id))
        except NoCollectionError:
            return None

    def _clear(self, index_id: str, active: Collection | None) -> list[str]:
        """Drops the collections whose makers are dead, and returns the other inactive ones."""
        alive = []
        for name in collection_names.collections_of(index_id, self._commands.names()):
            if active is not None and name == active.name:
                continue
            try:
                there = self._commands.describe(name)
            except NoCollectionError:
                continue
            silent = time.time() - there.alive
            if there.aliases or silent < _DEAD * self._settings.retune_seconds:
                alive.append(name)
            else:
                log.info("retune.cleared", index=index_id, collection=name)
                self._commands.drop(name)
        return alive

    def _replace(self, index_id: str, active: Collection, wanted: Plan) -> None:
        start, source = time.monotonic(), active.name
        target = collection_names.new_collection(index_id, source)
        log.info("retune.started", index=index_id, type=wanted.index_type)
        with ExitStack() as unfinished:
            unfinished.callback(self._drop_unused, target)
            self._commands.make(target, active.info, wanted)
            self._copy(source, target, active.info)
            self._build(target)
            self._copy(source, target, active.info)
            self._check_active(index_id, source)
            self._commands.sign(source)  # so that it is not dropped while searches end on it
            # From here on `target` may be in use, even if Milvus fails. Only `_clear` may drop it.
            unfinished.pop_all()
        self._commands.move_alias(collection_names.alias(index_id), target)
        self._copy(
            source, target, active.info
        )  # rows that a writer wrote to `source` only before it died
        self._wait(_LINGER * self._settings.retune_seconds)
        self._drop_unused(source)
        seconds = round(time.monotonic() - start, 1)
        log.info("retune.done", index=index_id, type=wanted.index_type, seconds=seconds)

    def _check_active(self, index_id: str, source: str) -> None:
        active = self._active(index_id)
        if active is None or active.name != source:
            raise _OvertakenError

    def _drop_unused(self, name: str) -> None:
        try:
            if not self._commands.describe(name).aliases:
                self._commands.drop(name)
        except (NoCollectionError, ServiceError) as error:  # `_clear` tries again later
            log.info("retune.left", collection=name, why=str(error))

    def _copy(self, source: str, target: str, info: IndexInfo) -> None:
        """Makes the ids of `target` equal to those of `source`, and copies missing rows.

        Rows with attributes of another revision are copied too.
        """
        columns, after = ["revision"] if info.windows else [], ""
        while True:
            self._sign(target)
            wanted = self._commands.list_rows(source, after, _IDS, columns)
            there = self._commands.list_rows(target, after, _IDS, columns)
            # The ids after the last one of a full page are unknown, so they are not compared yet.
            ends = [rows[-1]["id"] for rows in (wanted, there) if len(rows) == _IDS]
            end = min(ends, default=None)
            first, second = (
                {_version(row) for row in rows if end is None or row["id"] <= end}
                for rows in (wanted, there)
            )
            different = sorted({vector_id for vector_id, _ in first ^ second})
            for start in range(0, len(different), _VECTORS):
                self._agree(source, target, different[start : start + _VECTORS], info)
            if end is None:
                return
            after = end

    def _agree(self, source: str, target: str, ids: list[str], info: IndexInfo) -> None:
        """Copies or removes rows, and repeats this for those that changed in `source` meanwhile."""
        columns = ["*"] if info.windows else ["vector"]
        while ids:
            self._sign(target)
            before = self._commands.rows(source, ids, columns, unsettled=True)
            gone = [one for one in ids if one not in before]
            if before:
                self._commands.upsert(target, list(before.values()))
            if gone:
                self._commands.delete(target, f"id in {filters.quoted(gone)}")
            now = self._commands.rows(source, ids, columns, unsettled=True)
            ids = [one for one in ids if before.get(one) != now.get(one)]

    def _build(self, target: str) -> None:
        """Waits until the copied rows are in the index, at most `_BUILD_SECONDS`."""
        self._commands.flush(target)
        give_up, steady = time.monotonic() + _BUILD_SECONDS, 0
        while steady < _STEADY and time.monotonic() < give_up:
            steady = 0 if self._commands.index(target).pending else steady + 1
            self._sign(target)
            self._wait(1.0)

    def _sign(self, target: str) -> None:
        self._wait(0.0)
        self._commands.sign(target)

    def _wait(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise _StoppedError


def _version(row: Row) -> tuple[str, int | None]:
    return row["id"], row.get("revision")
