"""Services that are gone: said so over REST, and forgotten when they are back."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.errors import Reason
from tests.end_to_end.conftest import start
from tests.rest.answers import refused
from tests.rest.conftest import Rest, client
from tests.rest.sounds import wav
from tools.servers.processes import until


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    """A stack of its own, whose services may be killed."""
    settings = {
        "AUDIOSEARCH_MAX_CALL_SECONDS": str(CALL_SECONDS),
        "AUDIOSEARCH_PUBLIC_URL": "https://sounds.example/base/",
        "AUDIOSEARCH_IMPORT_CONCURRENCY": "1",
        "DEFAULT_TABLE": "mine",
    }
    folder = tmp_path_factory.mktemp("broken")
    with start(folder, **settings) as running, client(running.stack) as http:
        yield Rest(running, http)


CALL_SECONDS = 4


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("embedding", Reason.EMBEDDING_UNAVAILABLE),
        ("index", Reason.INDEX_UNAVAILABLE),
        ("catalog", Reason.CATALOG_UNAVAILABLE),
    ],
)
def test_a_service_that_is_gone_is_named(broken: Rest, service: str, reason: Reason) -> None:
    """503 with a time to try again; the probe fails; both end with the outage."""
    stack, http = broken.stack, broken.http
    library = f"/v1/libraries/{service}"
    assert http.post("/v1/libraries", params={"libraryId": service}).status_code == 200
    assert http.post(f"{library}/clips", content=wav()).status_code == 200
    os.kill(stack.pid(service), signal.SIGKILL)
    answer = http.post(f"{library}/clips:search", content=wav())
    refused(answer, 503, reason)
    assert answer.headers["retry-after"]
    demo = http.post("/audio/search", params={"table_name": service}, files={"audio": wav()})
    refused(demo, 503, reason)
    until(lambda: http.get("/healthz").status_code == 503)
    stack.launch(service)
    stack.wait(service)
    until(lambda: http.get("/healthz").status_code == 200)
    found = http.post(f"{library}/clips:search", content=wav())
    assert len(found.json()["matches"]) == 1


def many(broken: Rest, count: int) -> str:
    """A folder of many sounds, no two of the same bytes."""
    folder = broken.folder()
    for number in range(count):
        (folder / f"{number}.wav").write_bytes(wav() + number.to_bytes(4, "big"))
    return str(folder)


def test_a_load_that_takes_too_long_goes_on(broken: Rest) -> None:
    """The answer names the import; others are answered meanwhile; progress tells the rest."""
    folder, http = many(broken, 400), broken.http
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(http.post, "/audio/load", json={"File": folder})
        until(lambda: http.get("/progress").json().endswith("total: 400"))
        assert not loading.done()
        assert http.get("/v1/models").status_code == 200
        told = refused(loading.result(), 504, Reason.DEADLINE_EXCEEDED)
    operation, then = f"/v1/{told['operation']}", http.get("/progress").json()
    assert http.get(operation).json()["done"] is False
    until(lambda: http.get("/progress").json() != then)
    assert http.get("/audio/count", params={"table_name": "mine"}).json() > 0
    assert http.post(f"{operation}:cancel").status_code == 200
    until(lambda: http.get(operation).json()["done"])


def test_a_load_ends_when_the_gateway_stops_and_the_import_does_not(broken: Rest) -> None:
    """Its client is told; the next gateway goes on where the first one was."""
    folder, http = many(broken, 60), broken.http
    with ThreadPoolExecutor(1) as pool:
        asked = {"Table": "resumed", "File": folder}
        loading = pool.submit(http.post, "/audio/load", json=asked)
        until(lambda: http.get("/progress").json().endswith("total: 60"))
        os.kill(broken.stack.pid("gateway"), signal.SIGTERM)
        refused(loading.result(), 503, Reason.GATEWAY_UNAVAILABLE)
    os.waitid(os.P_PID, broken.stack.pid("gateway"), os.WEXITED | os.WNOWAIT)
    broken.stack.launch("gateway")
    broken.stack.wait("gateway")
    until(lambda: http.get("/progress").json() == "current: 60, total: 60")


def test_links_have_the_address_that_the_operator_names(broken: Rest) -> None:
    """AUDIOSEARCH_PUBLIC_URL, whatever the request says of itself."""
    folder = broken.folder()
    (folder / "bell.wav").write_bytes(wav())
    loaded = broken.http.post("/audio/load", json={"Table": "linked", "File": str(folder)})
    assert loaded.status_code == 200, loaded.text
    params = {"table_name": "linked"}
    (row,) = broken.http.post("/audio/search", params=params, files={"audio": wav()}).json()
    assert row[0].startswith("https://sounds.example/base/data?audio_path=libraries%2Flinked%2F")
