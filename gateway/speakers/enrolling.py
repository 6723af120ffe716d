"""Enrollment: recordings become clips, clips become enrollments, these make a voiceprint."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import numpy as np
import structlog
from audiosearch.catalog.v1.clip_pb2 import Clip, Failure, GetClipRequest
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.catalog.v1.speaker_pb2 import (
    AddEnrollmentsRequest,
    CreateSpeakerRequest,
    GetSpeakerRequest,
    Speaker,
)
from audiosearch.gateway.v1.speakers_pb2 import (
    EnrollSpeakerConfig,
    EnrollSpeakerRequest,
    EnrollSpeakerResponse,
    RecordingOutcome,
)
from google.protobuf.duration_pb2 import Duration

from gateway.clips.audio import require_no_channel
from gateway.clips.life import Clips
from gateway.clips.mirror import Mirror
from gateway.libraries.libraries import Libraries
from gateway.speakers.recordings import Take, takes
from gateway.speakers.removing import Removing
from gateway.speakers.voiceprints import ROUNDS, Values, Voiceprints, cosine
from gateway.upstream import Upstream, passing_over
from scoring.mean_voice import mean_voice
from serving.errors import Reason, ServiceError
from serving.names import clip_within, split_clip
from serving.speech import AGREES, JUDGED_SECONDS, LEAST_SECONDS

OTHER_VOICE = ((5.0, 0.35), (JUDGED_SECONDS, 0.15))
"""Pairs of seconds and cosine. A recording is another voice if its cosine to the mean of the
earlier enrollments is less, and these have at least so many seconds of speech. With the bundled
model, one in a hundred recordings of 2 s of the same voice gets less than 0.38 to three others, and
less than 0.28 to one. Half of those of another voice get less than 0.08."""
_ITS_OWN_FAULT = {
    Reason.AUDIO_TOO_SHORT,
    Reason.AUDIO_TOO_LONG,
    Reason.AUDIO_UNDECODABLE,
    Reason.AUDIO_SILENT,
    Reason.AUDIO_CHANNEL_MISSING,
    Reason.CLIP_NOT_FOUND,
    Reason.CLIP_ENROLLED,
    Reason.VOICE_MISMATCH,
}
"""Reasons that fail one recording but not the next ones."""
log = structlog.get_logger()


@dataclass
class Enrollee:
    """The speaker being enrolled, as far as it is known."""

    library: Library
    speaker: Speaker
    config: EnrollSpeakerConfig
    vectors: dict[str, Values] = field(default_factory=dict)
    """Vectors of its enrollments at the speaker's revision, by the id of their clip."""
    added: list[str] = field(default_factory=list)
    """Names of the clips that this call makes enrollments."""

    def agreement(self, clip_id: str, vector: Values) -> float | None:
        """Cosine to the mean of the other enrollments; None if there are none."""
        others = [other for id_, other in self.vectors.items() if id_ != clip_id]
        return cosine(vector, mean_voice(np.stack(others))) if others else None


