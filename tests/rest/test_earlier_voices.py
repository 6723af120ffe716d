"""The earlier demo's voiceprint routes: its clients' calls work, and its faults are mended."""

from __future__ import annotations

import json
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from serving.errors import Reason
from tests.rest.answers import refused
from tests.rest.conftest import Rest
from tests.rest.demo_calls import count, delete, enroll, recognize, search, voices
from tests.rest.sounds import webm
from tests.rest.voice_calls import SPEAKERS, enrollments, stranger, voice

ENROLLED = {"status": True, "msg": "Successfully enroll data!"}
TEXTS = ["Ann", "Müller 1", "x' or '1'='1", "../x", "a/b", "声音 🔔", "vpr-x", " ", "-x", "x" * 255]
"""Names of speakers that the demo's users may choose."""


@pytest.fixture(scope="module")
def table(rest: Rest) -> str:
    """A table that knows three voices, and is not changed."""
    name = rest.library()
    for speaker in SPEAKERS:
        assert enroll(rest, name, speaker, voice(speaker, 1)).json() == ENROLLED
    return name


def test_enrolling_makes_a_table(rest: Rest) -> None:
    """Also the default one, where none is named; a speaker is a resource as any other."""
    assert enroll(rest, "fresh-voices", "Ann", voice("low", 1), "ann.wav").json() == ENROLLED
    speaker = rest.http.get("/v1/libraries/fresh-voices/speakers/Ann").json()
    assert (speaker["enrollmentCount"], speaker["state"]) == (1, "STATE_ACTIVE")
    (clip,) = enrollments(rest, "fresh-voices", "Ann")
    assert clip["displayName"] == "ann.wav"
    files = {"audio": voice("low", 1)}
    default = rest.http.post("/vpr/enroll", data={"spk_id": "Ann"}, files=files)
    assert default.json() == ENROLLED
    assert rest.http.get("/vpr/count").json() == 1
    dropped = rest.http.post("/vpr/drop")
    assert dropped.json() == {"status": True, "msg": "Successfully drop tables!"}
    refused(rest.http.get("/vpr/count"), 404, Reason.LIBRARY_NOT_FOUND)


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_a_voice_is_recognised(rest: Rest, table: str, speaker: str) -> None:
    """Best first, with cosine * 100. The link leads to the enrolled audio."""
    rows = recognize(rest, table, voice(speaker, 4)).json()
    assert rows[0][0] == speaker
    scores = [score for _, (_, score) in rows]
    assert scores == sorted(scores, reverse=True)
    found = rest.http.post(
        f"/v1/libraries/{table}/speakers:identify", content=voice(speaker, 4)
    ).json()
    assert len(rows) == len(found["matches"])
    for (_, (_, score)), match in zip(rows, found["matches"], strict=True):
        assert score == pytest.approx(match["score"]["cosine"] * 100, abs=1e-3)
        assert score >= found["threshold"]["value"] * 100
    url = rows[0][1][0]
    assert url.startswith(f"{rest.stack.web}data?audio_path=libraries%2F{table}%2Fclips%2F")
    assert httpx.get(url).content == voice(speaker, 1)


def test_a_stranger_has_no_name(rest: Rest, table: str) -> None:
    """Nor has anybody in a table without speakers."""
    assert recognize(rest, table, stranger()).json() == []
    assert recognize(rest, rest.library(), voice("low", 1)).json() == []


def test_what_a_browser_records_is_taken(rest: Rest, library: str) -> None:
    """Opus in WebM, with other fields in the form, and the speaker in the query."""
    answer = rest.http.post(
        "/vpr/enroll",
        params={"table_name": library, "spk_id": "Ann"},
        data={"Device": "1"},
        files={"audio": ("blob", webm("voice_low", 2), "audio/webm;codecs=opus")},
    )
    assert answer.json() == ENROLLED
    assert recognize(rest, library, webm("voice_low", 3)).json()[0][0] == "Ann"


def test_every_enrollment_counts_and_not_the_last(rest: Rest, library: str) -> None:
    """A speaker is known by all of them; the demo forgot all but one."""
    for variant in (1, 2, 3):
        assert enroll(rest, library, "Ann", voice("low", variant)).json() == ENROLLED
    assert enroll(rest, library, "Ann", voice("low", 3)).json() == ENROLLED
    assert len(enrollments(rest, library, "Ann")) == 3
    params = {"table_name": library}
    assert rest.http.get("/vpr/count", params=params).json() == 1
    assert count(rest, library) == 3
    for variant in (1, 2, 3):
        ((spk_id, (_, score)),) = recognize(rest, library, voice("low", variant)).json()
        assert spk_id == "Ann"
        assert score > 95


@pytest.mark.parametrize("spk_id", TEXTS)
def test_any_text_is_a_speaker(rest: Rest, library: str, spk_id: str) -> None:
    """It is shown as it was given, and found by it; others stay."""
    assert enroll(rest, library, "other", voice("high", 1)).json() == ENROLLED
    assert enroll(rest, library, spk_id, voice("low", 1)).json() == ENROLLED
    assert enroll(rest, library, spk_id, voice("low", 2)).json() == ENROLLED
    assert sorted(voices(rest, library)[0]) == sorted(["other", spk_id])
    assert recognize(rest, library, voice("low", 1)).json()[0][0] == spk_id
    params = {"table_name": library, "spk_id": spk_id}
    assert rest.http.get("/vpr/data", params=params).content == voice("low", 1)
    assert delete(rest, library, spk_id).json() == {
        "status": True,
        "msg": "Successfully delete data!",
    }
    assert voices(rest, library)[0] == ["other"]
    assert count(rest, library) == 1
    refused(delete(rest, library, spk_id), 404, Reason.SPEAKER_NOT_FOUND)


