"""The demo's voiceprint routes: what was open there is closed, failures have their status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.errors import Reason
from tests.end_to_end.guarded import Guarded
from tests.rest.answers import refused
from tests.rest.conftest import Rest, client
from tests.rest.demo_calls import count, delete, enroll, recognize, voices
from tests.rest.sounds import silence
from tests.rest.voice_calls import stranger, voice


@pytest.fixture(scope="module")
def table(rest: Rest) -> str:
    """A table that knows one voice."""
    name = rest.library()
    assert enroll(rest, name, "Ann", voice("high", 4)).status_code == 200
    return name


LOCAL = [
    ("/etc/passwd", 403, Reason.PATH_NOT_ALLOWED),
    ("../../../etc/passwd", 403, Reason.PATH_NOT_ALLOWED),
    ("/nowhere/at/all.wav", 403, Reason.PATH_NOT_ALLOWED),
    ("absent.wav", 404, Reason.PATH_NOT_FOUND),
    ("a\0b", 400, Reason.FIELD_INVALID),
    ("", 400, Reason.FIELD_INVALID),
]


@pytest.mark.parametrize(("path", "status", "reason"), LOCAL)
def test_other_files_of_the_server_stay_closed(
    rest: Rest, table: str, path: str, status: int, reason: Reason
) -> None:
    """The answer does not tell if they exist, and no speaker is made."""
    asked = {"audio_path": path, "table_name": table}
    refused(rest.http.post("/vpr/recog/local", params=asked), status, reason)
    made = rest.http.post("/vpr/enroll/local", params={**asked, "spk_id": "Eve"})
    refused(made, status, reason)
    assert voices(rest, table)[0] == ["Ann"]
    fresh = {**asked, "table_name": "never-made", "spk_id": "Eve"}
    if path != "absent.wav":
        refused(rest.http.post("/vpr/enroll/local", params=fresh), status, reason)
        assert count(rest, "never-made") is None


HOSTILE = ["x' or '1'='1", "../x", "user; drop table clips", "a/b", "*", "x" * 64, "\0", "声音"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_tables_touch_nothing(rest: Rest, table: str, name: str) -> None:
    """They are no names of libraries."""
    named = {"table_name": name}
    asked = [
        enroll(rest, name, "Eve", voice("low", 1)),
        recognize(rest, name, voice("low", 1)),
        delete(rest, name, "Ann"),
        rest.http.get("/vpr/list", params=named),
        rest.http.get("/vpr/count", params=named),
        rest.http.get("/vpr/data", params={**named, "spk_id": "Ann"}),
        rest.http.post("/vpr/drop", params=named),
        rest.http.post("/vpr/recog/local", params={**named, "audio_path": "x"}),
    ]
    for answer in asked:
        assert refused(answer, 400, Reason.FIELD_INVALID)["field"] == "table_name"
    assert voices(rest, table)[0] == ["Ann"]


@pytest.mark.parametrize("spk_id", ["", "\0", "a\nb", "\x9f", "x" * 256])
def test_what_is_no_text_is_no_speaker(rest: Rest, table: str, spk_id: str) -> None:
    """FIELD_INVALID of `spk_id`, everywhere."""
    params = {"table_name": table, "spk_id": spk_id}
    asked = [
        enroll(rest, table, spk_id, voice("high", 1)),
        delete(rest, table, spk_id),
        rest.http.get("/vpr/data", params=params),
    ]
    for answer in asked:
        assert refused(answer, 400, Reason.FIELD_INVALID)["field"] == "spk_id"
    assert voices(rest, table)[0] == ["Ann"]


@pytest.mark.parametrize("spk_id", ["x' or '1'='1", "Ann'--", "%", "*", "ann"])
def test_hostile_names_of_speakers_touch_nobody_else(rest: Rest, table: str, spk_id: str) -> None:
    """They are texts, and nobody of that name is there."""
    refused(delete(rest, table, spk_id), 404, Reason.SPEAKER_NOT_FOUND)
    asked = {"table_name": table, "spk_id": spk_id}
    refused(rest.http.get("/vpr/data", params=asked), 404, Reason.SPEAKER_NOT_FOUND)
    assert voices(rest, table)[0] == ["Ann"]


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        (b"", Reason.AUDIO_UNDECODABLE),
        (b"text", Reason.AUDIO_UNDECODABLE),
        (silence(), Reason.AUDIO_SILENT),
        (silence(0.01), Reason.AUDIO_TOO_SHORT),
    ],
)
def test_bad_audio_enrolls_nobody(rest: Rest, table: str, audio: bytes, reason: Reason) -> None:
    """With status 400; recognition goes on to work."""
    refused(enroll(rest, table, "Eve", audio), 400, reason)
    refused(enroll(rest, table, "Ann", audio), 400, reason)
    refused(recognize(rest, table, audio), 400, reason)
    assert voices(rest, table)[0] == ["Ann"]
    assert recognize(rest, table, voice("high", 4)).json()[0][0] == "Ann"


def test_another_voice_does_not_take_a_name_over(rest: Rest, table: str) -> None:
    """VOICE_MISMATCH, and a recording that is somebody else's is CLIP_ENROLLED."""
    refused(enroll(rest, table, "Ann", stranger()), 400, Reason.VOICE_MISMATCH)
    refused(enroll(rest, table, "Eve", voice("high", 4)), 409, Reason.CLIP_ENROLLED)
    assert recognize(rest, table, stranger()).json() == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"{}", b'{"spk_id": 3}', b'{"spk_id": "\\ud800"}', b"\xff" * 9],
)
def test_a_body_that_can_not_be_read_is_refused(rest: Rest, table: str, body: bytes) -> None:
    """By name of the field where there is one."""
    named = {"params": {"table_name": table}, "content": body}
    refused(rest.http.post("/vpr/del", **named), 400, Reason.FIELD_INVALID)
    refused(rest.http.request("GET", "/vpr/data", **named), 400, Reason.FIELD_INVALID)


