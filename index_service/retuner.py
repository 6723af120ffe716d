"""Gives an index another kind as it grows, while it is read and written.

Milvus can't change the index of a collection in use, so a second collection is filled and takes the
first one's place. Nothing is locked, and any number of replicas may try; what keeps it right:

- Every write goes to all collections of an index, the older first (`MilvusStore`). So a new one
  gets each write that was not answered before it was made.
- Rows are copied from the older to the newer, then read again from the older; what changed or went
  there meanwhile is copied or removed again, until the two reads agree.
- The alias that readers use moves in one step, and only while it still is on the collection that
  was copied. A collection is only dropped while it has no alias.
- One that is left behind by a crash does no harm: it is dropped once its maker gave no sign for
  some time, and the work starts anew. That is no matter of right or wrong: should its maker still
  live, its last step fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack

import structlog

from index_service import collection_names
from index_service.commands import Collection, Commands
from index_service.connection import NoCollectionError, NotLoadedError, TakenError
from index_service.plan import Plan, plan
from index_service.settings import IndexSettings
from serving.errors import ServiceError

log = structlog.get_logger()

_IDS = 8000  # compared at a time
_VECTORS = 2000  # copied at a time
# Both in looks, ten seconds each unless set otherwise.
_LINGER = 0.5  # searches that began on the old collection end on it
_DEAD = 12  # whoever fills a collection gives a sign every second or so
_SWEEP_SECONDS = 600.0
_BUILD_SECONDS = 60.0  # under a long import it never ends; what is not built is searched row by row
_STEADY = 3  # Milvus plans the building of an index a moment after the files are there


class _StoppedError(Exception):
    """The service ends."""


class _OvertakenError(Exception):
    """Another replica was first, or the index was dropped."""


class Retuner:
    """Looks after the indexes of a server from a thread of its own."""

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
        """Says that an index was written to."""
        with self._lock:
            self._touched.add(index_id)

    def close(self) -> None:
        """Ends the thread; what it was filling stays for another to remove."""
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
            except ServiceError as error:  # Milvus is gone: again at the next look
                log.info("retune.postponed", why=error.message)
                self._sweep_at = 0.0
            except Exception:  # the thread's boundary: what nobody expected must not end it
                log.exception("retune.crashed")

    def _due(self, touched: set[str]) -> Iterable[str]:
        """Indexes that were written to or have a collection too many; now and then all."""
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
        """Drops collections that nobody works on any more; returns those that somebody does."""
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
            self._commands.create(target, active.info)
            self._commands.load(target, wanted)
            self._copy(source, target)
            self._build(target)
            self._copy(source, target)
            self._check_active(index_id, source)
            self._commands.sign(source)  # so that nobody clears it away while searches end on it
            # From here on it may be in use even if Milvus does not answer: only `_clear` drops it.
            unfinished.pop_all()
        self._commands.move_alias(collection_names.alias(index_id), target)
        self._copy(source, target)  # what a writer that died had written to the older one only
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
        except (NoCollectionError, ServiceError) as error:  # `_clear` comes back to it
            log.info("retune.left", collection=name, why=str(error))

    def _copy(self, source: str, target: str) -> None:
        """Makes the ids in `target` those in `source`, and the vectors of ids that were missing."""
        after = ""
        while True:
            self._sign(target)
            wanted = self._commands.list_ids(source, after, _IDS)
            there = self._commands.list_ids(target, after, _IDS)
            # Beyond the last id of a full page nothing is known of that side.
            ends = [ids[-1] for ids in (wanted, there) if len(ids) == _IDS]
            end = min(ends, default=None)
            known = (set(ids) for ids in (wanted, there))
            first, second = ({one for one in ids if end is None or one <= end} for ids in known)
            different = sorted(first ^ second)
            for start in range(0, len(different), _VECTORS):
                self._agree(source, target, different[start : start + _VECTORS])
            if end is None:
                return
            after = end

    def _agree(self, source: str, target: str, ids: list[str]) -> None:
        """Copies or removes ids until nothing changed in `source` while that was done."""
        while ids:
            self._sign(target)
            before = self._commands.vectors(source, ids, unsettled=True)
            gone = [one for one in ids if one not in before]
            if before:
                self._commands.upsert(target, list(before), list(before.values()))
            if gone:
                self._commands.delete(target, gone)
            now = self._commands.vectors(source, ids, unsettled=True)
            ids = [one for one in ids if before.get(one) != now.get(one)]

    def _build(self, target: str) -> None:
        """Waits, not too long, until what was copied is in the index."""
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
