"""Verification and identification, of enrolled voices and of strangers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audiosearch.gateway.v1 import speakers_pb2
from audiosearch.gateway.v1.speakers_pb2 import Threshold, VerifySpeakerResponse

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running
from tests.vowels import RATE, record
from tools.servers.processes import until

NAMES = ("ann", "bob", "cid")
"""The enrolled speakers, each with the voice of the same place."""
STRANGER = 7
DEFAULT_THRESHOLD = 0.5
Take = Callable[..., Path]
VerifyRequest = speakers_pb2.VerifySpeakerRequest


@pytest.fixture
def take(tmp_path: Path) -> Take:
    """Records a take of a voice that is not enrolled: `take(voice)`."""
    return partial(record, tmp_path, take=99, seconds=2.0)


def enroll_all(shared: Running, folder: Path, library: str) -> None:
    """Enrolls the three, each with three recordings."""
    for voice, name in enumerate(NAMES):
        recordings = [record(folder, voice, number, 2.0) for number in range(3)]
        shared.client.speakers.enroll(library, name, recordings)


@pytest.fixture(scope="module")
def people(shared: Running, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library in which the three are enrolled, which is not changed."""
    library = shared.library()
    enroll_all(shared, tmp_path_factory.mktemp("people"), library)
    return library


@pytest.mark.parametrize("voice", range(3))
def test_a_voice_is_its_speakers_and_no_others(
    shared: Running, people: str, take: Take, voice: int
) -> None:
    """By the documented default threshold, of which the answer says that it is one."""
    for place, name in enumerate(NAMES):
        answer = shared.client.speakers.verify(people, name, take(voice))
        accepted = answer.decision == VerifySpeakerResponse.DECISION_ACCEPT
        assert accepted == (place == voice)
        assert accepted == (answer.score.cosine >= answer.threshold.value)
        assert answer.speaker.name == f"libraries/{people}/speakers/{name}"
        assert answer.threshold.basis == Threshold.BASIS_DEFAULT
        assert answer.threshold.value == pytest.approx(DEFAULT_THRESHOLD)
        assert "audiosearch calibrate" in answer.threshold.note
        assert not answer.threshold.HasField("expected_miss_rate")
        assert not answer.score.HasField("log_likelihood_ratio")
        assert answer.audio.sample_rate == RATE
        assert answer.model.startswith("models/")


@pytest.mark.parametrize("voice", range(3))
def test_a_voice_is_identified(shared: Running, people: str, take: Take, voice: int) -> None:
    """Among all who are enrolled, and as verification scores it."""
    answer = shared.client.speakers.identify(people, take(voice))
    assert [match.speaker.name for match in answer.matches] == [
        f"libraries/{people}/speakers/{NAMES[voice]}"
    ]
    assert answer.candidate_count == 3
    assert answer.best_score == answer.matches[0].score
    verified = shared.client.speakers.verify(people, NAMES[voice], take(voice))
    assert verified.score.cosine == pytest.approx(answer.best_score.cosine, abs=1e-4)
    assert not answer.HasField("expected_stranger_rate")


def test_a_stranger_is_nobody(shared: Running, people: str, take: Take) -> None:
    """The best score is told all the same."""
    answer = shared.client.speakers.identify(people, take(STRANGER))
    assert not answer.matches
    assert answer.candidate_count == 3
    assert answer.best_score.cosine < DEFAULT_THRESHOLD


def test_only_candidates_are_compared_with(shared: Running, people: str, take: Take) -> None:
    """Missing speakers are ignored. If all are missing, the answer names no speaker."""
    identify = partial(shared.client.speakers.identify, people)
    right = identify(take(0), candidates=["bob", "ann", "ann", "gone"])
    assert [match.speaker.name.rpartition("/")[2] for match in right.matches] == ["ann"]
    assert right.candidate_count == 2
    assert not identify(take(0), candidates=["bob", "cid"]).matches
    nobody = identify(take(0), candidates=["gone"])
    assert (nobody.candidate_count, nobody.HasField("best_score")) == (0, False)


