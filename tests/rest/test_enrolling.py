"""Enrolling over REST: with files, forms, raw bodies and clips."""

from __future__ import annotations

import json

import pytest

from serving.errors import Reason
from tests.rest.answers import refused
from tests.rest.conftest import Rest
from tests.rest.sounds import silence, webm
from tests.rest.voice_calls import enroll, enrollments, path, stranger, voice

_CLIP = "libraries/x/clips/y"


def seconds(duration: str) -> float:
    """A duration in protobuf's JSON."""
    return float(duration.removesuffix("s"))


def test_many_files_of_one_form_are_enrolled(rest: Rest, library: str) -> None:
    """Each becomes a clip of its name; the speaker says how much speech it has and still wants."""
    sent = [voice("low", variant) for variant in (1, 2, 3)]
    answer = enroll(rest, library, "Ann", *sent, displayName="Ann Lee 安")
    assert answer.status_code == 200, answer.text
    speaker, outcomes = answer.json()["speaker"], answer.json()["outcomes"]
    assert speaker["name"] == f"libraries/{library}/speakers/Ann"
    assert (speaker["displayName"], speaker["state"]) == ("Ann Lee 安", "STATE_ACTIVE")
    assert speaker["enrollmentCount"] == 3
    heard = [seconds(each["clip"]["audio"]["activeDuration"]) for each in outcomes]
    assert seconds(speaker["speechDuration"]) == pytest.approx(sum(heard), abs=0.01)
    assert seconds(speaker["wantedSpeechDuration"]) == pytest.approx(20 - sum(heard), abs=0.01)
    assert [each["clip"]["displayName"] for each in outcomes] == ["1.wav", "2.wav", "3.wav"]
    assert all(each["clip"]["enrolledSpeaker"] == speaker["name"] for each in outcomes)
    assert "agreement" not in outcomes[0]
    assert all(each["agreement"] > 0.9 for each in outcomes[1:])
    for each, audio in zip(outcomes, sent, strict=True):
        assert rest.http.get(f"/v1/{each['clip']['name']}/audio").content == audio
    assert [clip["name"] for clip in enrollments(rest, library, "Ann")] == [
        each["clip"]["name"] for each in outcomes
    ]


def test_a_raw_body_is_one_recording(rest: Rest, library: str) -> None:
    """With the rest in the query; another one adds to it, unless that is not wanted."""
    where = path(library, "Ann") + ":enroll"
    made = rest.http.post(where, params={"displayName": "Ann & Co"}, content=voice("low", 1))
    assert made.json()["speaker"]["displayName"] == "Ann & Co"
    recorded = {"content": webm("voice_low", 2), "headers": {"content-type": "audio/webm"}}
    added = rest.http.post(where, params={"displayName": "Eve"}, **recorded)
    assert added.json()["speaker"]["displayName"] == "Ann & Co"
    assert added.json()["speaker"]["enrollmentCount"] == 2
    fail = {"existing": "EXISTING_POLICY_FAIL"}
    refused(rest.http.post(where, params=fail, content=voice("low", 3)), 409, Reason.SPEAKER_EXISTS)
    assert len(enrollments(rest, library, "Ann")) == 2


def test_the_same_recording_again_changes_nothing(rest: Rest, library: str) -> None:
    """It is one enrollment."""
    for _ in range(2):
        answer = enroll(rest, library, "Ann", voice("low", 1), voice("low", 1))
        assert answer.json()["speaker"]["enrollmentCount"] == 1
    taken = enroll(rest, library, "Bob", voice("low", 1))
    assert refused(taken, 409, Reason.CLIP_ENROLLED)["speaker"].endswith("/Ann")
    refused(rest.http.get(path(library, "Bob")), 404, Reason.SPEAKER_NOT_FOUND)


def test_clips_of_the_library_can_be_enrolled(rest: Rest, library: str) -> None:
    """By their names, in JSON."""
    clips = [rest.upload(library, voice("low", variant))["name"] for variant in (1, 2)]
    where = path(library, "Ann") + ":enroll"
    answer = rest.http.post(where, params={"displayName": "Ann"}, json={"clips": clips})
    assert answer.status_code == 200, answer.text
    assert answer.json()["speaker"]["enrollmentCount"] == 2
    assert [each["clip"]["name"] for each in answer.json()["outcomes"]] == clips
    assert [clip["name"] for clip in enrollments(rest, library, "Ann")] == clips
    absent = {"clips": [f"libraries/{library}/clips/absent"]}
    refused(rest.http.post(where, json=absent), 404, Reason.CLIP_NOT_FOUND)
    other = {"clips": [rest.upload(rest.library(), voice("low", 1))["name"]]}
    refused(rest.http.post(where, json=other), 400, Reason.FIELD_INVALID)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"clips": []}',
        b'{"clips": "libraries/x/clips/y"}',
        b'{"clips": [""]}',
        b'{"clips": ["libraries/x/clips/Y"]}',
        b'{"clips": ["libraries/x/clips/y"], "k": 1}',
        json.dumps({"clips": [_CLIP] * 101}).encode(),
    ],
)
def test_names_of_clips_that_can_not_be_read_are_told(
    rest: Rest, library: str, body: bytes
) -> None:
    """And no speaker is made."""
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    answer = rest.http.post(path(library, "Ann") + ":enroll", content=body, headers=headers)
    refused(answer, 400, Reason.FIELD_INVALID)
    refused(rest.http.get(path(library, "Ann")), 404, Reason.SPEAKER_NOT_FOUND)


