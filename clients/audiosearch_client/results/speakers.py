"""Speakers, and decisions about voices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from audiosearch.catalog.v1 import speaker_pb2
from audiosearch.gateway.v1 import speakers_pb2

from audiosearch_client.results.clips import Clip
from audiosearch_client.results.searches import remarks_of
from audiosearch_client.results.view import View, last, seconds, table

_CALIBRATED = {
    speakers_pb2.Threshold.BASIS_CALIBRATED_COSINE,
    speakers_pb2.Threshold.BASIS_CALIBRATED_AS_NORM,
}


def deciding(score: speakers_pb2.VoiceScore, threshold: speakers_pb2.Threshold) -> float:
    """The score that the threshold is for: the cosine, or the calibrated log-likelihood ratio."""
    return score.log_likelihood_ratio if threshold.basis in _CALIBRATED else score.cosine


class Speaker(View[speaker_pb2.Speaker]):
    """A person whose voice is known from recordings."""

    @property
    def id(self) -> str:
        """Its short name, which calls take."""
        return last(self.message.name)

    @property
    def name(self) -> str:
        """The name for people; the short one if there is no other."""
        return self.message.display_name or self.id

    @property
    def metadata(self) -> dict[str, str]:
        """Anything else that is noted."""
        return dict(self.message.metadata)

    @property
    def enrollment_count(self) -> int:
        """Recordings that it is known from."""
        return self.message.enrollment_count

    @property
    def speech(self) -> float:
        """Speech in them, in seconds."""
        return seconds(self.message.speech_duration)

    @property
    def wanted_speech(self) -> float:
        """Further speech that would help, in seconds."""
        return seconds(self.message.wanted_speech_duration)

    def _told(self) -> Iterator[str]:
        yield repr(self.id)
        yield f"{self.enrollment_count} enrollments"
        yield f"{self.speech:.1f} s of speech"


@dataclass(frozen=True)
class Enrolled:
    """The outcome of one recording of an enrollment."""

    clip: Clip | None
    """The clip that it is, also if it was not enrolled; None if there is none."""

    reason: str
    """The reason why it was not enrolled, such as `VOICE_MISMATCH`; empty if it was."""

    problem: str
    """The same in a sentence."""

    agreement: float | None
    """Its cosine to the earlier enrollments; None for the first."""


class Enrollment(View[speakers_pb2.EnrollSpeakerResponse]):
    """The outcome of an enrollment."""

    @property
    def speaker(self) -> Speaker:
        """The speaker with its new enrollments."""
        return Speaker(self.message.speaker)

    @property
    def outcomes(self) -> list[Enrolled]:
        """The outcome of each recording, in their order."""
        return [
            Enrolled(
                Clip(each.clip) if each.HasField("clip") else None,
                each.failure.reason,
                each.failure.message,
                each.agreement if each.HasField("agreement") else None,
            )
            for each in self.message.outcomes
        ]

    def _told(self) -> Iterator[str]:
        yield repr(self.speaker.id)
        failed = [each.reason for each in self.outcomes if each.reason]
        yield f"{len(self.message.outcomes) - len(failed)} enrolled"
        if failed:
            yield f"{len(failed)} not: {', '.join(dict.fromkeys(failed))}"


class Verification(View[speakers_pb2.VerifySpeakerResponse]):
    """The decision if a recording is the voice of a speaker. It is true if it was accepted."""

    @property
    def accepted(self) -> bool:
        """True if it counts as the speaker's voice."""
        return self.message.decision == speakers_pb2.VerifySpeakerResponse.DECISION_ACCEPT

    @property
    def speaker(self) -> Speaker:
        """The speaker compared with."""
        return Speaker(self.message.speaker)

    @property
    def score(self) -> float:
        """The score that decides: a cosine, or a log-likelihood ratio with a calibration."""
        return deciding(self.message.score, self.message.threshold)

    @property
    def threshold(self) -> float:
        """The lowest score that is accepted."""
        return self.message.threshold.value

    @property
    def short_speech(self) -> bool:
        """True if the recording has too little speech for a sure decision."""
        return self.message.short_speech

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks about the audio, such as `NO_SPEECH`."""
        return remarks_of(self.message.audio)

    def __bool__(self) -> bool:
        """True if it was accepted."""
        return self.accepted

    def _told(self) -> Iterator[str]:
        yield repr(self.speaker.id)
        yield "accepted" if self.accepted else "rejected"
        yield f"{self.score:.3f} for a threshold of {self.threshold:.3f}"


@dataclass(frozen=True)
class Recognized:
    """A speaker that a voice may be of."""

    speaker: Speaker
    score: float
    """The score that decides, as in `Identification.threshold`."""

    cosine: float
    """Cosine of the voices in [-1, 1]."""


class Identification(View[speakers_pb2.IdentifySpeakerResponse]):
    """The enrolled speakers that a recording may be of. It is false if it is of none."""

    @property
    def matches(self) -> list[Recognized]:
        """Those whose score reaches the threshold, the best first."""
        threshold = self.message.threshold
        return [
            Recognized(Speaker(each.speaker), deciding(each.score, threshold), each.score.cosine)
            for each in self.message.matches
        ]

    @property
    def speaker(self) -> Speaker | None:
        """The best of them; None for a stranger."""
        return self.matches[0].speaker if self.message.matches else None

    @property
    def best_score(self) -> float | None:
        """The best of all scores, also below the threshold; None if nobody is enrolled."""
        if not self.message.HasField("best_score"):
            return None
        return deciding(self.message.best_score, self.message.threshold)

    @property
    def threshold(self) -> float:
        """The lowest score that counts: a cosine, or a log-likelihood ratio with a calibration."""
        return self.message.threshold.value

    @property
    def candidate_count(self) -> int:
        """Speakers that were compared."""
        return self.message.candidate_count

    @property
    def short_speech(self) -> bool:
        """True if the recording has too little speech for a sure decision."""
        return self.message.short_speech

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks about the audio, such as `NO_SPEECH`."""
        return remarks_of(self.message.audio)

    def __bool__(self) -> bool:
        """True if anybody was recognised."""
        return bool(self.message.matches)

    def _told(self) -> Iterator[str]:
        yield repr(self.speaker.id) if self.speaker else "nobody"
        if self.best_score is not None:
            yield f"{self.best_score:.3f} for a threshold of {self.threshold:.3f}"
        yield f"{self.candidate_count:,} compared"

    def _repr_html_(self) -> str:
        rows = [
            (str(rank), f"{each.score:.3f}", each.speaker.id, each.speaker.name)
            for rank, each in enumerate(self.matches, 1)
        ]
        return table(("#", "score", "speaker", "name"), rows, ", ".join(self._told()))
