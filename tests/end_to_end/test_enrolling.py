"""Enrollment: accepted and refused recordings, and the voiceprint made of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.speaker_pb2 import Speaker
from audiosearch.gateway.v1 import speakers_pb2

from serving.errors import Reason, ServiceError
from tests.end_to_end.conftest import Running
from tests.end_to_end.enrollments import ANN, BOB, Take, clips, reasons, refused
from tests.vowels import RATE, record
from tools.servers.processes import until


def test_one_recording_enrolls_somebody(shared: Running, library: str, take: Take) -> None:
    """It becomes a clip of the library; the answer tells how much speech there is."""
    speakers = shared.client.speakers
    answer = speakers.enroll(library, "ann", [take(ANN, 0)])
    speaker, (outcome,) = answer.speaker, answer.outcomes
    assert speaker.name == f"libraries/{library}/speakers/ann"
    assert speaker.state == Speaker.STATE_ACTIVE
    assert (speaker.enrollment_count, speaker.voiceprint_revision) == (1, speaker.revision)
    heard = speaker.speech_duration.ToNanoseconds() / 1e9
    assert heard == pytest.approx(2, abs=0.1)
    assert speaker.wanted_speech_duration.ToNanoseconds() / 1e9 == pytest.approx(20 - heard)
    assert not outcome.HasField("failure")
    assert not outcome.HasField("agreement")
    assert (outcome.clip.enrolled_speaker, outcome.clip.speaker) == (speaker.name, "ann")
    assert outcome.clip.display_name == "v0-0.flac"
    assert speakers.get(library, "ann") == speaker
    assert list(speakers.all_of(library)) == [speaker]
    (clip,) = clips(shared, library)
    assert list(speakers.enrollments(library, "ann")) == [clip]
    assert (clip.name, clip.enrolled_speaker) == (outcome.clip.name, speaker.name)
    assert shared.client.search(library, take(ANN, 1)).matches[0].clip == clip


def test_many_at_once_and_more_later(shared: Running, library: str, take: Take) -> None:
    """Files and existing clips enroll. Notes about a speaker are read when it is made."""
    speakers = shared.client.speakers
    known = Speaker(display_name="Ann", metadata={"room": "hall"})
    first = speakers.enroll(
        library, "ann", [take(ANN, n) for n in range(3)], described=known, new=True
    )
    assert reasons(first) == [""] * 3
    assert [outcome.HasField("agreement") for outcome in first.outcomes] == [False, True, True]
    assert all(outcome.agreement > 0.9 for outcome in first.outcomes[1:])
    clip = shared.client.upload(library, take(ANN, 3), Clip(speaker="somebody")).clip
    second = speakers.enroll(
        library, "ann", [clip.name, take(ANN, 4)], described=Speaker(display_name="Other")
    )
    assert second.speaker.enrollment_count == 5
    assert second.speaker.revision > first.speaker.revision
    assert (second.speaker.display_name, second.speaker.metadata) == ("Ann", {"room": "hall"})
    assert second.outcomes[0].clip.speaker == "somebody"
    reason = refused(lambda: speakers.enroll(library, "ann", [take(ANN, 5)], new=True))
    assert reason is Reason.SPEAKER_EXISTS
    changed = speakers.update(library, "ann", display_name="Anne")
    assert (changed.display_name, changed.metadata) == ("Anne", {"room": "hall"})


def test_enough_is_enough(shared: Running, library: str, take: Take) -> None:
    """From 20 s of speech on no more is wanted."""
    answer = shared.client.speakers.enroll(
        library, "ann", [take(ANN, n, seconds=10.5) for n in (0, 1)]
    )
    assert answer.speaker.wanted_speech_duration.ToNanoseconds() == 0


def unusable(folder: Path) -> list[tuple[Path, str]]:
    """Recordings that can't enroll a speaker, with the reasons."""
    made = [
        (folder / "silent.wav", np.zeros(2 * RATE), "AUDIO_SILENT"),
        (folder / "short.wav", np.random.default_rng(1).normal(0, 0.1, 2400), "AUDIO_TOO_SHORT"),
        (folder / "shortest.wav", np.full(800, 0.5), "AUDIO_SILENT"),
    ]
    for path, sound, _ in made:
        soundfile.write(path, sound, RATE)
    (folder / "text.wav").write_text("no audio")
    return [(path, why) for path, _, why in made] + [(folder / "text.wav", "AUDIO_UNDECODABLE")]