def test_a_recording_that_fails_keeps_back_no_other(rest: Rest, library: str) -> None:
    """Each has its outcome, in the order of the files."""
    recordings = (silence(), voice("low", 1), b"", b"text", silence(0.01), voice("low", 2))
    answer = enroll(rest, library, "Ann", *recordings)
    assert answer.status_code == 200, answer.text
    reasons = [each.get("failure", {}).get("reason", "") for each in answer.json()["outcomes"]]
    undecodable = Reason.AUDIO_UNDECODABLE.value
    expected = ["AUDIO_SILENT", "", undecodable, undecodable, "AUDIO_TOO_SHORT", ""]
    assert reasons == expected
    assert answer.json()["speaker"]["enrollmentCount"] == 2


def test_nobody_is_enrolled_by_nothing(rest: Rest, library: str) -> None:
    """The reason is that of the first recording, and there is no speaker."""
    refused(enroll(rest, library, "Ann", silence(), b"text"), 400, Reason.AUDIO_SILENT)
    refused(enroll(rest, library, "Ann", b""), 400, Reason.AUDIO_UNDECODABLE)
    refused(rest.http.post(path(library, "Ann") + ":enroll"), 400, Reason.AUDIO_UNDECODABLE)
    refused(rest.http.get(path(library, "Ann")), 404, Reason.SPEAKER_NOT_FOUND)
    assert rest.http.get(path(library)).json()["speakers"] == []


def test_another_voice_is_not_taken_in_by_mistake(rest: Rest, library: str) -> None:
    """Unless that is asked for."""
    assert enroll(rest, library, "Ann", voice("high", 4)).status_code == 200
    refused(enroll(rest, library, "Ann", stranger()), 400, Reason.VOICE_MISMATCH)
    both = enroll(rest, library, "Ann", voice("high", 3), stranger()).json()
    assert both["speaker"]["enrollmentCount"] == 2
    assert both["outcomes"][1]["failure"]["reason"] == Reason.VOICE_MISMATCH.value
    wanted = enroll(rest, library, "Ann", stranger(), allowOtherVoice="true")
    assert wanted.json()["speaker"]["enrollmentCount"] == 3


def test_a_config_tells_more(rest: Rest, library: str) -> None:
    """EnrollSpeakerConfig in JSON, such as metadata; it can not lead elsewhere."""
    config = {
        "parent": "libraries/other",
        "speakerId": "Eve",
        "speaker": {"metadata": {"desk": "7"}, "name": "libraries/x/speakers/y"},
    }
    answer = enroll(rest, library, "Ann", voice("low", 1), config=json.dumps(config))
    assert answer.json()["speaker"]["name"] == f"libraries/{library}/speakers/Ann"
    assert answer.json()["speaker"]["metadata"] == {"desk": "7"}


def _part(name: str, content: bytes) -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


AUDIO = _part("audio", b"text")
BROKEN = {
    "no file": _part("displayName", b"Ann") + b"--b--",
    "a field between the files": AUDIO + _part("displayName", b"Ann") + AUDIO + b"--b--",
    "a field behind the files": AUDIO + AUDIO + _part("displayName", b"Ann") + b"--b--",
    "an unknown field": _part("speaker", b"Ann") + AUDIO + b"--b--",
    "cut between the files": AUDIO + AUDIO,
    "too many files": AUDIO * 101 + b"--b--",
    "a policy that there is not": _part("existing", b"ADD") + AUDIO + b"--b--",
    "neither true nor false": _part("allowOtherVoice", b"yes") + AUDIO + b"--b--",
    "a long name": _part("displayName", b"x" * 256) + AUDIO + b"--b--",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_form_is_refused(rest: Rest, library: str, name: str) -> None:
    """And no speaker is made."""
    kind = {"content-type": "multipart/form-data; boundary=b"}
    where = path(library, "Ann") + ":enroll"
    refused(rest.http.post(where, content=BROKEN[name], headers=kind), 400, Reason.FIELD_INVALID)
    refused(rest.http.get(path(library, "Ann")), 404, Reason.SPEAKER_NOT_FOUND)


def test_a_form_that_breaks_behind_a_good_file_can_be_sent_again(rest: Rest, library: str) -> None:
    """Files that arrived before are enrolled once."""
    kind, where = {"content-type": "multipart/form-data; boundary=b"}, path(library, "Ann")
    good = _part("audio", voice("low", 1))
    for rest_of_it in (b"", _part("displayName", b"Ann") + b"--b--"):
        broken = rest.http.post(f"{where}:enroll", content=good + rest_of_it, headers=kind)
        refused(broken, 400, Reason.FIELD_INVALID)
    whole = rest.http.post(f"{where}:enroll", content=good + b"--b--", headers=kind)
    assert whole.status_code == 200, whole.text
    assert whole.json()["speaker"]["enrollmentCount"] == 1
    assert whole.json()["speaker"]["state"] == "STATE_ACTIVE"


def test_a_hundred_files_are_taken(rest: Rest, library: str) -> None:
    """As many as one call may have."""
    recordings = [voice("low", 1) + bytes([number]) for number in range(100)]
    answer = enroll(rest, library, "Ann", *recordings)
    assert answer.status_code == 200, answer.text
    assert answer.json()["speaker"]["enrollmentCount"] == 100
    assert seconds(answer.json()["speaker"]["wantedSpeechDuration"]) == 0