def test_forms_that_do_not_fit_are_refused(rest: Rest, table: str) -> None:
    """Without a speaker, without audio, no form at all, the speaker twice or behind the file."""
    named, audio = {"table_name": table}, voice("high", 1)
    both = {**named, "spk_id": "Ann"}
    part = b'--b\r\nContent-Disposition: form-data; name="'
    behind = part + b'audio"\r\n\r\n' + audio + b"\r\n" + part + b'spk_id"\r\n\r\nEve\r\n--b--'
    kind = {"content-type": "multipart/form-data; boundary=b"}
    post = rest.http.post
    for answer, field in (
        (post("/vpr/enroll", params=named, files={"audio": audio}), "spk_id"),
        (post("/vpr/enroll", params=named, data={"spk_id": "Ann"}, files={"x": audio}), "audio"),
        (post("/vpr/enroll", params=both, content=audio), "content-type"),
        (post("/vpr/enroll", params=both, data={"spk_id": "A"}, files={"audio": audio}), "spk_id"),
        (post("/vpr/enroll", params=named, content=behind, headers=kind), "spk_id"),
        (post("/vpr/enroll", params=both, content=behind, headers=kind), "spk_id"),
        (post("/vpr/recog", params=named, content=audio), "content-type"),
        (post("/vpr/recog", params=named, files={"sound": audio}), "audio"),
        (post("/vpr/recog", params={"table": table}, files={"audio": audio}), "table"),
        (post("/vpr/drop", params={"table": table}), "table"),
    ):
        assert refused(answer, 400, Reason.FIELD_INVALID)["field"] == field
    assert voices(rest, table)[0] == ["Ann"]


def test_a_speaker_without_recordings_is_not_listed(rest: Rest, library: str) -> None:
    """Nobody is taken for it, and there is nothing to hear."""
    assert enroll(rest, library, "Ann", voice("low", 1)).status_code == 200
    (clip,) = rest.http.get(f"/v1/libraries/{library}/clips").json()["clips"]
    assert rest.http.delete(f"/v1/{clip['name']}").status_code == 200
    named = {"table_name": library}
    assert voices(rest, library) == [[], []]
    assert rest.http.get("/vpr/count", params=named).json() == 0
    data = rest.http.get("/vpr/data", params={**named, "spk_id": "Ann"})
    refused(data, 400, Reason.SPEAKER_NOT_ENROLLED)
    assert recognize(rest, library, voice("low", 1)).json() == []