def test_k_is_a_limit(shared: Running, take: Take, library: str) -> None:
    """The best ones stay, the best first."""
    speakers = shared.client.speakers
    for number in range(4):
        speakers.enroll(library, f"twin-{number}", [take(0, take=number)])
    every = speakers.identify(library, take(0))
    scores = [match.score.cosine for match in every.matches]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == every.candidate_count == 4
    some = speakers.identify(library, take(0), k=2)
    assert [m.speaker.name for m in some.matches] == [m.speaker.name for m in every.matches[:2]]
    for k in (0, -1, 101):
        with pytest.raises(ServiceError, match="100") as raised:
            speakers.identify(library, take(0), k=k)
        assert raised.value.reason is Reason.FIELD_INVALID


def test_a_library_where_nobody_is_enrolled(shared: Running, library: str, take: Take) -> None:
    """The answer names no speaker, without an error. One speaker is enough to compare with."""
    speakers = shared.client.speakers
    answer = speakers.identify(library, take(0))
    assert (len(answer.matches), answer.candidate_count) == (0, 0)
    assert not answer.HasField("best_score")
    speakers.enroll(library, "ann", [take(0, take=1)])
    assert len(speakers.identify(library, take(0)).matches) == 1
    assert not speakers.identify(library, take(STRANGER)).matches


def test_a_clip_can_be_asked_about(shared: Running, library: str, take: Take) -> None:
    """Its vector counts; an enrollment of the speaker itself is no test, and the answer says so."""
    client = shared.client
    own = client.speakers.enroll(library, "ann", [take(0, take=1)]).outcomes[0].clip
    other = client.upload(library, take(0)).clip
    by_clip = client.speakers.verify(library, "ann", other.name)
    by_file = client.speakers.verify(library, "ann", take(0))
    assert by_clip.score.cosine == pytest.approx(by_file.score.cosine, abs=1e-4)
    assert not by_clip.HasField("audio")
    assert "no test" not in by_clip.threshold.note
    assert "no test" in client.speakers.verify(library, "ann", own.name).threshold.note
    assert client.speakers.identify(library, other.name).matches[0].speaker.name.endswith("/ann")


def test_what_can_not_be_heard_is_no_voice(
    shared: Running, people: str, take: Take, tmp_path: Path
) -> None:
    """Nor what is not there, nor of another library."""
    speakers = shared.client.speakers
    silent, text, short = (tmp_path / f"{name}.wav" for name in ("silent", "text", "short"))
    soundfile.write(silent, np.zeros(RATE), RATE)
    soundfile.write(short, np.full(200, 0.5), RATE)
    text.write_text("no audio")
    elsewhere = shared.library()
    foreign = shared.client.upload(elsewhere, take(0)).clip.name
    missing = f"libraries/{people}/clips/{'0' * 26}"
    for recording, reason in (
        (silent, Reason.AUDIO_SILENT),
        (text, Reason.AUDIO_UNDECODABLE),
        (short, Reason.AUDIO_TOO_SHORT),
        (foreign, Reason.FIELD_INVALID),
        (missing, Reason.CLIP_NOT_FOUND),
    ):
        for ask in (partial(speakers.verify, people, "ann"), partial(speakers.identify, people)):
            with pytest.raises(ServiceError) as raised:
                ask(recording)
            assert raised.value.reason is reason
    for ask, reason in (
        (partial(speakers.verify, people, "gone"), Reason.SPEAKER_NOT_FOUND),
        (partial(speakers.verify, "nowhere", "ann"), Reason.LIBRARY_NOT_FOUND),
        (partial(speakers.identify, "nowhere"), Reason.LIBRARY_NOT_FOUND),
        (partial(speakers.identify, people, candidates=["../x"]), Reason.FIELD_INVALID),
    ):
        with pytest.raises(ServiceError) as raised:
            ask(take(0))
        assert raised.value.reason is reason


def test_audio_may_not_follow_a_clip(shared: Running, people: str, take: Take) -> None:
    """One or the other; and there has to be a config before either."""
    kind = speakers_pb2.IdentifySpeakerRequest
    clip = next(shared.client.speakers.enrollments(people, "ann")).name
    named = speakers_pb2.IdentifySpeakerConfig(parent=f"libraries/{people}", clip=clip)
    chunk = kind(audio_chunk=take(0).read_bytes())
    for requests in ([kind(config=named), chunk], [chunk], [kind(config=named)] * 2, []):
        with pytest.raises(ServiceError) as raised:
            shared.client.call(shared.client.stubs.speakers.IdentifySpeaker, iter(requests))
        assert raised.value.reason is Reason.FIELD_INVALID


