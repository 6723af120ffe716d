"""Voiceprints: the means of each speaker's enrollments, in an index of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, ListClipsRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import (
    GetSpeakerRequest,
    RecordVoiceprintRequest,
    Speaker,
)
from audiosearch.index.v1.index_pb2 import Vector
from audiosearch.index.v1.index_service_pb2 import (
    CreateIndexRequest,
    DeleteVectorsRequest,
    UpsertVectorsRequest,
)
from numpy.typing import NDArray

from gateway.libraries import indexes
from gateway.libraries.libraries import Libraries
from gateway.listing import pages
from gateway.speakers.vector_ids import current_id, vector_id
from gateway.upstream import Upstream, passing_over
from scoring.mean_voice import lowest_agreement, mean_voice
from serving.errors import Reason, ServiceError
from serving.names import split_clip
from serving.speech import JUDGED_SECONDS

PAGE = 1000
ROUNDS = 5
"""Tries to make a voiceprint while its enrollments keep changing."""

Values = NDArray[np.float32]


class Enrollment(NamedTuple):
    """A clip that a voiceprint is made of: its vector, and its speech in seconds."""

    values: Values
    speech: float


class Voiceprints:
    """Makes, reads and removes voiceprints."""

    def __init__(self, upstream: Upstream, libraries: Libraries) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._libraries = libraries

    async def enrolled(self, library: Library, speaker: str) -> dict[str, Values]:
        """Vectors of the enrollments of a speaker, by the id of their clip; errors as below."""
        found = await self._enrollments(library, speaker)
        return {id_: each.values for id_, each in found.items()}

    async def _enrollments(self, library: Library, speaker: str) -> dict[str, Enrollment]:
        """The enrollments of a speaker, by the id of their clip.

        Raises:
            ServiceError: STATE_CONFLICT while the index lacks one of them.
        """
        request = ListClipsRequest(
            parent=library.name,
            page_size=PAGE,
            filter=ClipFilter(state=Clip.STATE_ACTIVE, enrolled_speaker=speaker),
        )
        found: dict[str, Enrollment] = {}
        async for page in pages(self._upstream.clips.ListClips, request):
            ids = [split_clip(clip.name)[1] for clip in page.clips]
            vectors = await self.wholes(library, ids)
            if lost := [id_ for id_ in ids if id_ not in vectors]:
                raise ServiceError(
                    Reason.STATE_CONFLICT,
                    f"the index has lost the vector of {library.name}/clips/{lost[0]}, an "
                    f"enrollment of {speaker}; it is written again: try again in a moment, or "
                    "delete it",
                )
            for id_, clip in zip(ids, page.clips, strict=True):
                speech = clip.audio.active_duration.ToNanoseconds() / 1e9
                found[id_] = Enrollment(vectors[id_], speech)
        return found

    async def wholes(self, library: Library, clip_ids: Sequence[str]) -> dict[str, Values]:
        """The whole-clip vectors of those of these clips that have one, by clip id."""
        found = await indexes.whole_vectors(self._upstream.index, library, clip_ids)
        if len(found) < len(set(clip_ids)):
            # Since the library was read, a migration may have ended and its old indexes be gone.
            now = await self._libraries.now(library)
            if now is not None and now.generation != library.generation:
                if now.model != library.model:
                    raise ServiceError(
                        Reason.STATE_CONFLICT,
                        f"{library.name} was given another model meanwhile; try again",
                    )
                found = await indexes.whole_vectors(self._upstream.index, now, clip_ids)
        return {id_: np.array(values, np.float32) for id_, values in found.items()}

    async def read(self, index_id: str, ids: Sequence[str]) -> dict[str, Values]:
        """The existing vectors of an index among these, by their ids."""
        found: dict[str, Values] = {}
        with passing_over(Reason.INDEX_NOT_FOUND):
            async for each in indexes.read(self._upstream.index, index_id, ids):
                found[each.id] = np.array(each.values, np.float32)
        return found

    async def refresh(self, library: Library, speaker: Speaker) -> Speaker:
        """Makes the voiceprint of the current enrollments, and returns the speaker with it.

        Raises:
            ServiceError: SPEAKER_NOT_FOUND or STATE_CONFLICT if the speaker is being deleted, or
                keeps changing.
        """
        for _ in range(ROUNDS):
            library = await self._libraries.now(library) or library
            agreement = await self.make(library, speaker)
            await self.make_coming(library, speaker)
            try:
                recorded = await self._upstream.speakers.RecordVoiceprint(
                    RecordVoiceprintRequest(
                        name=speaker.name,
                        uid=speaker.uid,
                        revision=speaker.revision,
                        agreement=agreement,
                    )
                )
            except ServiceError as error:
                if error.reason not in {Reason.STATE_CONFLICT, Reason.SPEAKER_NOT_FOUND}:
                    raise
                speaker = await self._changed(library, speaker)
                continue
            if speaker.voiceprint_revision != recorded.voiceprint_revision:
                await self.remove(library, [current_id(speaker)])
            return recorded
        raise ServiceError(
            Reason.STATE_CONFLICT, f"{speaker.name} is changed all the time; try again in a moment"
        )

    async def make(self, library: Library, speaker: Speaker) -> float | None:
        """Writes the voiceprint of the current enrollments. Returns how well the worst one agrees.

        Raises:
            ServiceError: STATE_CONFLICT while the index lacks an enrollment.
        """
        enrolled = list((await self._enrollments(library, speaker.name)).values())
        if not enrolled:
            return None
        vectors = np.stack([each.values for each in enrolled])
        judged = np.array([each.speech >= JUDGED_SECONDS for each in enrolled])
        await self._write(library, speaker, mean_voice(vectors))
        return lowest_agreement(vectors, judged)

    async def make_coming(self, library: Library, speaker: Speaker) -> None:
        """Writes the voiceprint by the model that a migration gives the library, if it gives one.

        Before the migration has come to all enrollments there is none; it makes it at its end. So
        does the way back to a generation that is kept.
        """
        if library.migration.model and not indexes.keeps(library):
            with passing_over(Reason.STATE_CONFLICT):
                await self.make(indexes.migrated(library), speaker)

    async def remove(self, library: Library, ids: Iterable[str]) -> None:
        """Removes voiceprints by their ids. Missing ones and empty ids are no error."""
        wanted = [id_ for id_ in ids if id_]
        index_ids = dict.fromkeys(map(indexes.voiceprints, (library, indexes.migrated(library))))
        for start in range(0, len(wanted), PAGE):
            for index_id in index_ids:
                with passing_over(Reason.INDEX_NOT_FOUND):
                    await self._upstream.index.DeleteVectors(
                        DeleteVectorsRequest(index_id=index_id, ids=wanted[start : start + PAGE])
                    )

    async def _changed(self, library: Library, before: Speaker) -> Speaker:
        """The current speaker. If it is being deleted, its new voiceprint is removed."""
        written = vector_id(before.uid, before.revision)
        try:
            now = await self._upstream.speakers.GetSpeaker(GetSpeakerRequest(name=before.name))
        except ServiceError as error:
            if error.reason is Reason.SPEAKER_NOT_FOUND:
                await self.remove(library, [written])
            raise
        if now.uid != before.uid or now.state == Speaker.STATE_DELETING:
            await self.remove(library, [written])
            raise ServiceError(Reason.STATE_CONFLICT, f"{before.name} is being deleted")
        return now

    async def _write(self, library: Library, speaker: Speaker, values: Values) -> None:
        vector = Vector(id=vector_id(speaker.uid, speaker.revision), values=values.tolist())
        request = UpsertVectorsRequest(
            index_id=indexes.voiceprints(library), model=library.model, vectors=[vector]
        )
        with passing_over(Reason.INDEX_NOT_FOUND):
            await self._upstream.index.UpsertVectors(request)
            return
        await self._upstream.index.CreateIndex(
            CreateIndexRequest(
                index_id=request.index_id, model=library.model, dimension=len(values)
            )
        )
        if not await self._libraries.keep_index(library, request.index_id):
            raise ServiceError(Reason.STATE_CONFLICT, f"{library.name} is being deleted")
        await self._upstream.index.UpsertVectors(request)


def cosine(one: Values, other: Values) -> float:
    """Cosine of two unit vectors, in [-1, 1]."""
    return float(np.clip(np.dot(one, other), -1.0, 1.0))