class Enrolling:
    """Enrolls speakers."""

    def __init__(
        self,
        upstream: Upstream,
        libraries: Libraries,
        clips: Clips,
        voiceprints: Voiceprints,
        removing: Removing,
        mirror: Mirror,
    ) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream
        self._libraries = libraries
        self._clips = clips
        self._voiceprints = voiceprints
        self._removing = removing
        self._mirror = mirror
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def enroll(
        self, config: EnrollSpeakerConfig, requests: AsyncIterator[EnrollSpeakerRequest]
    ) -> EnrollSpeakerResponse:
        """Enrolls with the recordings after `config`; errors as in the contract."""
        library = await self._libraries.open_for_voices(config.parent)
        speaker, made = await self._speaker(config)
        who = Enrollee(library, speaker, config)
        who.vectors = await self._voiceprints.enrolled(library, who.speaker.name)
        outcomes: list[RecordingOutcome] = []
        errors: list[ServiceError] = []
        try:
            async for take in takes(requests):
                outcome = await self._outcome(who, take, errors)
                outcomes.append(outcome)
            _require_some(outcomes, errors)
        except BaseException:
            # Also if the caller went away: a speaker created for this call must not stay.
            await self._clips.cleanups.finish(self._break_off(who, made=made))
            raise
        await self._finish(who)
        return EnrollSpeakerResponse(speaker=who.speaker, outcomes=outcomes)

    async def _finish(self, who: Enrollee) -> None:
        """Mirrors the new enrollments and makes the voiceprint of all."""
        await self._mirror.follow(who.library.name, who.added)
        if who.speaker.state == Speaker.STATE_UPDATING:
            async with self._turn(who):
                who.speaker = await self._voiceprints.refresh(who.library, who.speaker)

    async def _break_off(self, who: Enrollee, *, made: bool) -> None:
        """Cleans up after a failure: removes an empty new speaker, or makes its voiceprint."""
        try:
            if made:
                await self._removing.undo(who.library, who.speaker)
            await self._finish(who)
        except ServiceError as error:
            log.warning("enroll.postponed", speaker=who.speaker.name, why=str(error))

    def _turn(self, who: Enrollee) -> asyncio.Lock:
        """A lock that makes changes of a speaker by this gateway wait for each other, not fail."""
        return self._turns.setdefault(who.speaker.uid, asyncio.Lock())

    async def _speaker(self, config: EnrollSpeakerConfig) -> tuple[Speaker, bool]:
        """The speaker, and True if it is new."""
        name = f"{config.parent}/speakers/{config.speaker_id}"
        request = CreateSpeakerRequest(
            parent=config.parent,
            speaker_id=config.speaker_id,
            speaker=config.speaker,
            request_id=uuid.uuid4().hex,  # the request may be sent again on the way
        )
        for _ in range(ROUNDS):
            try:
                return await self._upstream.speakers.CreateSpeaker(request), True
            except ServiceError as error:
                adds = config.existing != config.EXISTING_POLICY_FAIL
                if error.reason is not Reason.SPEAKER_EXISTS or not adds:
                    raise
            with passing_over(Reason.SPEAKER_NOT_FOUND):  # if deleted since, it is created
                there = await self._upstream.speakers.GetSpeaker(GetSpeakerRequest(name=name))
                return _alive(there), False
        raise ServiceError(Reason.STATE_CONFLICT, f"{name} comes and goes; try again in a moment")

    async def _outcome(
        self, who: Enrollee, take: Take, errors: list[ServiceError]
    ) -> RecordingOutcome:
        """The outcome of a recording. If the recording itself fails, `errors` gets its error."""
        outcome = RecordingOutcome()
        try:
            await self._take_in(who, take, outcome)
        except ServiceError as error:
            if error.reason not in _ITS_OWN_FAULT:
                raise
            errors.append(error)
            outcome.failure.CopyFrom(Failure(reason=error.reason.value, message=error.message))
        return outcome

    async def _take_in(self, who: Enrollee, take: Take, outcome: RecordingOutcome) -> None:
        clip, created = await self._clip(who, take)
        outcome.clip.CopyFrom(clip)
        try:
            _require_free(who, clip)
            _require_speech(clip)
            async with self._turn(who):
                await self._add(who, clip, outcome)
        except BaseException:
            if created:  # the clip was only made to be an enrollment
                undone = self._clips.discard(
                    who.library, clip.name, Clip.STATE_ACTIVE, who.speaker.name
                )
                await self._clips.cleanups.finish(undone)
                outcome.ClearField("clip")
            raise
        outcome.clip.enrolled_speaker = who.speaker.name

    async def _clip(self, who: Enrollee, take: Take) -> tuple[Clip, bool]:
        """The clip to enroll with, and True if it is new."""
        recording = take.recording
        if not recording.clip:
            clip = Clip(
                display_name=recording.display_name,
                speaker=who.config.speaker_id,
                channel=recording.channel or who.config.channel,
            )
            return await self._clips.ingest(who.library, clip, take.chunks, recording.request_id)
        require_no_channel(recording.channel)
        clip_within(who.library.name, recording.clip, "recording.clip")
        clip = await self._upstream.clips.GetClip(GetClipRequest(name=recording.clip))
        if clip.state != Clip.STATE_ACTIVE:
            raise ServiceError(
                Reason.CLIP_NOT_FOUND, f"{clip.name} is not ACTIVE; enroll with one that is"
            )
        return clip, False

    async def _add(self, who: Enrollee, clip: Clip, outcome: RecordingOutcome) -> None:
        """Makes a clip an enrollment, judged against exactly the enrollments that it joins."""
        _, clip_id = split_clip(clip.name)
        read = await self._voiceprints.wholes(who.library, [clip_id])
        if clip_id not in read:
            raise ServiceError(Reason.CLIP_NOT_FOUND, f"{clip.name} is gone; send it again")
        who.added.append(clip.name)  # also if the answer is lost: then its row tells
        for number in range(ROUNDS):
            agreement = who.agreement(clip_id, read[clip_id])
            if agreement is not None:
                outcome.agreement = agreement
            outcome.fit = _fit(who, clip, agreement)
            _require_same_voice(who, clip, agreement)
            request = AddEnrollmentsRequest(
                name=who.speaker.name,
                clips=[clip.name],
                revision=who.speaker.revision,
                uid=who.speaker.uid,
            )
            try:
                who.speaker = await self._upstream.speakers.AddEnrollments(request)
            except ServiceError as error:
                if error.reason is not Reason.STATE_CONFLICT:
                    raise
                # Another gateway was faster.
                await asyncio.sleep(random.uniform(0, 0.05 * number))  # noqa: S311
                await self._look_again(who)
                continue
            who.vectors[clip_id] = read[clip_id]
            return
        raise ServiceError(
            Reason.STATE_CONFLICT, f"others enroll {who.speaker.name} all the time; try again"
        )

    async def _look_again(self, who: Enrollee) -> None:
        """Reads speaker and enrollments again after another call has changed them."""
        request = GetSpeakerRequest(name=who.speaker.name)
        who.speaker = _alive(await self._upstream.speakers.GetSpeaker(request))
        who.vectors = await self._voiceprints.enrolled(who.library, who.speaker.name)


