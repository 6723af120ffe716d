"""Access by REST, and the answers to browsers: keys, origins, headers, TLS."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path

import httpx
import pytest

from gateway.access import api_key, key_file
from gateway.access.rights import Right
from serving.compat import timeout
from serving.tls import renewal
from tests.certificates import Authority
from tests.unit.gateway.rest_server import serving
from tests.unit.gateway.test_rest_boundary import LIBRARIES, PATIENCE, raw, reason


async def test_who_has_no_key_is_turned_away_first(tmp_path: Path) -> None:
    """Before the request is read; either header brings the key, also beside a proxy's own."""
    key, token = api_key.make("phone", {"a": Right.read})
    key_file.change(tmp_path / "keys", lambda keys: keys.update({key.id: key}))
    async with serving(keyring=tmp_path / "keys") as served:
        for path in (LIBRARIES + "a?wrong=1", "/v1/models?wrong=1", "/audio/count?wrong=1"):
            answer = await served.http.get(path)
            assert (answer.status_code, reason(answer)) == (401, "KEY_MISSING")
            assert answer.headers["www-authenticate"] == "Bearer"
        for headers in (
            {"x-api-key": token},
            {"authorization": f"Bearer {token}"},
            {"authorization": "Basic dXNlcjpwYXNz", "x-api-key": token},
        ):
            assert (await served.http.get(LIBRARIES + "a", headers=headers)).status_code == 200
            answer = await served.http.get(LIBRARIES + "b", headers=headers)
            assert (answer.status_code, reason(answer)) == (403, "RIGHT_MISSING")


async def test_pages_of_other_sites_may_not_call() -> None:
    """Nor by a name that leads here; listed ones may."""
    friend = "https://friend.example"
    async with serving(cors_origins=f"{friend}, http://other.example:8080") as served:
        path, own = LIBRARIES + "a", f"http://127.0.0.1:{served.port}"
        for origin in (friend, own, "https://evil.example", "null"):
            form = {"origin": origin, "content-type": "multipart/form-data; boundary=x"}
            answer = await served.http.post(path + "/clips", headers=form, content=b"")
            assert answer.status_code == (400 if origin in (friend, own) else 403)
        answer = await served.http.get(path, headers={"origin": friend})
        assert answer.headers["access-control-allow-origin"] == friend
        assert "access-control-allow-credentials" not in answer.headers
        answer = await served.http.get(path, headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers
        answer = await served.http.get(path, headers={"host": "evil.example"})
        assert (answer.status_code, reason(answer)) == (403, "ORIGIN_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET {} HTTP/1.0\n\n", 200),
        ("GET {} HTTP/1.0\nHost: localhost\n\n", 200),
        ("GET {} HTTP/1.0\nHost: evil.example\n\n", 403),
        ("POST {} HTTP/1.0\nOrigin: null\n\n", 403),
        ("POST {} HTTP/1.0\nOrigin: https://evil.example\n\n", 403),
        ("GET {} HTTP/1.1\nConnection: close\n\n", 400),
    ],
)
async def test_http_1_0_needs_no_host(head: str, status: int) -> None:
    """Old clients and probes name none. A browser always does."""
    async with serving() as served:
        reader, writer = await raw(served, head.format(LIBRARIES + "a"))
        line = await asyncio.wait_for(reader.readline(), PATIENCE)
        writer.close()
    assert line.split()[1] == str(status).encode()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "DELETE"])
async def test_probes_of_any_method_are_answered(method: str) -> None:
    """Monitors send HEAD; what is not for probes is told in the way of all routes."""
    async with serving() as served:
        answer = await served.http.request(method, "/healthz")
        if method == "HEAD":
            assert (answer.status_code, answer.content) == (503, b"")  # no service is behind it
        else:
            assert (answer.status_code, reason(answer)) == (405, "METHOD_NOT_ALLOWED")
            assert answer.headers["allow"] == "GET, HEAD"


async def test_two_lengths_of_a_body_are_refused_and_end_the_connection() -> None:
    """A proxy in front might read the other one, and take the rest for another request."""
    async with serving() as served:
        head = f"POST {LIBRARIES}a/clips HTTP/1.1\nHost: localhost\n"
        lengths = "Content-Length: 4\nTransfer-Encoding: chunked\n\n0\n\n"
        following = f"GET {LIBRARIES}a HTTP/1.1\nHost: localhost\n\n"
        reader, writer = await raw(served, head + lengths + following)
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"FIELD_INVALID" in answer


async def test_every_answer_has_the_headers_of_security() -> None:
    """And none that tells the server's make."""
    async with serving() as served:
        for path in (LIBRARIES + "a", "/v1/nothing", "/healthz", "/docs", "/openapi.json"):
            headers = (await served.http.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "server" not in headers


async def test_the_documentation_comes_from_files_of_the_server() -> None:
    """The page names nothing elsewhere, and all it names is there."""
    async with serving() as served:
        page = (await served.http.get("/docs")).text
        named = re.findall(r'(?:href|src)="([^"]+)"', page)
        assert len(named) >= 3
        for path in named:
            answer = await served.http.get(f"/{path}")
            assert answer.status_code == 200, path
            assert "://" not in path
        for wrong in ("bytes=abc", "bytes=99999999-", "lines=1-2"):
            answer = await served.http.get("/docs", headers={"range": wrong})
            assert (answer.status_code, answer.text) == (200, page)  # no ranges of pages
        document = (await served.http.get("/openapi.json")).json()
    operation = document["paths"]["/v1/libraries"]["get"]
    assert operation["operationId"] == "listLibraries"
    place = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    schema = document["components"]["schemas"][place.rpartition("/")[2]]
    assert schema["properties"]["libraries"]["items"]["$ref"].endswith(
        "audiosearch.catalog.v1.Library"
    )


async def test_a_renewed_certificate_is_shown_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To new connections."""
    monkeypatch.setattr(renewal, "LOOK_SECONDS", 0.05)
    authority = Authority(tmp_path)
    files = authority.issue("gateway")
    async with serving(tls_cert=files.cert, tls_key=files.key) as served:
        place = ("127.0.0.1", served.port)
        first = await asyncio.to_thread(ssl.get_server_certificate, place)
        authority.issue("gateway")
        async with timeout(30):
            while await asyncio.to_thread(ssl.get_server_certificate, place) == first:
                await asyncio.sleep(0.05)


async def test_with_a_certificate_it_speaks_tls_alone(tmp_path: Path) -> None:
    """The gateway's own, of which the probe in its container knows nothing but the file."""
    files = Authority(tmp_path).issue("gateway", hosts=())
    async with serving(tls_cert=files.cert, tls_key=files.key) as served:
        trusting = httpx.AsyncClient(verify=files.context_of_own() or False)
        async with trusting as http:
            answer = await http.get(f"https://127.0.0.1:{served.port}{LIBRARIES}a")
        assert answer.json()["displayName"] == "Töne"
        with pytest.raises(httpx.RemoteProtocolError):
            await served.http.get(LIBRARIES + "a")
