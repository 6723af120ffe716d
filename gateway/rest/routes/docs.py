"""/docs: Swagger UI from local files, without requests to other servers."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

from fastapi import APIRouter, Request, Response

from gateway.rest.http.assets import Asset

_OURS = Path(__file__).with_suffix("")
_POLICY = (
    # Swagger UI needs style attributes.
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def router() -> APIRouter:
    """The page and its files."""
    packaged = Path(str(distribution("fastapi-offline").locate_file("fastapi_offline/static")))
    files = {
        "/docs": _OURS / "index.html",
        "/docs/start.js": _OURS / "start.js",
        "/docs/swagger-ui.css": packaged / "swagger-ui.css",
        "/docs/swagger-ui-bundle.js": packaged / "swagger-ui-bundle.js",
    }
    api = APIRouter()
    for path, file in files.items():
        _add(api, path, file)
    return api


def _add(api: APIRouter, path: str, file: Path) -> None:
    asset = Asset.read(file)

    @api.get(path, include_in_schema=False)
    async def send(request: Request) -> Response:
        answer = asset.answer(request)
        answer.headers["content-security-policy"] = _POLICY
        return answer