def test_what_fails_keeps_back_no_other(
    shared: Running, library: str, take: Take, tmp_path: Path
) -> None:
    """Silence, text, too little: each with its reason, and nothing of them is kept."""
    bad = unusable(tmp_path)
    recordings = [take(ANN, 0), *(path for path, _ in bad), take(ANN, 1)]
    missing = f"libraries/{library}/clips/{'0' * 26}"
    answer = shared.client.speakers.enroll(library, "ann", [*recordings, missing])
    assert reasons(answer) == ["", *(why for _, why in bad), "", "CLIP_NOT_FOUND"]
    assert all(outcome.failure.message for outcome in answer.outcomes if outcome.failure.reason)
    assert answer.speaker.enrollment_count == len(clips(shared, library)) == 2


def test_who_could_not_be_enrolled_is_not_there(
    shared: Running, library: str, take: Take, tmp_path: Path
) -> None:
    """The reason is that of the first recording. An earlier speaker stays."""
    speakers, bad = shared.client.speakers, [path for path, _ in unusable(tmp_path)]
    assert refused(lambda: speakers.enroll(library, "ann", bad)) is Reason.AUDIO_SILENT
    assert refused(lambda: speakers.get(library, "ann")) is Reason.SPEAKER_NOT_FOUND
    before = speakers.enroll(library, "ann", [take(ANN, 0)]).speaker
    assert refused(lambda: speakers.enroll(library, "ann", bad[1:])) is Reason.AUDIO_TOO_SHORT
    assert speakers.get(library, "ann") == before
    assert refused(lambda: speakers.enroll("nowhere", "ann", bad)) is Reason.LIBRARY_NOT_FOUND


def test_a_recording_is_one_speakers(shared: Running, library: str, take: Take) -> None:
    """A second speaker gets CLIP_ENROLLED; the same one again changes nothing."""
    speakers, path = shared.client.speakers, take(ANN, 0)
    first = speakers.enroll(library, "ann", [path])
    again = speakers.enroll(library, "ann", [path])
    assert (reasons(again), again.speaker.enrollment_count) == ([""], 1)
    assert again.outcomes[0].clip.name == first.outcomes[0].clip.name
    for recording in (path, first.outcomes[0].clip.name):
        reason = refused(lambda recording=recording: speakers.enroll(library, "bob", [recording]))
        assert reason is Reason.CLIP_ENROLLED
    assert len(clips(shared, library)) == 1
    mixed = speakers.enroll(library, "twin", [take(ANN, 1), path])
    assert reasons(mixed) == ["", "CLIP_ENROLLED"]
    other = speakers.enroll(library, "eve", [take(BOB, 0), path])
    assert reasons(other) == ["", "CLIP_ENROLLED"]  # and not that it is another voice


def test_another_voice_under_a_name_is_refused(shared: Running, library: str, take: Take) -> None:
    """Unless it is allowed; the refused recording is not kept."""
    speakers = shared.client.speakers
    speakers.enroll(library, "ann", [take(ANN, 0)])
    both = speakers.enroll(library, "ann", [take(BOB, 0), take(ANN, 1)])
    assert reasons(both) == ["VOICE_MISMATCH", ""]
    assert both.outcomes[0].agreement < 0.15
    assert len(clips(shared, library)) == 2
    assert refused(lambda: speakers.enroll(library, "ann", [take(BOB, 0)])) is Reason.VOICE_MISMATCH
    allowed = speakers.enroll(library, "ann", [take(BOB, 0)], allow_other_voice=True)
    assert allowed.speaker.enrollment_count == 3


def test_recordings_that_do_not_agree_are_told(
    shared: Running, library: str, take: Take, tmp_path: Path
) -> None:
    """Each in its outcome, and the speaker as long as it has one. A short one says nothing."""
    speakers, fit = shared.client.speakers, speakers_pb2.RecordingOutcome
    own = speakers.enroll(library, "ann", [take(ANN, 0), take(ANN, 1)])
    assert [outcome.fit for outcome in own.outcomes] == [fit.FIT_FIRST, fit.FIT_GOOD]
    assert own.speaker.consistency == Speaker.CONSISTENCY_GOOD
    assert own.speaker.agreement == pytest.approx(own.outcomes[1].agreement, abs=1e-4)
    short = record(tmp_path, ANN, 7, 0.6)
    answer = speakers.enroll(library, "ann", [short])
    assert answer.outcomes[0].fit == fit.FIT_TOO_SHORT
    assert answer.speaker.consistency == Speaker.CONSISTENCY_GOOD
    mixed = speakers.enroll(library, "ann", [take(BOB, 0)], allow_other_voice=True)
    assert mixed.outcomes[0].fit == fit.FIT_LOW
    assert mixed.speaker.consistency == Speaker.CONSISTENCY_LOW
    assert mixed.speaker.agreement < 0.4
    assert speakers.get(library, "ann") == mixed.speaker
    again = speakers.remove_enrollments(library, "ann", [mixed.outcomes[0].clip.name])
    assert again.consistency == Speaker.CONSISTENCY_GOOD
    asked = (
        lambda path: speakers.verify(library, "ann", path),
        lambda path: speakers.identify(library, path),
    )
    for ask in asked:
        assert ask(short).short_speech
        assert ask(answer.outcomes[0].clip.name).short_speech
        assert not ask(take(ANN, 8)).short_speech


