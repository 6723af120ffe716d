"""/ and /assets: the web client, from files of this machine alone."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request, Response

from serving.errors import Reason, ServiceError

_WEB = Path(str(files("audiosearch_web")))
_WAVEFORMS = "wavesurfer/js/wavesurfer.min.js"
_SENT = {".css", ".js", ".svg"}
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
_COMMON = {"cache-control": "no-cache", "vary": "accept-encoding"}


@dataclass(frozen=True)
class Asset:
    """A file as it is sent, read and packed once, at the start.

    StaticFiles below a GZipMiddleware would send the same, packed anew for each answer on the event
    loop, and needs a subclass to keep back the files that are not for browsers.
    """

    plain: bytes
    packed: bytes
    media_type: str
    tag: str

    @classmethod
    def read(cls, path: Path) -> Asset:
        """Reads a file and packs it, once."""
        plain = path.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        tag = f'"{hashlib.sha256(plain).hexdigest()[:32]}"'
        return cls(plain, gzip.compress(plain, mtime=0), kind, tag)

    def answer(self, request: Request) -> Response:
        """Sends it, packed if the client takes that, or says that it is still the same."""
        headers = {**_COMMON, "etag": self.tag}
        if self.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self.plain, headers=headers, media_type=self.media_type)
        headers["content-encoding"] = "gzip"
        return Response(self.packed, headers=headers, media_type=self.media_type)


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