def _require_some(outcomes: Sequence[RecordingOutcome], errors: Sequence[ServiceError]) -> None:
    """Raises the first error if every recording has one."""
    if errors and len(errors) == len(outcomes):
        raise errors[0]


def _alive(speaker: Speaker) -> Speaker:
    if speaker.state == Speaker.STATE_DELETING:
        raise ServiceError(
            Reason.STATE_CONFLICT, f"{speaker.name} is being deleted; try again in a moment"
        )
    return speaker


def _require_free(who: Enrollee, clip: Clip) -> None:
    """Raises CLIP_ENROLLED for another speaker's enrollment. The catalog checks it too."""
    if clip.enrolled_speaker not in {"", who.speaker.name}:
        raise ServiceError(
            Reason.CLIP_ENROLLED,
            f"{clip.name} is an enrollment of {clip.enrolled_speaker}; remove it there first, or "
            "leave it out",
            {"clip": clip.name, "speaker": clip.enrolled_speaker},
        )


def _require_speech(clip: Clip) -> None:
    """Raises AUDIO_TOO_SHORT unless there is enough speech."""
    heard = _seconds(clip.audio.active_duration)
    if heard < LEAST_SECONDS:
        raise ServiceError(
            Reason.AUDIO_TOO_SHORT,
            f"the recording has {heard:.2f} s of speech; enroll with at least "
            f"{LEAST_SECONDS} s, better several seconds",
            {"active_seconds": f"{heard:.3f}", "limit": str(LEAST_SECONDS)},
        )


def _fit(who: Enrollee, clip: Clip, agreement: float | None) -> RecordingOutcome.Fit.ValueType:
    if agreement is None:
        return RecordingOutcome.FIT_FIRST
    heard = min(_seconds(clip.audio.active_duration), _seconds(who.speaker.speech_duration))
    if heard < JUDGED_SECONDS:
        return RecordingOutcome.FIT_TOO_SHORT
    return RecordingOutcome.FIT_GOOD if agreement >= AGREES else RecordingOutcome.FIT_LOW


def _require_same_voice(who: Enrollee, clip: Clip, agreement: float | None) -> None:
    """Raises VOICE_MISMATCH for another voice, if the recordings are long enough to tell."""
    if agreement is None or who.config.allow_other_voice:
        return
    heard, before = _seconds(clip.audio.active_duration), _seconds(who.speaker.speech_duration)
    needed = next((cosine for seconds, cosine in OTHER_VOICE if before >= seconds), -1.0)
    enrolled = clip.enrolled_speaker == who.speaker.name
    if heard < JUDGED_SECONDS or agreement >= needed or enrolled:
        return
    raise ServiceError(
        Reason.VOICE_MISMATCH,
        f"the recording does not sound like the enrollments of {who.speaker.name} (cosine "
        f"{agreement:.2f}, at least {needed} is needed); check whose voice it is, or set "
        "allow_other_voice",
        {"agreement": f"{agreement:.3f}", "limit": str(needed)},
    )


def _seconds(duration: Duration) -> float:
    return duration.ToNanoseconds() / 1e9
