"""Finishes or undoes interrupted work on speakers, and compares voiceprints with rows."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

import structlog
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import (
    ListSpeakersRequest,
    LookupSpeakersRequest,
    Speaker,
)
from audiosearch.index.v1.index_service_pb2 import ListVectorsRequest

from gateway.libraries import indexes
from gateway.listing import pages
from gateway.settings import GatewaySettings
from gateway.skip import skip
from gateway.speakers.removing import Removing
from gateway.speakers.vector_ids import current_id, parse_vector_id
from gateway.speakers.voiceprints import Voiceprints
from gateway.upstream import Upstream, passing_over
from serving.errors import Reason

PAGE = 1000
UPDATE_SECONDS = 10.0
"""Age from which on the making of a voiceprint counts as abandoned. Making it twice is harmless."""
log = structlog.get_logger()


class Upkeep:
    """The reconciler's work on the speakers of a library."""

    def __init__(
        self,
        upstream: Upstream,
        voiceprints: Voiceprints,
        removing: Removing,
        settings: GatewaySettings,
    ) -> None:
        """Takes the ages from which on work counts as abandoned from the settings."""
        self._upstream = upstream
        self._voiceprints = voiceprints
        self._removing = removing
        self._ages = {
            Speaker.STATE_UPDATING: min(UPDATE_SECONDS, settings.stale_seconds),
            Speaker.STATE_DELETING: settings.deletion_seconds,
            Speaker.STATE_CREATING: settings.stale_seconds,
        }

    async def reconcile(self, library: Library) -> None:
        """Looks once through the speakers with unfinished work."""
        work: dict[int, Callable[[Library, Speaker], Awaitable[object]]] = {
            Speaker.STATE_UPDATING: self._voiceprints.refresh,
            Speaker.STATE_DELETING: self._removing.finish,
            Speaker.STATE_CREATING: self._removing.undo,
        }
        for state, age in self._ages.items():
            async for some in self._pages(library, state, age):
                for speaker in some:
                    await self._one(work[state], library, speaker)

    async def fill_coming(self, library: Library) -> None:
        """Makes the voiceprints of all speakers by the model that a migration gives a library."""
        following = indexes.migrated(library)
        if following.model != library.model:
            async for some in self._pages(library, Speaker.STATE_ACTIVE):
                for speaker in some:
                    await self._one(self._voiceprints.make, following, speaker)

    async def renew(self, library: Library) -> None:
        """Makes the voiceprints of all speakers again, and what is known of how they agree."""
        async for some in self._pages(library, Speaker.STATE_ACTIVE):
            for speaker in some:
                await self._one(self._voiceprints.refresh, library, speaker)

    async def sweep(self, library: Library) -> None:
        """Makes missing voiceprints of speakers, and removes outdated ones."""
        async for some in self._pages(library, Speaker.STATE_ACTIVE):
            wanted = {current_id(each): each for each in some if each.voiceprint_revision}
            there = await self._voiceprints.read(indexes.voiceprints(library), list(wanted))
            for id_ in wanted.keys() - there.keys():
                log.warning("sweep.voiceprint_lost", speaker=wanted[id_].name)
                await self._one(self._voiceprints.refresh, library, wanted[id_])
        request = ListVectorsRequest(index_id=indexes.voiceprints(library), page_size=PAGE)
        with passing_over(Reason.INDEX_NOT_FOUND):
            while True:
                page = await self._upstream.index.ListVectors(request)
                await self._remove_left_over(library, page.ids)
                request.after_id = page.next_after_id
                if not page.next_after_id:
                    return

    async def _remove_left_over(self, library: Library, ids: Collection[str]) -> None:
        """Removes the listed voiceprints that their speakers, looked up now, do not need.

        Revisions only rise. So a voiceprint that is neither the speaker's nor of its last revision
        will never be needed.
        """
        if not ids:
            return
        uids = sorted({parse_vector_id(id_)[0] for id_ in ids})
        answer = await self._upstream.speakers.LookupSpeakers(
            LookupSpeakersRequest(parent=library.name, uids=uids)
        )
        kept = {
            (uid, revision)
            for uid, speaker in answer.speakers.items()
            for revision in (speaker.voiceprint_revision, speaker.revision)
        }
        left = [id_ for id_ in ids if parse_vector_id(id_) not in kept]
        if left:
            await self._voiceprints.remove(library, left)
            log.warning("sweep.voiceprints_removed", library=library.name, count=len(left))

    async def _one(
        self,
        work: Callable[[Library, Speaker], Awaitable[object]],
        library: Library,
        speaker: Speaker,
    ) -> None:
        with skip(speaker.name):
            await work(library, speaker)
            log.info("reconcile.speaker", speaker=speaker.name)

    async def _pages(
        self, library: Library, state: Speaker.State.ValueType, age: float = 0.0
    ) -> AsyncIterator[Sequence[Speaker]]:
        """Speakers in a state, last changed so many seconds ago or more."""
        request = ListSpeakersRequest(parent=library.name, page_size=PAGE, state=state)
        if age:
            request.update_time_before.FromNanoseconds(int((time.time() - age) * 1e9))
        async for page in pages(self._upstream.speakers.ListSpeakers, request):
            yield page.speakers
