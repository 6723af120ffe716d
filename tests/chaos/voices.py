"""A client that enrolls, identifies and deletes speakers, and what must hold in the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from audiosearch.catalog.v1.library_pb2 import GetLibraryRequest
from audiosearch.catalog.v1.speaker_pb2 import (
    DeleteSpeakerRequest,
    ListSpeakersRequest,
    Speaker,
)
from audiosearch.gateway.v1.speakers_pb2 import (
    EnrollSpeakerConfig,
    EnrollSpeakerRequest,
    IdentifySpeakerConfig,
    IdentifySpeakerRequest,
    IdentifySpeakerResponse,
    Recording,
)
from audiosearch.index.v1.index_service_pb2 import ListVectorsRequest
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from audiosearch_client.client import AudiosearchClient

from serving.errors import Reason, ServiceError
from tests.chaos.clients import PASSING, Client
from tests.chaos.ledger import Entry, Fate

UNSETTLED = (Speaker.STATE_CREATING, Speaker.STATE_UPDATING, Speaker.STATE_DELETING)


@dataclass
class Voice:
    """A speaker as its client knows it."""

    id: str
    entries: list[Entry] = field(default_factory=list)
    fate: Fate = Fate.UNKNOWN


def enroll(client: AudiosearchClient, library: str, voice: str, entry: Entry) -> str:
    """Enrolls a speaker with a sound; the name of its clip."""

    def requests() -> Iterator[EnrollSpeakerRequest]:
        parent = f"libraries/{library}"
        yield EnrollSpeakerRequest(config=EnrollSpeakerConfig(parent=parent, speaker_id=voice))
        yield EnrollSpeakerRequest(recording=Recording(display_name=entry.path.name))
        yield EnrollSpeakerRequest(audio_chunk=entry.path.read_bytes())

    answer = client.call(client.stubs.speakers.EnrollSpeaker, requests(), patience=5)
    return answer.outcomes[0].clip.name


def identify(client: AudiosearchClient, library: str, entry: Entry) -> IdentifySpeakerResponse:
    """Identifies the voice of a sound."""

    def requests() -> Iterator[IdentifySpeakerRequest]:
        parent = f"libraries/{library}"
        yield IdentifySpeakerRequest(config=IdentifySpeakerConfig(parent=parent, k=3))
        yield IdentifySpeakerRequest(audio_chunk=entry.path.read_bytes())

    return client.call(client.stubs.speakers.IdentifySpeaker, requests(), patience=5)


class Enroller(Client):
    """Enrolls speakers, adds to some, identifies them, deletes some with their clips."""

    def __init__(self, *arguments: object, folder: Path) -> None:
        """Writes its sounds into `folder`."""
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._folder = folder
        self.voices: list[Voice] = []

    def act(self) -> None:
        """See Client."""
        there = [voice for voice in self.voices if voice.fate is Fate.STORED]
        kind = self.random.random() if len(there) > 2 else 0
        if kind < 0.4:
            self.voices.append(Voice(f"voice-{len(self.voices)}"))
            self._enroll(self.voices[-1])
        elif kind < 0.6:
            self._enroll(self.random.choice(there))
        elif kind < 0.8:
            self._identify(self.random.choice(there))
        else:
            self._remove(self.random.choice(there))

    def _enroll(self, voice: Voice) -> None:
        entry = self.ledger.new(self._folder)
        voice.entries.append(entry)
        answer = self.attempt(
            "enroll",
            lambda: enroll(self.client, self.library, voice.id, entry),
            *(Reason.STATE_CONFLICT, Reason.CLIP_NOT_FOUND, Reason.SPEAKER_NOT_FOUND),
        )
        if isinstance(answer, str):
            entry.clip, entry.fate, voice.fate = answer, Fate.STORED, Fate.STORED
        elif answer.code not in PASSING and answer.code is not Reason.STATE_CONFLICT.code:
            self.ledger.violate(f"enroll of {voice.id}: {answer.reason.value} {answer}")

    def _identify(self, voice: Voice) -> None:
        answer = self.attempt(
            "identify", lambda: identify(self.client, self.library, voice.entries[0])
        )
        if isinstance(answer, ServiceError):
            if answer.code not in PASSING:
                self.ledger.violate(f"identify {voice.id}: {answer.reason.value} {answer}")
        elif wrong := wrong_name(voice, answer):
            self.ledger.violate(f"identify under way: {wrong}")

    def _remove(self, voice: Voice) -> None:
        voice.fate = Fate.LEAVING
        for entry in voice.entries:
            entry.fate = Fate.LEAVING
        name = f"libraries/{self.library}/speakers/{voice.id}"

        def call() -> bool:
            request = DeleteSpeakerRequest(name=name, delete_clips=True)
            try:
                self.client.call(self.client.stubs.speakers.DeleteSpeaker, request)
            except ServiceError as error:
                if error.reason is not Reason.SPEAKER_NOT_FOUND:
                    raise
            return True

        answer = self.attempt("delete speaker", call)
        if answer is True:
            voice.fate = Fate.DELETED
            for entry in voice.entries:
                entry.fate = Fate.DELETED if entry.clip else Fate.UNKNOWN
        elif isinstance(answer, ServiceError) and answer.code not in PASSING:
            self.ledger.violate(f"delete of {voice.id}: {answer.reason.value} {answer}")


def wrong_name(voice: Voice, answer: IdentifySpeakerResponse) -> str:
    """Returns the fault of an answer to the first sound of a voice; empty if there is none.

    With a single sound, score 1 names the voice; the mean of several may be out of reach of one.
    """
    names = [match.speaker.name.rpartition("/")[2] for match in answer.matches]
    if len(voice.entries) == 1 and names[:1] != [voice.id]:
        return f"{voice.id} is not named first, but {names}, best {answer.best_score.cosine:.3f}"
    return ""


class VoiceChecks:
    """Conditions on speakers that must hold once everything runs again."""

    def __init__(
        self,
        client: AudiosearchClient,
        index_target: str,
        library: str,
        voices: list[Voice],
        check: Callable[[str, bool, str], None],
    ) -> None:
        """Takes what is checked, and what notes a finding: a name, right or not, details."""
        self._client = client
        self._index_target = index_target
        self._library = library
        self._voices = voices
        self._check = check

    def run(self, seconds: float) -> None:
        """Runs all; waits at most so long for what is still under way."""
        until = time.monotonic() + seconds
        while left := [one for state in UNSETTLED for one in self._speakers(state)]:
            if time.monotonic() > until:
                break
            time.sleep(0.5)
        self._check("no speaker stuck on its way", not left, f"{left[:1]}")
        rows = {one.name.rpartition("/")[2]: one for one in self._speakers(Speaker.STATE_ACTIVE)}
        self._voiceprints(rows)
        for voice in self._voices:
            if voice.fate is Fate.STORED:
                self._stored(voice, rows)
            elif voice.fate is Fate.DELETED:
                self._check("deleted speakers are gone", voice.id not in rows, voice.id)

    def _stored(self, voice: Voice, rows: dict[str, Speaker]) -> None:
        told = sum(entry.fate is Fate.STORED for entry in voice.entries)
        row = rows.get(voice.id)
        right = row is not None and told <= row.enrollment_count <= len(voice.entries)
        self._check("acknowledged speakers are there", right, f"{voice.id}, {told} told: {row}")
        answer = identify(self._client, self._library, voice.entries[0])
        wrong = wrong_name(voice, answer)
        self._check("named by their own sound", not wrong, wrong)

    def _voiceprints(self, rows: dict[str, Speaker]) -> None:
        wanted = {f"{row.uid}-{row.voiceprint_revision}" for row in rows.values()}
        found = set[str]()
        for _ in range(20):  # a look for voiceprints that are left over may be under way
            found = self._vectors()
            if found == wanted:
                break
            time.sleep(1)
        for id_ in found | wanted:
            self._check("no voiceprint without a speaker", id_ in wanted, id_)
            self._check("no speaker without its voiceprint", id_ in found, id_)

    def _speakers(self, state: Speaker.State.ValueType) -> list[Speaker]:
        request = ListSpeakersRequest(
            parent=f"libraries/{self._library}", page_size=1000, state=state
        )
        return list(self._client.call(self._client.stubs.speakers.ListSpeakers, request).speakers)

    def _vectors(self) -> set[str]:
        name = f"libraries/{self._library}"
        library = self._client.call(
            self._client.stubs.libraries.GetLibrary, GetLibraryRequest(name=name)
        )
        request = ListVectorsRequest(index_id=f"{library.uid}_speakers", page_size=10_000)
        with grpc.insecure_channel(self._index_target) as channel:
            try:
                return set(IndexServiceStub(channel).ListVectors(request, timeout=20).ids)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:  # nobody was ever enrolled
                    return set()
                raise
