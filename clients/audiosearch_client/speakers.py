"""The part of the Python client for voices: `client.speakers`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import IO, TypeVar

from audiosearch.catalog.v1 import calibration_pb2, speaker_pb2
from audiosearch.catalog.v1.calibration_pb2 import (
    NORMALIZATION_UNSPECIFIED,
    Calibration,
    Normalization,
    OperatingPoint,
)
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, ListClipsRequest
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.gateway.v1 import calibrations_pb2, speakers_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from audiosearch_client.connection import PATIENCE, Connection
from audiosearch_client.sounds import Audio
from audiosearch_client.streams import chunks, stream
from serving import limits

Recording = Audio | str
"""A sound, or the name of a clip of the library."""

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)


class Speakers:
    """Enrolls and recognises speakers. The errors are those of the client."""

    def __init__(self, connection: Connection) -> None:
        """Calls through `connection`."""
        self._connection = connection

    def enroll(
        self,
        library: str,
        speaker: str,
        recordings: Sequence[Recording],
        *,
        described: Speaker | None = None,
        allow_other_voice: bool = False,
        new: bool = False,
        channel: int = 0,
    ) -> speakers_pb2.EnrollSpeakerResponse:
        """Enrolls a speaker, or adds recordings to one that exists.

        Args:
            library: short name.
            speaker: the {speaker} part of the name, chosen by the caller.
            recordings: 1 to 100. A failed one does not affect the others: see `outcomes`.
            described: `display_name` and `metadata`, if the speaker is new.
            allow_other_voice: accept recordings that do not sound like the earlier ones.
            new: fail with SPEAKER_EXISTS if the speaker exists.
            channel: the channel of the files to hear, counted from 1; 0 for all, mixed to one.

        Raises:
            ServiceError: of the first recording, if none could be enrolled.
        """
        kind = speakers_pb2.EnrollSpeakerConfig
        config = kind(
            parent=f"libraries/{library}",
            speaker_id=speaker,
            speaker=described,
            existing=kind.EXISTING_POLICY_FAIL if new else kind.EXISTING_POLICY_ADD,
            allow_other_voice=allow_other_voice,
            channel=channel,
        )
        with ExitStack() as opened:
            # Opened before the call, because an error within the stream would be lost.
            files = [
                None
                if isinstance(one, str)
                else opened.enter_context(self._connection.open_audio(one))
                for one in recordings
            ]
            return self._connection.call(
                self._connection.stubs.speakers.EnrollSpeaker,
                _enrollment(config, list(zip(recordings, files, strict=True))),
                patience=PATIENCE,
            )

    def verify(
        self, library: str, speaker: str, recording: Recording, channel: int = 0
    ) -> speakers_pb2.VerifySpeakerResponse:
        """Decides if a recording, or one channel of a file, is the voice of a speaker."""
        config = speakers_pb2.VerifySpeakerConfig(
            name=_name(library, speaker), clip=_clip(recording), channel=channel
        )
        return self._ask(
            self._connection.stubs.speakers.VerifySpeaker,
            speakers_pb2.VerifySpeakerRequest,
            config,
            recording,
        )

    def identify(
        self,
        library: str,
        recording: Recording,
        k: int | None = None,
        candidates: Sequence[str] = (),
        channel: int = 0,
    ) -> speakers_pb2.IdentifySpeakerResponse:
        """Finds the speaker of a recording, if any, among all speakers or the `candidates`.

        With `channel` one channel of a file is heard, counted from 1.
        """
        config = speakers_pb2.IdentifySpeakerConfig(
            parent=f"libraries/{library}",
            k=k,
            candidates=[_name(library, each) for each in candidates],
            clip=_clip(recording),
            channel=channel,
        )
        kind = speakers_pb2.IdentifySpeakerRequest
        return self._ask(self._connection.stubs.speakers.IdentifySpeaker, kind, config, recording)

    def get(self, library: str, speaker: str) -> Speaker:
        """Reads a speaker."""
        request = speaker_pb2.GetSpeakerRequest(name=_name(library, speaker))
        return self._connection.call(self._connection.stubs.speakers.GetSpeaker, request)

    def all_of(
        self, library: str, state: Speaker.State.ValueType = Speaker.STATE_UNSPECIFIED
    ) -> Iterator[Speaker]:
        """The speakers of a library by name, page by page."""
        request = speaker_pb2.ListSpeakersRequest(parent=f"libraries/{library}", state=state)
        method = self._connection.stubs.speakers.ListSpeakers
        for page in self._connection.pages(method, request):
            yield from page.speakers

    def enrollments(self, library: str, speaker: str) -> Iterator[Clip]:
        """The clips that a speaker is enrolled with, the oldest first."""
        fit = ClipFilter(enrolled_speaker=_name(library, speaker))
        request = ListClipsRequest(parent=f"libraries/{library}", filter=fit)
        for page in self._connection.pages(self._connection.stubs.clips.ListClips, request):
            yield from page.clips

    def update(
        self,
        library: str,
        speaker: str,
        display_name: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Speaker:
        """Changes the values that are not None; at least one must be given."""
        mask = _changes(display_name=display_name, metadata=metadata)
        changed = Speaker(
            name=_name(library, speaker), display_name=display_name or "", metadata=metadata
        )
        request = speaker_pb2.UpdateSpeakerRequest(speaker=changed, update_mask=mask)
        return self._connection.call(self._connection.stubs.speakers.UpdateSpeaker, request)

    def remove_enrollments(self, library: str, speaker: str, clips: Sequence[str]) -> Speaker:
        """Removes clips, given by name, from a speaker's enrollments; they stay in the library."""
        request = speaker_pb2.RemoveEnrollmentsRequest(name=_name(library, speaker), clips=clips)
        return self._connection.call(self._connection.stubs.speakers.RemoveEnrollments, request)

    def delete(self, library: str, speaker: str, *, with_clips: bool = False) -> None:
        """Deletes a speaker, and with `with_clips` also the clips of its enrollments."""
        request = speaker_pb2.DeleteSpeakerRequest(
            name=_name(library, speaker), delete_clips=with_clips
        )
        self._connection.call(self._connection.stubs.speakers.DeleteSpeaker, request)

    def calibrate(
        self,
        library: str,
        operating_point: OperatingPoint | None = None,
        normalization: Normalization.ValueType = NORMALIZATION_UNSPECIFIED,
        *,
        enrollment_clips: int = 0,
        max_clips: int = 0,
        seed: int = 0,
    ) -> Calibration:
        """Fits a calibration to the clips of a library whose speakers are known.

        Args:
            library: short name.
            operating_point: decides the threshold; None for the default costs.
            normalization: of the scores that decide; unspecified for the better kind.
            enrollment_clips: clips for each voiceprint of the trials; 0 for the gateway's choice.
            max_clips: clips to use at most, chosen at random; 0 for the gateway's default.
            seed: of every random choice.
        """
        request = calibrations_pb2.CalibrateLibraryRequest(
            name=f"libraries/{library}",
            operating_point=operating_point,
            normalization=normalization,
            enrollment_clip_count=enrollment_clips,
            max_clip_count=max_clips,
            seed=seed,
        )
        return self._connection.call(
            self._connection.stubs.calibrations.CalibrateLibrary, request, patience=PATIENCE
        )

    def calibration(self, library: str) -> Calibration:
        """Reads the calibration of a library."""
        request = calibration_pb2.GetCalibrationRequest(name=_calibration(library))
        return self._connection.call(self._connection.stubs.calibrations.GetCalibration, request)

    def update_calibration(
        self,
        library: str,
        operating_point: OperatingPoint | None = None,
        normalization: Normalization.ValueType | None = None,
    ) -> Calibration:
        """Changes the values that are not None without a new fit; at least one must be given."""
        mask = _changes(operating_point=operating_point, normalization=normalization)
        changed = Calibration(
            name=_calibration(library),
            operating_point=operating_point,
            normalization=normalization or NORMALIZATION_UNSPECIFIED,
        )
        request = calibration_pb2.UpdateCalibrationRequest(calibration=changed, update_mask=mask)
        return self._connection.call(self._connection.stubs.calibrations.UpdateCalibration, request)

    def delete_calibration(self, library: str) -> None:
        """Deletes the calibration of a library."""
        request = calibration_pb2.DeleteCalibrationRequest(name=_calibration(library))
        self._connection.call(self._connection.stubs.calibrations.DeleteCalibration, request)

    def _ask(
        self,
        method: Callable[..., ResponseT],
        kind: Callable[..., RequestT],
        config: Message,
        recording: Recording,
    ) -> ResponseT:
        """Calls an RPC about a file, sent after `config`, or about the clip in `config`."""
        if isinstance(recording, str):
            return self._connection.call(method, stream(kind, config, None))
        with self._connection.open_audio(recording) as file:
            return self._connection.call(method, stream(kind, config, file), patience=PATIENCE)


def _enrollment(
    config: speakers_pb2.EnrollSpeakerConfig,
    recordings: Sequence[tuple[Recording, IO[bytes] | None]],
) -> Iterator[speakers_pb2.EnrollSpeakerRequest]:
    yield speakers_pb2.EnrollSpeakerRequest(config=config)
    for recording, file in recordings:
        told = speakers_pb2.Recording(clip=_clip(recording))
        if not isinstance(recording, str):
            told.display_name = limits.cut(Clip, "display_name", recording.name)
        yield speakers_pb2.EnrollSpeakerRequest(recording=told)
        if file:
            yield from chunks(speakers_pb2.EnrollSpeakerRequest, file)


def _changes(**fields: object) -> FieldMask:
    """The mask of the fields that are not None."""
    mask = FieldMask(paths=[field for field, value in fields.items() if value is not None])
    if not mask.paths:  # an empty mask would mean all fields
        raise ValueError("name what to change")
    return mask


def _clip(recording: Recording) -> str:
    return recording if isinstance(recording, str) else ""


def _name(library: str, speaker: str) -> str:
    return f"libraries/{library}/speakers/{speaker}"


def _calibration(library: str) -> str:
    return f"libraries/{library}/calibration"
