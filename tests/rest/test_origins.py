"""Pages of other sites: who may call from a browser, and what browsers are told."""

from __future__ import annotations

import urllib.parse

import httpx
import pytest

from serving.errors import Reason
from tests.rest.answers import refused
from tests.rest.conftest import FRIEND, Rest
from tests.rest.sounds import wav

STRANGERS = [
    "https://evil.example",
    "null",
    "http://friend.example",
    "https://friend.example.evil.example",
    "https://friend.example:444",
    "https://FRIEND.example.",
    "file://",
    "http://localhost:1",
]


def preflight(rest: Rest, origin: str, method: str = "POST") -> httpx.Response:
    """Sends the request of a browser before a call that is not simple."""
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type,x-request-id",
    }
    return rest.http.options("/v1/libraries/x/clips", headers=headers)


def test_a_listed_page_may_call(rest: Rest, library: str) -> None:
    """It is named, credentials of the browser are not taken, and it may read what it needs."""
    for method in ("GET", "POST", "PATCH", "DELETE"):
        answer = preflight(rest, FRIEND, method)
        assert answer.status_code in (200, 204)
        assert answer.headers["access-control-allow-origin"] == FRIEND
        assert method in answer.headers["access-control-allow-methods"]
        assert "access-control-allow-credentials" not in answer.headers
    made = rest.http.post(
        f"/v1/libraries/{library}/clips", content=wav(), headers={"origin": FRIEND}
    )
    assert made.status_code == 200
    assert made.headers["access-control-allow-origin"] == FRIEND
    assert "origin" in made.headers["vary"].lower()
    exposed = made.headers["access-control-expose-headers"].lower()
    assert {"content-range", "etag", "x-request-id"} <= {e.strip() for e in exposed.split(",")}
    bad = rest.http.get("/v1/libraries/absent", headers={"origin": FRIEND})
    assert bad.status_code == 404
    assert bad.headers["access-control-allow-origin"] == FRIEND


@pytest.mark.parametrize("origin", STRANGERS)
def test_other_pages_may_neither_write_nor_read(rest: Rest, library: str, origin: str) -> None:
    """No answer names them, and what would change something is not done."""
    asked = preflight(rest, origin)
    assert "access-control-allow-origin" not in asked.headers
    read = rest.http.get("/v1/models", headers={"origin": origin})
    assert "access-control-allow-origin" not in read.headers
    path = f"/v1/libraries/{library}"
    for method, kind in (("POST", "text/plain"), ("DELETE", "")):
        sent = {"origin": origin, "content-type": kind}
        target = path + "/clips" if method == "POST" else path
        answer = rest.http.request(method, target, content=wav(), headers=sent)
        refused(answer, 403, Reason.ORIGIN_NOT_ALLOWED)
        assert "access-control-allow-origin" not in answer.headers
    assert rest.http.get(path).json()["clipCount"] == "0"


def test_the_own_page_may_call(rest: Rest, library: str) -> None:
    """As the web client does."""
    own = {"origin": rest.stack.web.rstrip("/")}
    answer = rest.http.post(f"/v1/libraries/{library}/clips", content=wav(), headers=own)
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example"])
@pytest.mark.parametrize("path", ["/v1/libraries", "/audio/count", "/", "/docs", "/openapi.json"])
def test_a_foreign_name_for_this_machine_is_refused(rest: Rest, host: str, path: str) -> None:
    """A page of that name would be the gateway's own to a browser."""
    named = host.format(port=urllib.parse.urlsplit(rest.stack.web).port)
    answer = rest.http.get(path, headers={"host": named})
    refused(answer, 403, Reason.ORIGIN_NOT_ALLOWED)


@pytest.mark.parametrize(
    "path", ["/", "/v1/models", "/v1/absent", "/openapi.json", "/docs", "/healthz", "/audio/count"]
)
def test_every_answer_tells_browsers_to_be_careful(rest: Rest, path: str) -> None:
    """No guessing of types, no frames, no referrer, nothing from elsewhere."""
    headers = rest.http.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'unsafe-inline'" not in policy
    assert "server" not in headers
