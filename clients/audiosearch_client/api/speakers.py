"""`client.speakers`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from audiosearch.catalog.v1 import speaker_pb2

from audiosearch_client.api.given import (
    InLibrary,
    Recording,
    clip_of,
    library_of,
    recording_of,
    speaker_of,
)
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.results.clips import Clip
from audiosearch_client.results.speakers import Enrollment, Identification, Speaker, Verification
from audiosearch_client.sounds import Samples, Sound


class Speakers:
    """Enrolls and recognises speakers, in libraries for voices. The errors are those of the client.

    `rate` is the frames a second of recordings that are arrays of samples. `channel` is the channel
    of files to hear, counted from 1; 0 for all, mixed to one.
    """

    def __init__(self, calls: AudiosearchClient) -> None:
        """Calls through `calls`."""
        self._calls = calls.speakers

    def enroll(
        self,
        library: InLibrary,
        speaker: str | Speaker,
        recordings: Recording | Sequence[Recording],
        *,
        rate: int | None = None,
        name: str = "",
        metadata: Mapping[str, str] | None = None,
        allow_other_voice: bool = False,
        new: bool = False,
        channel: int = 0,
    ) -> Enrollment:
        """Enrolls a speaker, or adds recordings to one that exists.

        Args:
            library: the library.
            speaker: short name, of letters, digits, _ and -.
            recordings: one, or up to 100. A failed one does not affect the others.
            rate: of samples.
            name: name for people, if the speaker is new.
            metadata: anything else, as texts, if the speaker is new.
            allow_other_voice: take recordings that do not sound like the earlier ones.
            new: fail with SPEAKER_EXISTS if the speaker exists.
            channel: of files.

        Raises:
            ServiceError: that of the first recording, if none could be enrolled.
        """
        single = isinstance(recordings, (str, Path, bytes, Sound, Samples, Clip))
        several: Sequence[Recording] = [recordings] if single else recordings  # type: ignore[list-item,assignment]
        return Enrollment(
            self._calls.enroll(
                library_of(library),
                speaker_of(speaker),
                [recording_of(each, rate) for each in several],
                described=speaker_pb2.Speaker(display_name=name, metadata=metadata),
                allow_other_voice=allow_other_voice,
                new=new,
                channel=channel,
            )
        )

    def verify(
        self,
        library: InLibrary,
        speaker: str | Speaker,
        recording: Recording,
        *,
        rate: int | None = None,
        channel: int = 0,
    ) -> Verification:
        """Decides if a recording is the voice of a speaker. The answer is true if it is."""
        sent = recording_of(recording, rate)
        short = library_of(library)
        return Verification(self._calls.verify(short, speaker_of(speaker), sent, channel))

    def identify(
        self,
        library: InLibrary,
        recording: Recording,
        *,
        rate: int | None = None,
        k: int | None = None,
        among: Sequence[str | Speaker] = (),
        channel: int = 0,
    ) -> Identification:
        """Finds the speaker of a recording, if it is any of the library, or of those `among`."""
        sent = recording_of(recording, rate)
        some = [speaker_of(each) for each in among]
        return Identification(self._calls.identify(library_of(library), sent, k, some, channel))

    def get(self, library: InLibrary, speaker: str | Speaker) -> Speaker:
        """Reads a speaker as it is now."""
        return Speaker(self._calls.get(library_of(library), speaker_of(speaker)))

    def list(self, library: InLibrary) -> Iterator[Speaker]:
        """The speakers of a library by name."""
        return map(Speaker, self._calls.all_of(library_of(library)))

    def enrollments(self, library: InLibrary, speaker: str | Speaker) -> Iterator[Clip]:
        """The clips that a speaker is enrolled with, the oldest first."""
        return map(Clip, self._calls.enrollments(library_of(library), speaker_of(speaker)))

    def remove_enrollments(
        self, library: InLibrary, speaker: str | Speaker, clips: Sequence[str | Clip]
    ) -> Speaker:
        """Removes enrollments from a speaker. Their clips stay in the library."""
        names = [clip_of(each) for each in clips]
        short = library_of(library)
        return Speaker(self._calls.remove_enrollments(short, speaker_of(speaker), names))

    def delete(
        self, library: InLibrary, speaker: str | Speaker, *, with_clips: bool = False
    ) -> None:
        """Deletes a speaker; `with_clips` also the clips that it is enrolled with."""
        self._calls.delete(library_of(library), speaker_of(speaker), with_clips=with_clips)
