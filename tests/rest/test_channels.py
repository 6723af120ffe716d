"""Channels over REST: named in words or by number, and two voices that were mixed are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serving.errors import Reason
from tests.calls import call
from tests.remarks import of_file
from tests.rest.answers import refused
from tests.rest.conftest import Rest
from tests.rest.sounds import wav
from tests.rest.test_operations import watch

ANN, BOB = 0, 3
"""The voices of the calls, in the left and in the right channel."""

UNLIKE = ["AUDIO_REMARK_UNLIKE_CHANNELS_MIXED"]
NUMBERS = {"mix": 0, "left": 1, "right": 2, "0": 0, "1": 1, "2": 2}


def clips(library: str) -> str:
    """Path of the clips of a library."""
    return f"/v1/libraries/{library}/clips"


@pytest.mark.parametrize("in_form", [False, True])
def test_an_upload_for_each_channel(rest: Rest, library: str, *, in_form: bool) -> None:
    """The channel is a parameter of the query or a field of the form, and the clip keeps it."""
    names = set()
    for word, number in NUMBERS.items():
        given = {"data": {"channel": word}} if in_form else {"params": {"channel": word}}
        files = {"audio": ("call.wav", call(ANN, BOB))}
        clip = rest.http.post(clips(library), files=files, **given).json()["clip"]
        assert clip["channel"] == number
        assert of_file(clip["audio"]["remarks"]) == ([] if number else UNLIKE)
        names.add(clip["name"])
    assert len(names) == 3
    listed = rest.http.get(clips(library)).json()["clips"]
    assert [of_file(clip["audio"]["remarks"]) for clip in listed] == [UNLIKE, [], []]


def test_the_config_of_a_form_names_the_channel(rest: Rest, library: str) -> None:
    """In JSON it is the field of the message, a number."""
    clip = rest.upload(library, call(ANN, BOB), config=json.dumps({"clip": {"channel": 2}}))
    assert clip["channel"] == 2


def test_searches(rest: Rest, library: str) -> None:
    """Each side of a call finds its own clip, also as events."""
    left = rest.upload(library, call(ANN, BOB), channel="left")
    right = rest.upload(library, call(ANN, BOB), channel="right")
    for word, clip in (("left", left), ("2", right)):
        params = {"channel": word, "k": 1}
        asked = {"params": params, "content": call(ANN, BOB)}
        found = rest.http.post(clips(library) + ":search", **asked).json()
        assert found["matches"][0]["clip"]["name"] == clip["name"]
        assert of_file(found["queryAudio"]["remarks"]) == []
        events = rest.http.post(clips(library) + ":streamSearch", **asked).text
        assert clip["name"] in events
    mixed = rest.http.post(clips(library) + ":search", content=call(ANN, BOB)).json()
    assert of_file(mixed["queryAudio"]["remarks"]) == UNLIKE


def test_voices(rest: Rest, library: str) -> None:
    """A speaker is enrolled with one side of a call and recognised by that of another."""
    speakers = f"/v1/libraries/{library}/speakers"
    one, other = call(ANN, BOB, 1), call(ANN, BOB, 2)
    for word, name in (("left", "ann"), ("right", "bob")):
        made = rest.http.post(f"{speakers}/{name}:enroll", params={"channel": word}, content=one)
        assert made.json()["outcomes"][0]["clip"]["channel"] == NUMBERS[word]
    for word, name in (("left", "ann"), ("right", "bob")):
        params = {"channel": word}
        found = rest.http.post(speakers + ":identify", params=params, content=other).json()
        assert [match["speaker"]["displayName"] for match in found["matches"]] == [name]
        where = f"{speakers}/{name}:verify"
        assert rest.http.post(where, params=params, content=other).json()["decision"] == (
            "DECISION_ACCEPT"
        )
        mixed = rest.http.post(where, content=other).json()
        assert of_file(mixed["audio"]["remarks"]) == UNLIKE


def test_an_import(rest: Rest, library: str) -> None:
    """Every file is heard by the channel of the import."""
    folder = rest.folder()
    (folder / "call.wav").write_bytes(call(ANN, BOB))
    body = {"folder": str(folder), "channel": 2}
    operation = rest.http.post(clips(library) + ":import", json=body).json()
    assert watch(rest, operation["name"])[-1]["metadata"]["channel"] == 2
    (clip,) = rest.http.get(clips(library)).json()["clips"]
    assert clip["channel"] == 2


def test_the_routes_of_the_earlier_demo(rest: Rest, library: str, tmp_path: Path) -> None:
    """They take a channel where they take audio."""
    folder = rest.folder()
    for name, take in (("call.wav", 1), ("other.wav", 2)):
        (folder / name).write_bytes(call(ANN, BOB, take))
    table: dict[str, Any] = {"table_name": library}
    form = {"audio": ("call.wav", call(ANN, BOB, 1))}
    for word in ("left", "right"):
        body = {"Table": library, "File": str(folder), "Channel": word}
        assert rest.http.post("/audio/load", json=body).json()["status"]
        params = {**table, "channel": word}
        found = rest.http.post("/audio/search", params=params, files=form).json()
        assert found[0][1] == ["call.wav", pytest.approx(100, abs=0.1)]
        local = {**params, "query_audio_path": str(folder / "call.wav")}
        assert rest.http.post("/audio/search/local", params=local).json() == found
    assert rest.http.get("/audio/count", params=table).json() == 4

    voices = {**table, "channel": "left"}
    spk = {"spk_id": "Ann"}
    assert rest.http.post("/vpr/enroll", params=voices, data=spk, files=form).json()["status"]
    path = {"audio_path": str(folder / "other.wav")}
    local = {**table, "channel": "right", "spk_id": "Bob", **path}
    assert rest.http.post("/vpr/enroll/local", params=local).json()["status"]
    for word, name in (("left", "Ann"), ("right", "Bob")):
        asked = {**table, "channel": word}
        audio = {"audio": ("x.wav", call(ANN, BOB, 3))}
        found = rest.http.post("/vpr/recog", params=asked, files=audio).json()
        assert [row[0] for row in found] == [name]
        found = rest.http.post("/vpr/recog/local", params={**asked, **path}).json()
        assert [row[0] for row in found] == [name]


@pytest.mark.parametrize("channel", ["middle", "65", "-1", "1.5", "²", "LEFT", ""])
def test_no_channel(rest: Rest, library: str, channel: str) -> None:
    """Other words and numbers are refused by every route, and the field is named."""
    speakers = f"/v1/libraries/{library}/speakers"
    for route in (
        clips(library),
        clips(library) + ":search",
        speakers + ":identify",
        speakers + "/ann:verify",
        speakers + "/ann:enroll",
    ):
        answer = rest.http.post(route, params={"channel": channel}, content=wav())
        refused(answer, 400, Reason.FIELD_INVALID)
        assert answer.json()["error"]["details"][0]["metadata"]["field"] == "channel"
    for route in ("/audio/search", "/vpr/recog"):
        params = {"table_name": library, "channel": channel}
        answer = rest.http.post(route, params=params, files={"audio": ("x.wav", wav())})
        refused(answer, 400, Reason.FIELD_INVALID)


def test_a_channel_that_the_audio_has_not(rest: Rest, library: str) -> None:
    """The refusal says how many there are."""
    for route in (clips(library), clips(library) + ":search"):
        answer = rest.http.post(route, params={"channel": "right"}, content=wav())
        refused(answer, 400, Reason.AUDIO_CHANNEL_MISSING)
        assert "the audio has 1 channel" in answer.json()["error"]["message"]
