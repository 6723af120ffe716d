"""The web client's files, as they are sent."""

from __future__ import annotations

import gzip
import posixpath
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from gateway.rest.routes import web
from serving.errors import Reason, ServiceError
from tests.conftest import REPOSITORY

WEB = REPOSITORY / "clients/audiosearch_web"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that serves nothing else."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(web.router())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        yield client


async def test_each_page_has_a_policy_and_a_nonce_of_its_own(http: httpx.AsyncClient) -> None:
    """Nothing inline runs, nothing of other servers, and no nonce serves twice."""
    nonces = set()
    for _ in range(2):
        answer = await http.get("/")
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-" in policy
        assert "unsafe" not in policy
        (nonce,) = re.findall(r"'nonce-([^']+)'", policy)
        assert f'nonce="{nonce}"' in answer.text
        assert answer.headers["cache-control"] == "no-store"
        nonces.add(nonce)
    assert len(nonces) == 2


async def test_the_page_names_only_files_that_are_there(http: httpx.AsyncClient) -> None:
    """Every file of the page, and every module that a module names, is sent as what it is."""
    page = (await http.get("/")).text
    assert not re.search(r"<style|<script>|\sstyle=|\son[a-z]+=", page)
    named = set(re.findall(r'(?:href|src)="/assets/([^"]+)"', page))
    for path in (*WEB.rglob("*.js"), *WEB.rglob("*.css")):
        folder = path.relative_to(WEB).parent
        targets = r'(?:from|import) ?\(?"(\.{1,2}/[^"]+)"|url\("([^"]+)"\)'
        for module, picture in re.findall(targets, path.read_text()):
            named.add(posixpath.normpath(folder / (module or picture)))
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    for name in named:
        answer = await http.get(f"/assets/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["content-type"].startswith(kinds[name.rpartition(".")[2]])
    assert "wavesurfer.min.js" in named


async def test_a_file_is_sent_once(http: httpx.AsyncClient) -> None:
    """It is asked for again, and told to be the same by its tag; packed where that is taken."""
    whole = (WEB / "app.js").read_bytes()
    answer = await http.get("/assets/app.js", headers={"accept-encoding": "identity"})
    assert answer.content == whole
    assert "content-encoding" not in answer.headers
    tag = answer.headers["etag"]
    same = await http.get("/assets/app.js", headers={"if-none-match": tag})
    assert (same.status_code, same.content) == (304, b"")
    async with http.stream("GET", "/assets/app.js", headers={"accept-encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        raw = b"".join([piece async for piece in packed.aiter_raw()])
    assert gzip.decompress(raw) == whole


async def test_the_worker_may_serve_the_page_and_ask_this_server_alone(
    http: httpx.AsyncClient,
) -> None:
    """Also when it is told to be the same; no other file gets as much."""
    first = await http.get("/assets/media_worker.js")
    for headers in ({}, {"if-none-match": first.headers["etag"]}):
        answer = await http.get("/assets/media_worker.js", headers=headers)
        assert answer.headers["service-worker-allowed"] == "/"
        policy = answer.headers["content-security-policy"]
        assert policy == "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"
    assert "service-worker-allowed" not in (await http.get("/assets/app.js")).headers


@pytest.mark.parametrize(
    "path",
    ["index.html", "nothing.js", "__init__.py", "../audiosearch_cli/app.py", "%2e%2e/__init__.py"],
)
async def test_nothing_else_is_sent(http: httpx.AsyncClient, path: str) -> None:
    """Only the files that were there at the start, whatever the path."""
    with pytest.raises(ServiceError) as failure:
        await http.get(f"/assets/{path.replace('../', '%2e%2e/')}")
    assert failure.value.reason is Reason.ROUTE_NOT_FOUND