def paused(path: Path, name: str, meanwhile: Callable[[], object]) -> Iterator[VerifyRequest]:
    """The requests of a verification in whose middle something else is done."""
    audio = path.read_bytes()
    yield VerifyRequest(config=speakers_pb2.VerifySpeakerConfig(name=name))
    yield VerifyRequest(audio_chunk=audio[:1000])
    time.sleep(0.5)  # so that the speaker was looked up before
    meanwhile()
    yield VerifyRequest(audio_chunk=audio[1000:])


def test_a_speaker_that_changes_while_it_is_verified(
    shared: Running, library: str, take: Take, tmp_path: Path
) -> None:
    """It is compared with as it is in the end; one that went is not found."""
    speakers, call = shared.client.speakers, shared.client.stubs.speakers.VerifySpeaker
    speakers.enroll(library, "ann", [record(tmp_path, 0, 0, 2.0)])
    name = f"libraries/{library}/speakers/ann"
    more = [record(tmp_path, 0, 1, 2.0)]
    enrolled = paused(take(0), name, lambda: speakers.enroll(library, "ann", more))
    answer = shared.client.call(call, enrolled)
    assert answer.decision == VerifySpeakerResponse.DECISION_ACCEPT
    assert answer.speaker == speakers.get(library, "ann")
    gone = paused(take(0), name, lambda: speakers.delete(library, "ann"))
    with pytest.raises(ServiceError) as raised:
        shared.client.call(call, gone)
    assert raised.value.reason is Reason.SPEAKER_NOT_FOUND


def test_who_is_enrolled_all_the_time_is_always_named(
    shared: Running, take: Take, tmp_path: Path
) -> None:
    """Each enrollment makes the voiceprint anew: no search falls between two of them."""
    library, probe = shared.library(), take(0)
    enroll_all(shared, tmp_path, library)
    recordings = [record(tmp_path, 0, number, 2.0) for number in range(10, 22)]
    over = threading.Event()

    def enroll() -> None:
        for path in recordings:
            shared.client.speakers.enroll(library, "ann", [path])
        over.set()

    thread = threading.Thread(target=enroll)
    thread.start()
    answers = []
    while not over.is_set() and thread.is_alive():
        answers.append(shared.client.speakers.identify(library, probe))
    thread.join(60)
    named = [[match.speaker.name for match in answer.matches] for answer in answers]
    assert len(named) > 5
    assert named == [[f"libraries/{library}/speakers/ann"]] * len(named)


def test_a_deleted_speaker_is_never_named(shared: Running, take: Take, tmp_path: Path) -> None:
    """While others identify in a loop: no name after the deletion has answered, and no error."""
    library, probe = shared.library(), take(0)
    enroll_all(shared, tmp_path, library)
    answers: list[tuple[float, float, list[str]]] = []
    errors: list[ServiceError] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            begun = time.monotonic()
            try:
                answer = shared.client.speakers.identify(library, probe)
            except ServiceError as error:
                errors.append(error)
            else:
                names = [match.speaker.name.rpartition("/")[2] for match in answer.matches]
                answers.append((begun, time.monotonic(), names))

    def since(moment: float) -> list[list[str]]:
        return [names for begun, _, names in answers if begun > moment]

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        absent = []
        for number in range(5):
            begun = time.monotonic()
            until(lambda begun=begun: bool(since(begun)) or errors)  # type: ignore[misc]
            shared.client.speakers.delete(library, "ann", with_clips=bool(number % 2))
            gone = time.monotonic()
            until(lambda gone=gone: bool(since(gone)) or errors)  # type: ignore[misc]
            absent.append((gone, time.monotonic()))
            fresh = [record(tmp_path, 0, 10 * number + n, 2.0) for n in range(3)]
            shared.client.speakers.enroll(library, "ann", fresh)
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert not errors
    while_absent = [
        names
        for gone, back in absent
        for begun, ended, names in answers
        if gone < begun and ended < back
    ]
    assert while_absent
    assert not any(while_absent)
    assert any(names == ["ann"] for _, _, names in answers)
