"""Verification of one speaker's voice, and identification among several."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
from audiosearch.catalog.v1.library_pb2 import CountVectorsRequest, Library
from audiosearch.catalog.v1.speaker_pb2 import (
    GetSpeakerRequest,
    LookupSpeakersRequest,
    Speaker,
)
from audiosearch.gateway.v1.speakers_pb2 import (
    IdentifySpeakerConfig,
    IdentifySpeakerResponse,
    SpeakerMatch,
    Threshold,
    VerifySpeakerConfig,
    VerifySpeakerResponse,
)
from audiosearch.index.v1.index_pb2 import Neighbor
from audiosearch.index.v1.index_service_pb2 import SearchVectorsRequest

from gateway.libraries import indexes
from gateway.libraries.libraries import Libraries
from gateway.libraries.recent import ChangedError
from gateway.speakers.judging import ITSELF_NOTE, Candidate, Judgement, Judging
from gateway.speakers.vector_ids import (
    current_id,
    is_enrolled,
    parse_vector_id,
)
from gateway.speakers.voice import Voice, hear
from gateway.speakers.voiceprints import Voiceprints
from gateway.upstream import Upstream, passing_over
from serving import limits
from serving.errors import Reason, ServiceError
from serving.names import check_library, speaker_within, split_speaker

DEFAULT_K = 5
MAX_K = int(limits.of(IdentifySpeakerConfig, "k").maximum)
MAX_CANDIDATES = limits.of(IdentifySpeakerConfig, "candidates").max_items
COMPARED = 50
"""Speakers with the best cosine whose scores are normalised, or k if that is more. AS-norm may rank
them differently.
"""
SPARE = 8
"""Voiceprints that are searched in addition, because some may be outdated."""
MAX_REACH = 1000


class Recognizing:
    """Verifies and identifies."""

    def __init__(
        self,
        upstream: Upstream,
        libraries: Libraries,
        voiceprints: Voiceprints,
        judging: Judging,
    ) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._libraries = libraries
        self._voiceprints = voiceprints
        self._judging = judging

    async def verify(
        self, config: VerifySpeakerConfig, chunks: AsyncIterator[bytes]
    ) -> VerifySpeakerResponse:
        """Compares a voice with one speaker; errors as in the contract."""
        parent, _ = split_speaker(config.name, "config.name")
        library = await self._libraries.open_for_voices(parent)
        await self._enrolled(config.name)  # before audio is read in vain
        voice, calibration = await asyncio.gather(
            hear(self._upstream, library, config.clip, chunks, config.channel),
            self._judging.calibration(library.name),
        )
        # Read again, because it may have changed while the audio came.
        candidates = await self._candidates(library, [await self._enrolled(config.name)])
        if not candidates:
            raise _not_enrolled(config.name)
        speaker = candidates[0].speaker
        judgement = await self._judging.judge(library, voice, candidates, calibration)
        (score,) = judgement.scores
        if voice.enrolled == speaker.name:
            judgement.threshold.note = "; ".join(
                filter(None, (judgement.threshold.note, ITSELF_NOTE))
            )
        accepted = judgement.accepts(score)
        return VerifySpeakerResponse(
            speaker=speaker,
            score=score,
            threshold=judgement.threshold,
            decision=VerifySpeakerResponse.DECISION_ACCEPT
            if accepted
            else VerifySpeakerResponse.DECISION_REJECT,
            audio=voice.audio,
            model=library.model,
            short_speech=voice.short,
        )

    async def identify(
        self, config: IdentifySpeakerConfig, chunks: AsyncIterator[bytes]
    ) -> IdentifySpeakerResponse:
        """Compares a voice with all speakers, or with some; errors as in the contract."""
        k = _check(config)
        library = await self._libraries.open_for_voices(config.parent, recent=True)
        voice, calibration = await asyncio.gather(
            hear(self._upstream, library, config.clip, chunks, config.channel),
            self._judging.calibration(library.name),
        )
        try:
            library, near, count = await self._compared(library, voice, config, k)
        except ChangedError:  # it is no more as it was remembered
            now = await self._libraries.open_for_voices(config.parent)
            if now.model != library.model:
                raise
            calibration = await self._judging.calibration(now.name)
            library, near, count = await self._compared(now, voice, config, k)
        judgement = await self._judging.judge(library, voice, near, calibration)
        return _answer(library, voice, judgement, near, k, count)

    async def _compared(
        self, library: Library, voice: Voice, config: IdentifySpeakerConfig, k: int
    ) -> tuple[Library, list[Candidate], int]:
        """The library as it is now, the speakers to compare with, and how many there are.

        Raises:
            ChangedError: the library is not as it was remembered.
        """
        if not config.candidates:
            return await self._nearest(library, voice, max(k, COMPARED))
        library = await self._libraries.confirm(library)
        near = await self._candidates(library, await self._named(library, config.candidates))
        return library, near, len(near)

    async def _enrolled(self, name: str) -> Speaker:
        speaker = await self._upstream.speakers.GetSpeaker(GetSpeakerRequest(name=name))
        if not is_enrolled(speaker):
            raise _not_enrolled(name)
        return speaker

    async def _named(self, library: Library, names: Sequence[str]) -> list[Speaker]:
        """The existing speakers among these names."""
        ids = [
            speaker_within(library.name, name, "config.candidates") for name in dict.fromkeys(names)
        ]
        answer = await self._upstream.speakers.LookupSpeakers(
            LookupSpeakersRequest(parent=library.name, speaker_ids=ids)
        )
        return list(answer.speakers.values())

    async def _candidates(self, library: Library, speakers: Sequence[Speaker]) -> list[Candidate]:
        """The speakers with a voiceprint, in their order."""
        found = await self._having(library, speakers)
        known = {each.speaker.uid for each in found}
        # Some voiceprints were made again since the catalog was asked, or do not exist.
        if late := [each.uid for each in speakers if each.uid not in known]:
            found += await self._having(library, await self._looked_up(library, late))
        order = {each.uid: place for place, each in enumerate(speakers)}
        return sorted(found, key=lambda each: order[each.speaker.uid])

    async def _having(self, library: Library, speakers: Sequence[Speaker]) -> list[Candidate]:
        ids = [current_id(each) for each in speakers if is_enrolled(each)]
        vectors = await self._voiceprints.read(
            indexes.voiceprints(library), list(filter(None, ids))
        )
        return [
            Candidate(each, vectors[current_id(each)])
            for each in speakers
            if current_id(each) in vectors
        ]

    async def _looked_up(self, library: Library, uids: Sequence[str]) -> list[Speaker]:
        """The enrolled speakers among these, in this order."""
        answer = await self._upstream.speakers.LookupSpeakers(
            LookupSpeakersRequest(parent=library.name, uids=uids)
        )
        return [answer.speakers[uid] for uid in uids if uid in answer.speakers]

    async def _nearest(
        self, library: Library, voice: Voice, wanted: int
    ) -> tuple[Library, list[Candidate], int]:
        """The speakers with the nearest voiceprints, at most `wanted`; answers as `_compared`."""
        reach = min(wanted + SPARE, MAX_REACH)
        while True:
            neighbors = await self._neighbors(library, voice, reach)
            # Voiceprints may be outdated: they lead to speakers, whose current ones are compared.
            uids = list(dict.fromkeys(parse_vector_id(near.id)[0] for near in neighbors))
            if not uids:
                return await self._libraries.confirm(library), [], 0
            answer = await self._upstream.speakers.LookupSpeakers(
                LookupSpeakersRequest(parent=library.name, uids=uids, with_library=True)
            )
            library = await self._libraries.confirm(
                library, answer.library if answer.HasField("library") else None
            )
            found = [answer.speakers[uid] for uid in uids if uid in answer.speakers][:wanted]
            if len(found) == wanted or len(neighbors) < reach or reach == MAX_REACH:
                near = await self._joined(library, found, neighbors)
                return library, near, max(len(near), answer.voiceprint_count)
            reach = min(2 * reach, MAX_REACH)

    async def _neighbors(self, library: Library, voice: Voice, reach: int) -> Sequence[Neighbor]:
        request = SearchVectorsRequest(
            index_id=indexes.voiceprints(library),
            model=library.model,
            k=reach,
            recall_target=0.99,
            queries=[SearchVectorsRequest.Query(values=voice.values.tolist())],
            with_values=True,
        )
        with passing_over(Reason.INDEX_NOT_FOUND):
            return (await self._upstream.index.SearchVectors(request)).results[0].neighbors
        await self._libraries.confirm(library)
        counts = await self._upstream.libraries.CountVectors(CountVectorsRequest(name=library.name))
        if not counts.voiceprint_count:  # no speaker was ever enrolled
            return ()
        raise ServiceError(
            Reason.INDEX_UNAVAILABLE,
            f"the index has lost the voiceprints of {library.name}, which are made again; try "
            "again in a minute",
        )

    async def _joined(
        self, library: Library, speakers: Sequence[Speaker], neighbors: Sequence[Neighbor]
    ) -> list[Candidate]:
        """The speakers with their current voiceprints, most of which came with the neighbors."""
        values = {near.id: near.values for near in neighbors if near.values}
        known = {
            each.uid: Candidate(each, np.array(values[current_id(each)], np.float32))
            for each in speakers
            if current_id(each) in values
        }
        others = [each for each in speakers if each.uid not in known]
        if others:
            known |= {each.speaker.uid: each for each in await self._candidates(library, others)}
        return [known[each.uid] for each in speakers if each.uid in known]


def _check(config: IdentifySpeakerConfig) -> int:
    """The number of speakers to find; FIELD_INVALID for an invalid config."""
    check_library(config.parent, "config.parent")
    if config.HasField("k") and not 1 <= config.k <= MAX_K:
        raise ServiceError(
            Reason.FIELD_INVALID, f"k: {config.k} is not from 1 to {MAX_K}", {"field": "k"}
        )
    if len(config.candidates) > MAX_CANDIDATES:
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"config.candidates: at most {MAX_CANDIDATES:,}, not {len(config.candidates):,}",
            {"field": "config.candidates"},
        )
    return config.k if config.HasField("k") else DEFAULT_K


def _answer(
    library: Library,
    voice: Voice,
    judgement: Judgement,
    candidates: Sequence[Candidate],
    k: int,
    count: int,
) -> IdentifySpeakerResponse:
    ranked = sorted(
        zip(candidates, judgement.scores, strict=True),
        key=lambda pair: (-judgement.decided_on(pair[1]), pair[0].speaker.name),
    )
    answer = IdentifySpeakerResponse(
        matches=[
            SpeakerMatch(speaker=candidate.speaker, score=score)
            for candidate, score in ranked[:k]
            if judgement.accepts(score)
        ],
        threshold=judgement.threshold,
        candidate_count=count,
        best_score=ranked[0][1] if ranked else None,
        audio=voice.audio,
        model=library.model,
        short_speech=voice.short,
    )
    if judgement.threshold.basis != Threshold.BASIS_DEFAULT:
        rate = judgement.threshold.expected_false_alarm_rate
        answer.expected_stranger_rate = min(1.0, rate * count)
    return answer


def _not_enrolled(name: str) -> ServiceError:
    return ServiceError(
        Reason.SPEAKER_NOT_ENROLLED,
        f"{name} has no enrollments; enroll a recording first",
        {"speaker": name},
    )
