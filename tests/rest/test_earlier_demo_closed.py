"""The earlier demo's routes: its security holes are closed, and failures have their status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.errors import Reason
from tests.end_to_end.guarded import Guarded
from tests.rest.answers import refused
from tests.rest.conftest import Rest, client
from tests.rest.demo_calls import count, load, search
from tests.rest.sounds import silence, wav


@pytest.mark.parametrize("path", ["/etc", "../..", "/proc/self", "~", "file:///etc"])
def test_other_folders_of_the_server_stay_closed(rest: Rest, path: str) -> None:
    """No table is made for them either."""
    answer = load(rest, "never-made", path)
    expected = Reason.PATH_NOT_FOUND if path[0] in "~f" else Reason.PATH_NOT_ALLOWED
    refused(answer, 404 if path[0] in "~f" else 403, expected)
    assert count(rest, "never-made") is None


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/etc/passwd", 403, Reason.PATH_NOT_ALLOWED),
        ("../../../etc/passwd", 403, Reason.PATH_NOT_ALLOWED),
        ("/nowhere/at/all.wav", 403, Reason.PATH_NOT_ALLOWED),
        ("absent.wav", 404, Reason.PATH_NOT_FOUND),
        ("a\0b", 400, Reason.FIELD_INVALID),
        ("", 400, Reason.FIELD_INVALID),
    ],
)
def test_other_files_of_the_server_stay_closed(
    rest: Rest, filled: str, path: str, status: int, reason: Reason
) -> None:
    """The answer does not tell if they exist."""
    params = {"query_audio_path": path, "table_name": filled}
    refused(rest.http.post("/audio/search/local", params=params), status, reason)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../etc/passwd",
        "libraries/x/clips/../../y",
        "http://127.0.0.1/",
        "",
        "%00",
    ],
)
def test_data_serves_nothing_but_clips(rest: Rest, path: str) -> None:
    """Only the names of clips are looked at."""
    refused(rest.http.get("/data", params={"audio_path": path}), 400, Reason.FIELD_INVALID)
    gone = {"audio_path": f"libraries/{rest.library()}/clips/none"}
    refused(rest.http.get("/data", params=gone), 404, Reason.CLIP_NOT_FOUND)
    refused(rest.http.get("/data"), 400, Reason.FIELD_INVALID)


HOSTILE = ["x' or '1'='1", "../x", "user; drop table clips", "a/b", "*", "x" * 64, "\0", "声音"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_tables_touch_nothing(rest: Rest, filled: str, name: str) -> None:
    """They are no names of libraries."""
    table = {"table_name": name}
    asked = [
        rest.http.get("/audio/count", params=table),
        rest.http.get("/progress", params=table),
        rest.http.post("/audio/drop", params=table),
        rest.http.post("/audio/search", params=table, files={"audio": wav()}),
        rest.http.post("/audio/search/local", params={**table, "query_audio_path": "x"}),
        load(rest, name, "/"),
    ]
    for answer in asked:
        assert refused(answer, 400, Reason.FIELD_INVALID)["field"] in ("table_name", "Table")
    assert count(rest, filled) == 20


@pytest.mark.parametrize("name", ["../x", "../../../../tmp/evil.wav", "x' or '1'='1", "CON", ""])
def test_the_name_of_an_upload_is_only_a_name(rest: Rest, filled: str, name: str) -> None:
    """Nothing is written under it."""
    before = {path for path in rest.stack.data_dir.rglob("*") if path.is_file()}
    answer = search(rest, filled, wav(), name)
    assert answer.status_code == 200
    after = {path for path in rest.stack.data_dir.rglob("*") if path.is_file()}
    assert not {path for path in after - before if "evil" in path.name or path.name == "x"}
    assert count(rest, filled) == 20


def test_what_is_not_there_has_an_answer(rest: Rest) -> None:
    """Null for a count, the demo's sentence for a drop, errors for searches."""
    assert count(rest, "absent") is None
    dropped = rest.http.post("/audio/drop", params={"table_name": "absent"})
    assert (dropped.status_code, dropped.json()) == (404, "Collection is not exist")
    refused(search(rest, "absent", wav()), 404, Reason.LIBRARY_NOT_FOUND)
    progress = rest.http.get("/progress", params={"table_name": "absent"})
    refused(progress, 404, Reason.LIBRARY_NOT_FOUND)
    empty = rest.library()
    assert search(rest, empty, wav()).json() == []
    assert rest.http.get("/progress", params={"table_name": empty}).json() == "current: 0, total: 0"


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        (b"", Reason.AUDIO_UNDECODABLE),
        (b"text", Reason.AUDIO_UNDECODABLE),
        (silence(), Reason.AUDIO_SILENT),
        (silence(0.01), Reason.AUDIO_TOO_SHORT),
    ],
)
def test_bad_audio_is_told_apart(rest: Rest, filled: str, audio: bytes, reason: Reason) -> None:
    """With status 400."""
    refused(search(rest, filled, audio), 400, reason)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"{}", b'{"File": 3}', b'{"File": "\\ud800"}', b"\xff" * 9],
)
def test_a_load_that_can_not_be_read_is_refused(rest: Rest, body: bytes) -> None:
    """By name of the field where there is one."""
    refused(rest.http.post("/audio/load", content=body), 400, Reason.FIELD_INVALID)


