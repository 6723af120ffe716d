"""Looks at the stored audio of all clips, again and again: is it there, and is it what came in.

A look compares sizes, and versions of what lies elsewhere, which takes a moment. A pass compares
hashes, so many bytes a second, the oldest clips first, and goes on after a restart where it
stopped. One replica works at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Row
from ulid import ULID

from catalog_service.audio import check_rows
from catalog_service.audio.audio_store import AudioKey, AudioStore, UnreadableError
from catalog_service.audio.check_rows import Checked
from catalog_service.clips.rows import now
from catalog_service.completion import to_the_end
from catalog_service.database.database import Database
from catalog_service.database.states import AudioCondition
from serving.errors import ServiceError

CHUNK_BYTES = 2**20
_LOOK_CLIPS = 1000
_PASS_CLIPS = 200
_REPORT_SECONDS = 5.0
_LEASE_SECONDS = 60.0
_LEAST_REST_SECONDS = 1.0
log = structlog.get_logger()


class AudioChecks:
    """Finds audio that is damaged or missing, and marks its clips."""

    def __init__(
        self,
        database: Database,
        store: AudioStore,
        look_seconds: float,
        pass_seconds: float,
        bytes_per_second: int,
    ) -> None:
        """Takes the stores and the times.

        Args:
            database: the rows.
            store: the audio.
            look_seconds: time between the begins of two looks.
            pass_seconds: time between the begins of two passes.
            bytes_per_second: how much of the audio a pass reads; 0 for no pass.
        """
        self._database = database
        self._store = store
        self._look_seconds = look_seconds
        self._pass_time = timedelta(seconds=pass_seconds)
        self._rate = bytes_per_second
        self._worker = str(ULID()).lower()
        self._leases = check_rows.leases()
        self._next_look = time.monotonic()
        self._next_pass = time.monotonic() if bytes_per_second else math.inf
        self._claimed = 0.0
        self._cursor: str | None = None

    async def run(self) -> None:
        """Works until cancelled."""
        try:
            await self._work_on()
        finally:
            with contextlib.suppress(ServiceError):  # another replica waits a while then
                await to_the_end(self._let_go())

    async def _let_go(self) -> None:
        """Lets other replicas go on at once where this one stopped."""
        if self._cursor is not None:
            await self._report(cursor=self._cursor)
        await self._report(worker="")

    async def _work_on(self) -> None:
        while True:
            await asyncio.sleep(min(self._next_look, self._next_pass) - time.monotonic())
            try:
                await self._work()
            except ServiceError as error:
                log.info("audio.check_postponed", why=str(error))
                self._rest()
            except Exception:  # a boundary: the next look must come after any failure
                log.exception("audio.check_crashed")
                self._rest()

    def _rest(self) -> None:
        """Puts off what is due."""
        later = time.monotonic() + _LEASE_SECONDS
        self._next_look = max(self._next_look, later)
        self._next_pass = max(self._next_pass, later)

    async def _work(self) -> None:
        """Looks, if that is due, and goes on with a pass for some clips."""
        row = await self._claim()
        if row is None:  # another replica works
            self._rest()
            return
        begin = time.monotonic()
        if begin >= self._next_look:
            await self._look()
            self._next_look = begin + self._look_seconds  # one that fails is made again sooner
        if time.monotonic() >= self._next_pass:
            await self._pass_on(row)

    async def _pass_on(self, row: Row[Any]) -> None:
        begin = row.begin_time
        if begin is None:
            last = row.hashed_since_time
            if last is not None and now() - last < self._pass_time:
                self._wait_for_pass(last)
                return
            begin = now()
            await self._report(begin_time=begin)
        if await self._pass(row.cursor):
            await self._report(begin_time=None, cursor="", hashed_since_time=begin)
            self._wait_for_pass(begin)

    def _wait_for_pass(self, last: datetime) -> None:
        left = (last + self._pass_time - now()).total_seconds()
        self._next_pass = time.monotonic() + max(left, _LEAST_REST_SECONDS)

    async def _claim(self) -> Row[Any] | None:
        self._claimed = time.monotonic()
        return await self._database.write(
            lambda c: check_rows.claim(
                c, self._leases, self._worker, timedelta(seconds=_LEASE_SECONDS)
            )
        )

    async def _keep_claim(self) -> None:
        """Claims again in time. Were it lost, two would do the same work: no harm."""
        if time.monotonic() - self._claimed > _LEASE_SECONDS / 3:
            await self._claim()

    async def _report(self, **values: Any) -> None:
        await self._database.write(lambda c: check_rows.report(c, self._worker, **values))

    async def _look(self) -> None:
        """Compares the sizes of all stored audio, and the hashes of what is marked."""
        after = ""
        while True:
            begin = time.monotonic()
            page = await self._database.read(
                partial(check_rows.page, after=after, limit=_LOOK_CLIPS)
            )
            for each, seen in await self._seen(page.stored):
                if seen is AudioCondition.WHOLE and each.condition is not AudioCondition.WHOLE:
                    await self._compare(each)
                elif seen is not AudioCondition.WHOLE and seen is not each.condition:
                    await self._mark(each.key, seen)
            if not page.last:
                return
            after = page.last
            await self._keep_claim()
            await asyncio.sleep(time.monotonic() - begin)  # users come first

    async def _seen(self, stored: Sequence[Checked]) -> list[tuple[Checked, AudioCondition]]:
        """The conditions by sizes. Of audio elsewhere only if that is not away now."""
        own = [each for each in stored if not each.key.reference]
        elsewhere = [each for each in stored if each.key.reference]
        sizes = dict(await self._store.sizes([each.key for each in own]))
        try:
            sizes |= await self._store.sizes([each.key for each in elsewhere])
        except ServiceError as error:
            log.warning("audio.references_away", why=str(error))
            return [(each, judged(each, sizes)) for each in own]
        return [(each, judged(each, sizes)) for each in stored]

    async def _pass(self, after: str) -> bool:
        """Compares some more audio with its hashes. Returns True behind the last clip of all.

        Audio elsewhere is left out: looks compare its version, and reading it all costs money.
        """
        page = await self._database.read(lambda c: check_rows.page(c, after, _PASS_CLIPS))
        report = time.monotonic() + _REPORT_SECONDS
        for each in page.stored:
            if each.key.reference:
                continue
            await self._compare(each)
            self._cursor = each.key.clip_id
            if time.monotonic() > report:
                await self._report(cursor=self._cursor)
                report = time.monotonic() + _REPORT_SECONDS
        self._cursor = None
        await self._report(cursor=page.last)
        return not page.last

    async def _compare(self, stored: Checked) -> None:
        """Compares audio with its hash, and marks its clip if that says something new."""
        sizes = await self._store.sizes([stored.key])
        seen = judged(stored, sizes)
        if seen is AudioCondition.WHOLE:
            digest = await self._digest(stored)
            seen = AudioCondition.WHOLE if digest == stored.key.sha256 else AudioCondition.DAMAGED
        if seen is not stored.condition:
            await self._mark(stored.key, seen)

    async def _digest(self, stored: Checked) -> str:
        """The hash of stored audio; empty if it is gone or its disk does not give it."""
        digest = hashlib.sha256()
        begin = time.monotonic()
        try:
            done = 0
            async for chunk in self._store.read(
                stored.key, 0, stored.size, CHUNK_BYTES, digest.update
            ):
                done += len(chunk)
                if self._rate:
                    await asyncio.sleep(begin + done / self._rate - time.monotonic())
                await self._keep_claim()
        except (FileNotFoundError, UnreadableError):
            return ""
        return digest.hexdigest()

    async def _mark(self, key: AudioKey, condition: AudioCondition) -> None:
        """Marks a clip with the condition of its audio."""
        if await self._database.write(lambda c: check_rows.mark(c, key, condition)):
            whole = condition is AudioCondition.WHOLE
            (log.info if whole else log.error)(
                f"audio.{condition.name.lower()}",
                clip=key.clip_id,
                library_uid=key.library_uid,
            )


def judged(stored: Checked, sizes: Mapping[AudioKey, int]) -> AudioCondition:
    """The condition of audio by its size alone, given the sizes of what is there."""
    size = sizes.get(stored.key)
    if size is None:
        return AudioCondition.MISSING
    return AudioCondition.WHOLE if size == stored.size else AudioCondition.DAMAGED
