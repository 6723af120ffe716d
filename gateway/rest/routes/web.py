"""/ and /assets: the web client, from files of this machine alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request, Response

from gateway.rest.http.assets import Asset
from serving.errors import Reason, ServiceError

_WEB = Path(str(files("audiosearch_web")))
_WAVEFORMS = "wavesurfer/js/wavesurfer.min.js"
_SENT = {".css", ".js", ".ogg", ".svg"}
_PLACEHOLDER = "NONCE"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_WORKER = "media_worker.js"
_WORKERS_HEADERS = {
    # The worker serves the page, which lies above it, and asks this server alone.
    "service-worker-allowed": "/",
    "content-security-policy": "default-src 'none'; connect-src 'self'; frame-ancestors 'none'",
}


def router() -> APIRouter:
    """The page and its files."""
    page = (_WEB / "index.html").read_text(encoding="utf-8")
    assets = dict(_assets())
    api = APIRouter()

    @api.get("/", include_in_schema=False)
    async def index() -> Response:
        # The waveform library brings a style sheet of its own, which the nonce lets in.
        nonce = secrets.token_urlsafe(16)
        headers = {
            "cache-control": "no-store",
            "content-security-policy": _POLICY.format(nonce=nonce),
            "cross-origin-opener-policy": "same-origin",
            "permissions-policy": "microphone=(self), camera=(), geolocation=()",
        }
        return Response(page.replace(_PLACEHOLDER, nonce), headers=headers, media_type="text/html")

    @api.get("/assets/{path:path}", include_in_schema=False)
    async def asset(request: Request, path: str) -> Response:
        if path not in assets:
            raise ServiceError(Reason.ROUTE_NOT_FOUND, f"there is no file {path[:100]!r}")
        answered = assets[path].answer(request)
        if path == _WORKER:
            answered.headers.update(_WORKERS_HEADERS)
        return answered

    return api


def _assets() -> Iterator[tuple[str, Asset]]:
    """Each file of the web client under its path, and the waveform library."""
    for path in sorted(_WEB.rglob("*")):
        if path.suffix in _SENT:
            yield path.relative_to(_WEB).as_posix(), Asset.read(path)
    script = Path(str(distribution("wavesurfer").locate_file(_WAVEFORMS)))
    yield script.name, Asset.read(script)