def test_what_is_not_there_has_its_status(rest: Rest, library: str) -> None:
    """Tables and speakers."""
    named = {"table_name": "absent"}
    for answer in (
        recognize(rest, "absent", voice("low", 1)),
        rest.http.get("/vpr/list", params=named),
        rest.http.get("/vpr/count", params=named),
        rest.http.post("/vpr/drop", params=named),
    ):
        refused(answer, 404, Reason.LIBRARY_NOT_FOUND)
    assert voices(rest, library) == [[], []]
    refused(delete(rest, library, "Ann"), 404, Reason.SPEAKER_NOT_FOUND)


@pytest.mark.parametrize("name", ["../x", "../../../../tmp/evil.wav", "x' or '1'='1", "CON", ""])
def test_the_name_of_an_upload_is_only_a_name(rest: Rest, library: str, name: str) -> None:
    """Nothing is written under it, and the same name overwrites nothing."""
    assert enroll(rest, library, "Ann", voice("low", 1), name).status_code == 200
    assert enroll(rest, library, "Bob", voice("high", 1), name).status_code == 200
    written = [path for path in rest.stack.data_dir.rglob("*") if "evil" in path.name]
    assert not written
    for spk_id, kind in (("Ann", "low"), ("Bob", "high")):
        params = {"table_name": library, "spk_id": spk_id}
        assert rest.http.get("/vpr/data", params=params).content == voice(kind, 1)


def test_keys_are_checked_as_everywhere(guarded: Guarded, sounds: Path) -> None:
    """A reader recognises and lists; to enroll, delete, drop and name paths takes more."""
    named = {"table_name": "open"}
    local = {**named, "audio_path": str(sounds / "voice_low_1.wav")}
    form = {"data": {"spk_id": "Ann"}, "files": {"audio": voice("low", 2)}}
    with client(guarded.stack, guarded.authority.ca) as http:

        def ask(key: str | None, method: str, path: str, **options: Any) -> httpx.Response:
            headers = {"authorization": f"Bearer {guarded.keys[key]}"} if key else {}
            return http.request(method, path, headers=headers, **{"params": named, **options})

        for key, status, reason in (
            (None, 401, Reason.KEY_MISSING),
            ("reader", 403, Reason.RIGHT_MISSING),
            ("stranger", 403, Reason.RIGHT_MISSING),
        ):
            refused(ask(key, "POST", "/vpr/enroll", **form), status, reason)
            fresh = {**form, "params": {"table_name": "fresh"}}
            refused(ask(key, "POST", "/vpr/enroll", **fresh), status, reason)
            enrolling = {"params": {**local, "spk_id": "Ann"}}
            refused(ask(key, "POST", "/vpr/enroll/local", **enrolling), status, reason)
            refused(ask(key, "POST", "/vpr/recog/local", params=local), status, reason)
            refused(ask(key, "POST", "/vpr/del", json={"spk_id": "Ann"}), status, reason)
            refused(ask(key, "POST", "/vpr/drop"), status, reason)
        assert ask("writer", "POST", "/vpr/enroll", **form).status_code == 200
        assert ask("writer", "POST", "/vpr/recog/local", params=local).json()[0][0] == "Ann"
        rows = ask("reader", "POST", "/vpr/recog", files={"audio": voice("low", 3)}).json()
        assert rows[0][0] == "Ann"
        assert rows[0][1][0].startswith("https://")
        assert ask("reader", "GET", rows[0][1][0], params=None).content == voice("low", 2)
        ids, (link,) = ask("reader", "GET", "/vpr/list").json()
        assert ids == ["Ann"]
        assert ask("reader", "GET", link, params=None).content == voice("low", 2)
        for key, status, reason in (
            (None, 401, Reason.KEY_MISSING),
            ("stranger", 403, Reason.RIGHT_MISSING),
        ):
            refused(ask(key, "GET", link, params=None), status, reason)
            refused(ask(key, "GET", "/vpr/list"), status, reason)
            refused(ask(key, "GET", "/vpr/count"), status, reason)
            audio = {"files": {"audio": voice("low", 3)}}
            refused(ask(key, "POST", "/vpr/recog", **audio), status, reason)
        refused(ask("writer", "POST", "/vpr/drop"), 403, Reason.RIGHT_MISSING)
        assert ask("writer", "POST", "/vpr/del", json={"spk_id": "Ann"}).status_code == 200
