"""Services that are gone: said so over REST, and forgotten when they are back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from serving.errors import Reason
from tests.end_to_end.conftest import start
from tests.rest.answers import refused
from tests.rest.conftest import client
from tests.rest.sounds import wav


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[object, httpx.Client]]:
    """A stack of its own, whose services may be killed."""
    with start(tmp_path_factory.mktemp("broken")) as running, client(running.stack) as http:
        yield running.stack, http


def until(found: Callable[[], bool]) -> None:
    """Waits until something is so."""
    end = time.monotonic() + 60
    while not found():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ("embedding", Reason.EMBEDDING_UNAVAILABLE),
        ("index", Reason.INDEX_UNAVAILABLE),
        ("catalog", Reason.CATALOG_UNAVAILABLE),
    ],
)
def test_a_service_that_is_gone_is_named(broken: object, service: str, reason: Reason) -> None:
    """503 with a time to try again; the probe fails; both end with the outage."""
    stack, http = broken  # type: ignore[misc]
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