def test_texts_that_are_no_names_have_stable_ones(rest: Rest, library: str) -> None:
    """`vpr-` and the beginning of their SHA-256; a new display name does not lose them."""
    assert enroll(rest, library, "Müller 1", voice("low", 1)).json() == ENROLLED
    (speaker,) = rest.http.get(f"/v1/libraries/{library}/speakers").json()["speakers"]
    id_ = speaker["name"].rpartition("/")[2]
    assert id_ == "vpr-d929628e581a32459e2adecf465452563f25d961"
    assert speaker["displayName"] == "Müller 1"
    assert voices(rest, library)[0] == ["Müller 1"]
    rest.http.patch(f"/v1/{speaker['name']}", json={"displayName": "Ann"})
    assert voices(rest, library)[0] == [id_]
    for spk_id in ("Müller 1", id_):
        params = {"table_name": library, "spk_id": spk_id}
        assert rest.http.get("/vpr/data", params=params).content == voice("low", 1)


def test_speakers_of_like_names_are_apart(rest: Rest, library: str) -> None:
    """Upper and lower case, and blanks at the end."""
    texts = ["ann", "Ann", "ann ", " ann", "ann_"]
    for number, spk_id in enumerate(texts, start=1):
        assert enroll(rest, library, spk_id, voice("low", number)).json() == ENROLLED
    assert sorted(voices(rest, library)[0]) == sorted(texts)
    assert delete(rest, library, "ann").status_code == 200
    assert sorted(voices(rest, library)[0]) == sorted(texts[1:])


def test_lists_tell_where_each_can_be_heard(rest: Rest, table: str) -> None:
    """By links for the address at which the request came in, with ranges."""
    ids, links = voices(rest, table)
    assert ids == sorted(SPEAKERS)
    for spk_id, link in zip(ids, links, strict=True):
        assert link.startswith(f"{rest.stack.web}vpr/data?")
        assert httpx.get(link).content == voice(spk_id, 1)
        part = httpx.get(link, headers={"range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, voice(spk_id, 1)[4:8])
    assert rest.http.get("/vpr/count", params={"table_name": table}).json() == 3


def test_data_takes_the_speaker_in_a_body_of_a_get(rest: Rest, table: str) -> None:
    """As the demo's clients send it."""
    named = {"table_name": table}
    body = {"content": json.dumps({"spk_id": "low"})}
    sent = rest.http.request("GET", "/vpr/data", params=named, **body)
    assert sent.content == voice("low", 1)
    both = {**named, "spk_id": "low"}
    twice = rest.http.request("GET", "/vpr/data", params=both, **body)
    refused(twice, 400, Reason.FIELD_INVALID)
    head = rest.http.head("/vpr/data", params=both)
    assert head.headers["content-length"] == str(len(voice("low", 1)))


def test_files_of_the_server_are_enrolled_and_recognised(rest: Rest, library: str) -> None:
    """Below the folders that may be imported, a path as seen from there."""
    folder = rest.folder()
    (folder / "ann.WAV").write_bytes(voice("low", 1))
    for audio_path in (str(folder / "ann.WAV"), f"{folder.name}/ann.WAV"):
        asked = {"table_name": library, "audio_path": audio_path}
        made = rest.http.post("/vpr/enroll/local", params={**asked, "spk_id": "Ann"})
        assert made.json() == ENROLLED
        ((spk_id, (_, score)),) = rest.http.post("/vpr/recog/local", params=asked).json()
        assert (spk_id, score) == ("Ann", pytest.approx(100, abs=0.1))
    (clip,) = enrollments(rest, library, "Ann")
    assert clip["displayName"] == "ann.WAV"


def test_enrolling_keeps_nobody_waiting_and_all_at_once_count(rest: Rest, library: str) -> None:
    """Four for one speaker, and searches meanwhile."""
    with ThreadPoolExecutor(9) as pool:
        asked = [pool.submit(enroll, rest, library, "Ann", voice("low", n)) for n in range(1, 5)]
        searches = [pool.submit(search, rest, library, voice("low", 1)) for _ in range(5)]
    answers = [each.result() for each in asked]
    found = [each.result() for each in searches]
    assert [answer.status_code for answer in answers] == [200] * 4, [a.text for a in answers]
    assert all(answer.status_code == 200 for answer in found)
    assert len(enrollments(rest, library, "Ann")) == 4
    assert recognize(rest, library, voice("low", 5)).json()[0][0] == "Ann"


def test_a_table_holds_sounds_and_voices(rest: Rest, table: str) -> None:
    """Searches find enrolled voices too. Links are encoded."""
    rows = search(rest, table, voice("low", 1)).json()
    assert {name for _, (name, _) in rows} == {"x.wav"}
    ids, links = voices(rest, table)
    query = urllib.parse.urlsplit(links[ids.index("low")]).query
    assert urllib.parse.parse_qs(query) == {"table_name": [table], "spk_id": ["low"]}
