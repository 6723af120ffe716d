"""The earlier demo's routes: its clients' calls work, and data that it lost stay here."""

from __future__ import annotations

import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from deploy import example_sounds
from serving.errors import Reason
from tests.rest import earlier_demo
from tests.rest.answers import refused
from tests.rest.conftest import Rest
from tests.rest.demo_calls import count, load, search
from tests.rest.sounds import silence, wav, webm


def test_a_client_of_the_demo_gets_the_answers_that_it_counts_on(
    rest: Rest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of sounds and of voices; a table that is dropped is gone."""
    folder = rest.folder()
    example_sounds.write_all(folder)
    earlier_demo.main(folder, rest.stack.web.rstrip("/"))
    assert "every answer was as expected" in capsys.readouterr().out


def test_the_default_table_is_meant_where_none_is_named(rest: Rest) -> None:
    """DEFAULT_TABLE, which is `audio_table`; null is a name that is left out."""
    folder = rest.folder()
    (folder / "bell.wav").write_bytes(wav())
    answer = rest.http.post("/audio/load", json={"Table": None, "File": str(folder)})
    assert answer.json() == {"status": True, "msg": "Successfully loaded data!"}
    assert rest.http.get("/audio/count").json() == 1
    assert count(rest, "audio_table") == 1
    (row,) = rest.http.post("/audio/search", files={"audio": wav()}).json()
    assert row[1] == ["bell.wav", pytest.approx(100, abs=0.1)]
    assert rest.http.post("/audio/drop").json() == "ok"


def test_scores_are_those_of_the_demo(rest: Rest, filled: str) -> None:
    """(2 * cosine - 1) * 100, for the ten most similar clips."""
    rows = search(rest, filled, wav("sword_clash", 77)).json()
    found = rest.http.post(f"/v1/libraries/{filled}/clips:search", content=wav("sword_clash", 77))
    matches = found.json()["matches"]
    assert len(rows) == len(matches) == 10
    for (_, (name, score)), match in zip(rows, matches, strict=True):
        assert name == match["clip"]["displayName"]
        assert score == pytest.approx((2 * match["score"] - 1) * 100, abs=1e-3)


def test_what_a_browser_records_is_a_query(rest: Rest, filled: str) -> None:
    """Opus in WebM, with other fields in the form."""
    answer = rest.http.post(
        "/audio/search",
        params={"table_name": filled},
        data={"Device": "1"},
        files={"audio": ("blob", webm(), "audio/webm;codecs=opus")},
    )
    assert answer.json()[0][1][0] == "bronze_bell_1.wav"


def test_links_lead_to_the_audio_with_ranges(rest: Rest, filled: str) -> None:
    """They are encoded, and made for the address at which the request came in."""
    (url, (name, _)), *_ = search(rest, filled, wav()).json()
    parts = urllib.parse.urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}/" == rest.stack.web
    assert "/" not in parts.query
    whole = httpx.get(url)
    assert whole.content == wav()
    assert name == "bronze_bell_1.wav"
    part = httpx.get(url, headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, wav()[4:8])
    assert httpx.head(url).headers["content-length"] == str(len(wav()))


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "localhost"])
def test_links_keep_the_name_of_this_machine(rest: Rest, filled: str, host: str) -> None:
    """A forwarded port or a proxy on the client's own machine stays in the link."""
    named = host.format(port=urllib.parse.urlsplit(rest.stack.web).port)
    answer = rest.http.post(
        "/audio/search",
        params={"table_name": filled},
        files={"audio": wav()},
        headers={"host": named},
    )
    assert answer.json()[0][0].startswith(f"http://{named}/data?")


def test_files_that_fail_are_told_and_keep_back_no_others(rest: Rest) -> None:
    """One that can't be decoded among good ones, one of capital ending, one in a folder below."""
    table, folder = rest.library(), rest.folder()
    (folder / "bad.wav").write_bytes(b"not audio")
    (folder / "LOUD.WAV").write_bytes(wav())
    (folder / "below").mkdir()
    (folder / "below" / "clash.mp3").write_bytes(wav("sword_clash"))
    answer = load(rest, table, folder)
    assert answer.status_code == 200
    assert answer.json()["status"] is True
    assert answer.json()["msg"].startswith("1 of 3 files could not be loaded: bad.wav: ")
    assert count(rest, table) == 2
    progress = rest.http.get("/progress", params={"table_name": table}).json()
    assert progress == "current: 3, total: 3, failed: 1"


def test_a_load_of_which_nothing_came_fails(rest: Rest) -> None:
    """For the reason of the first file; a folder without audio is told as such."""
    table, folder = rest.library(), rest.folder()
    refused(load(rest, table, folder), 404, Reason.PATH_NOT_FOUND)
    (folder / "silent.wav").write_bytes(silence())
    refused(load(rest, table, folder), 400, Reason.AUDIO_SILENT)


def test_a_table_can_be_dropped_while_it_is_loaded(rest: Rest) -> None:
    """The load fails, and nothing of it stays or goes on."""
    table, folder = rest.library(), rest.folder()
    for number in range(200):
        (folder / f"{number}.wav").write_bytes(wav() + bytes([number]))
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, rest, table, folder)
        while not count(rest, table):
            time.sleep(0.05)
        assert rest.http.post("/audio/drop", params={"table_name": table}).json() == "ok"
        assert loading.result().status_code in (400, 404)
    assert count(rest, table) is None
    (folder / "last.wav").write_bytes(wav("sword_clash"))
    params = {"table_name": table, "query_audio_path": str(folder / "last.wav")}
    refused(rest.http.post("/audio/search/local", params=params), 404, Reason.LIBRARY_NOT_FOUND)


def test_loading_twice_changes_nothing(rest: Rest, filled: str) -> None:
    """Files that the library has are not loaded again."""
    folder = rest.folder()
    example_sounds.write_all(folder)
    assert load(rest, filled, folder).json()["msg"] == "Successfully loaded data!"
    assert count(rest, filled) == 20


def test_a_relative_folder_is_looked_for_below_what_may_be_imported(rest: Rest) -> None:
    """For searches too."""
    folder = rest.folder()
    (folder / "bell.wav").write_bytes(wav())
    table = rest.library()
    assert load(rest, table, folder.name).status_code == 200
    params = {"query_audio_path": f"./{folder.name}/bell.wav", "table_name": table}
    assert rest.http.post("/audio/search/local", params=params).json()[0][1][0] == "bell.wav"