def test_of_two_voices_at_once_one_wins(shared: Running, library: str, take: Take) -> None:
    """Never a mixture of both."""
    speakers = shared.client.speakers
    for number in range(6):
        start = threading.Barrier(2)

        def enroll(
            voice: int, number: int = number, start: threading.Barrier = start
        ) -> Reason | None:
            path = take(voice, number)
            start.wait(30)
            try:
                speakers.enroll(library, f"either-{number}", [path])
            except ServiceError as error:
                return error.reason
            return None

        with ThreadPoolExecutor(2) as pool:
            ends = list(pool.map(enroll, (ANN, BOB)))
        assert sorted(ends, key=str) == [None, Reason.VOICE_MISMATCH], ends
        (clip,) = speakers.enrollments(library, f"either-{number}")
        winner = (ANN, BOB)[ends.index(None)]
        assert clip.display_name == f"v{winner}-{number}.flac"
        probe = take(winner, 50 + number)
        assert speakers.verify(library, f"either-{number}", probe).score.cosine > 0.8


def test_many_who_enroll_the_same_voice_at_once_all_do(
    shared: Running, library: str, take: Take
) -> None:
    """No call is refused because of others at the same time. The voiceprint is that of all."""
    paths = [take(ANN, number) for number in range(12)]
    speakers = shared.client.speakers
    with ThreadPoolExecutor(len(paths)) as pool:
        answers = list(pool.map(lambda path: speakers.enroll(library, "ann", [path]), paths))
    assert [reasons(answer) for answer in answers] == [[""]] * len(paths)
    speaker = speakers.get(library, "ann")
    assert speaker.state == Speaker.STATE_ACTIVE
    assert (speaker.enrollment_count, speaker.voiceprint_revision) == (12, speaker.revision)


def test_what_breaks_off_leaves_a_voiceprint(shared: Running, library: str, take: Take) -> None:
    """Of the recordings before it: they were taken."""

    def requests() -> Iterator[speakers_pb2.EnrollSpeakerRequest]:
        kind = speakers_pb2.EnrollSpeakerRequest
        config = speakers_pb2.EnrollSpeakerConfig
        yield kind(config=config(parent=f"libraries/{library}", speaker_id="ann"))
        yield kind(recording=speakers_pb2.Recording(display_name="first"))
        yield kind(audio_chunk=take(ANN, 0).read_bytes())
        yield kind(recording=speakers_pb2.Recording(display_name="x" * 256))
        yield kind(audio_chunk=take(ANN, 1).read_bytes())

    call = shared.client.stubs.speakers.EnrollSpeaker
    assert refused(lambda: shared.client.call(call, requests())) is Reason.FIELD_INVALID
    speaker = shared.client.speakers.get(library, "ann")
    assert speaker.state == Speaker.STATE_ACTIVE
    assert (speaker.enrollment_count, speaker.voiceprint_revision) == (1, 1)


def test_who_goes_away_leaves_nobody_behind(shared: Running, library: str, take: Take) -> None:
    """In the middle of the first recording: the name is free again, and no clip is there."""
    hold = threading.Event()

    def requests() -> Iterator[speakers_pb2.EnrollSpeakerRequest]:
        kind = speakers_pb2.EnrollSpeakerRequest
        config = speakers_pb2.EnrollSpeakerConfig
        yield kind(config=config(parent=f"libraries/{library}", speaker_id="ann"))
        yield kind(recording=speakers_pb2.Recording(display_name="first"))
        yield kind(audio_chunk=take(ANN, 0).read_bytes()[:20_000])
        hold.wait(30)

    speakers = shared.client.speakers
    call = shared.client.stubs.speakers.EnrollSpeaker.future(requests(), timeout=60)
    until(lambda: list(speakers.all_of(library, Speaker.STATE_CREATING)))
    call.cancel()
    hold.set()
    going = (Speaker.STATE_CREATING, Speaker.STATE_DELETING)
    until(lambda: not any(list(speakers.all_of(library, state)) for state in going))
    assert speakers.enroll(library, "ann", [take(ANN, 1)], new=True).speaker.enrollment_count == 1
    assert len(clips(shared, library)) == 1


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 64, "名"])
def test_a_name_of_other_characters_is_refused(
    shared: Running, library: str, take: Take, name: str
) -> None:
    """Before anything is kept."""
    reason = refused(lambda: shared.client.speakers.enroll(library, name, [take(ANN, 0)]))
    assert reason is Reason.FIELD_INVALID
    assert not clips(shared, library)
