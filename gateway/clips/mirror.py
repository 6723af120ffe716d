"""The mirror: the indexes that are searched learn what the catalog has changed in a clip."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence

import structlog
from audiosearch.catalog.v1.clip_pb2 import Clip, LookupClipsRequest
from audiosearch.catalog.v1.library_pb2 import LIBRARY_VIEW_BASIC, GetLibraryRequest

from gateway.clips.coalescing import Coalescer
from gateway.clips.vectors import Vectors
from gateway.libraries import indexes
from gateway.upstream import Upstream
from serving.compat import timeout
from serving.errors import Reason, ServiceError
from serving.names import split_clip
from serving.telemetry import remaining

SECONDS = 15.0
"""Longest that an answer waits for the mirror. A recording of an hour takes some 3 s."""
MARGIN = 0.5
"""Seconds of the caller's deadline that are kept for the answer."""
MOST_LEFT = 100_000
"""Clips that are remembered to be mirrored later. The sweep finds the others."""
PAGE = 1000
log = structlog.get_logger()


class Mirror:
    """Brings changed clips into the indexes, so that a filter of a search sees the change.

    The catalog is changed first, and its answer stands whatever becomes of the mirror. Changes that
    can't be mirrored at once are remembered, and tried again in the next round of the reconciler.
    Those that a gateway forgets when it ends are found by the sweep, which compares revisions.
    """

    def __init__(self, upstream: Upstream, vectors: Vectors) -> None:
        """Works on the services of `upstream`, and starts with nothing left."""
        self._upstream = upstream
        self._vectors = vectors
        self._calls = Coalescer(self._send)
        self._left: dict[str, set[str]] = {}

    async def update(self, clips: Sequence[Clip]) -> None:
        """Mirrors clips as the catalog has answered them. Its failure is no failure of the call.

        Only ACTIVE ones: a clip that is on its way is mirrored when it arrives.
        """
        active = [clip for clip in clips if clip.state == Clip.STATE_ACTIVE]
        try:
            async with timeout(_limit()):
                calls = [self._calls.add(split_clip(clip.name)[0], clip) for clip in active]
                await asyncio.gather(*calls)
        except (ServiceError, TimeoutError, asyncio.TimeoutError) as error:
            self._leave([clip.name for clip in active], error)
        except BaseException as error:
            self._leave([clip.name for clip in active], error)
            raise

    async def follow(self, library: str, names: Collection[str]) -> None:
        """Mirrors clips that another change has touched, as they are in the catalog by now."""
        try:
            async with timeout(_limit()):
                await self._look_up(library, names)
        except (ServiceError, TimeoutError, asyncio.TimeoutError) as error:
            self._leave(names, error)
        except BaseException as error:
            self._leave(names, error)
            raise

    async def repair(self) -> None:
        """Mirrors what was left, as far as the services are there by now."""
        for library in list(self._left):
            names = self._left.pop(library)
            try:
                await self._look_up(library, names)
            except ServiceError as error:
                if error.reason is not Reason.LIBRARY_NOT_FOUND:
                    self._leave(names, error)
            except BaseException:
                self._remember(names)
                raise
            else:
                log.info("mirror.repaired", library=library, clips=len(names))

    async def _look_up(self, library: str, names: Collection[str]) -> None:
        ids = sorted({split_clip(name)[1] for name in names})
        for start in range(0, len(ids), PAGE):
            answer = await self._upstream.clips.LookupClips(
                LookupClipsRequest(parent=library, clip_ids=ids[start : start + PAGE])
            )
            if answer.clips:
                await self._send(library, list(answer.clips.values()))

    async def _send(self, library: str, clips: list[Clip]) -> list[None]:
        now = await self._upstream.libraries.GetLibrary(
            GetLibraryRequest(name=library, view=LIBRARY_VIEW_BASIC)
        )
        # Sent once each, at its last revision.
        last = {clip.name: clip for clip in sorted(clips, key=lambda clip: clip.revision)}
        for generation in indexes.written(now):
            await self._vectors.mirror_in(generation, list(last.values()))
        return [None] * len(clips)

    def _leave(self, names: Collection[str], error: BaseException) -> None:
        """Remembers clips to be mirrored later."""
        self._remember(names)
        log.warning("mirror.postponed", clips=len(names), why=str(error) or type(error).__name__)

    def _remember(self, names: Iterable[str]) -> None:
        room = MOST_LEFT - sum(map(len, self._left.values()))
        for name in names:
            if room <= 0:
                log.warning("mirror.left_to_the_sweep", clip=name)
                return
            self._left.setdefault(split_clip(name)[0], set()).add(name)
            room -= 1


def _limit() -> float:
    """Seconds that the mirror may take, so that the caller is answered in time."""
    left = remaining()
    return SECONDS if left is None else max(0.0, min(SECONDS, left - MARGIN))