def test_a_search_without_a_form_is_refused(rest: Rest, filled: str) -> None:
    """And one whose form has no audio."""
    table = {"table_name": filled}
    raw = rest.http.post("/audio/search", params=table, content=wav())
    refused(raw, 400, Reason.FIELD_INVALID)
    empty = rest.http.post("/audio/search", params=table, files={"sound": wav()})
    assert refused(empty, 400, Reason.FIELD_INVALID)["field"] == "audio"


def test_a_misspelt_parameter_does_not_mean_the_default_table(rest: Rest) -> None:
    """It could drop the wrong one."""
    refused(rest.http.post("/audio/drop", params={"table": "x"}), 400, Reason.FIELD_INVALID)


def test_tables_of_like_names_are_apart(rest: Rest) -> None:
    """Upper and lower case, and one that begins as the other."""
    tables = ["like", "Like", "like_", "like-1"]
    for number, table in enumerate(tables):
        folder = rest.folder()
        for variant in range(number + 1):
            (folder / f"{variant}.wav").write_bytes(wav("voice_low", variant))
        assert load(rest, table, folder).status_code == 200
    assert [count(rest, table) for table in tables] == [1, 2, 3, 4]
    assert rest.http.post("/audio/drop", params={"table_name": "like"}).json() == "ok"
    assert [count(rest, table) for table in tables] == [None, 2, 3, 4]
    assert len(search(rest, "Like", wav("voice_low", 1)).json()) == 2


def test_keys_are_checked_as_everywhere(guarded: Guarded, sounds: Path) -> None:
    """A reader counts and searches; to load, drop and name paths takes more."""
    open_, path = {"table_name": "open"}, {"query_audio_path": str(sounds / "bronze_bell_1.wav")}
    with client(guarded.stack, guarded.authority.ca) as http:

        def ask(key: str | None, method: str, path: str, **options: Any) -> httpx.Response:
            headers = {"authorization": f"Bearer {guarded.keys[key]}"} if key else {}
            return http.request(method, path, headers=headers, **options)

        refused(ask(None, "GET", "/audio/count", params=open_), 401, Reason.KEY_MISSING)
        assert ask("reader", "GET", "/audio/count", params=open_).json() == 1
        refused(ask("stranger", "GET", "/audio/count", params=open_), 403, Reason.RIGHT_MISSING)
        rows = ask("reader", "POST", "/audio/search", params=open_, files={"audio": wav()}).json()
        assert rows[0][0].startswith("https://")
        assert ask("reader", "GET", rows[0][0]).content == wav()
        refused(ask(None, "GET", rows[0][0]), 401, Reason.KEY_MISSING)
        refused(ask("stranger", "GET", rows[0][0]), 403, Reason.RIGHT_MISSING)
        local = {"params": {**open_, **path}}
        refused(ask("reader", "POST", "/audio/search/local", **local), 403, Reason.RIGHT_MISSING)
        assert ask("writer", "POST", "/audio/search/local", **local).status_code == 200
        for who in ("reader", "writer"):
            refused(ask(who, "POST", "/audio/drop", params=open_), 403, Reason.RIGHT_MISSING)
        for table in ("open", "fresh"):
            body = {"json": {"Table": table, "File": str(sounds)}}
            refused(ask("reader", "POST", "/audio/load", **body), 403, Reason.RIGHT_MISSING)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "localhost.evil.example", "[::2]"]
)
def test_links_do_not_believe_the_host_header(guarded: Guarded, host: str) -> None:
    """They lead to the address at which the request came in."""
    headers = {"x-api-key": guarded.keys["reader"], "host": host}
    with client(guarded.stack, guarded.authority.ca) as http:
        answer = http.post(
            "/audio/search",
            params={"table_name": "open"},
            files={"audio": wav()},
            headers=headers,
        )
    ((url, _),) = answer.json()
    assert url.startswith(guarded.stack.web + "data?audio_path=libraries%2Fopen%2Fclips%2F")


def test_progress_tells_only_of_what_a_key_may_read(guarded: Guarded, sounds: Path) -> None:
    """The newest import of another library stays unseen."""
    with client(guarded.stack, guarded.authority.ca) as http:

        def ask(key: str, method: str, path: str, **options: Any) -> httpx.Response:
            headers = {"x-api-key": guarded.keys[key]}
            return http.request(method, path, headers=headers, **options)

        body = {"Table": "private", "File": str(sounds)}
        assert ask("operator", "POST", "/audio/load", json=body).status_code == 200
        assert ask("operator", "GET", "/progress").json() == "current: 20, total: 20"
        assert ask("reader", "GET", "/progress").json() == "current: 0, total: 0"
        assert (
            ask("operator", "POST", "/audio/drop", params={"table_name": "private"}).json() == "ok"
        )
