"""Addresses of audio in the answers of the earlier demo's routes."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

from starlette.requests import Request

_LOCAL = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")


def link(request: Request, public_url: str, clip: str) -> str:
    """The address of the audio of a clip.

    Args:
        request: its `host` header is trusted only if it names the caller's own machine.
        public_url: address of the gateway for users; empty for the address that the request came in
            at.
        clip: name of the clip.
    """
    return f"{_address(request, public_url)}/data?audio_path={quote(clip, safe='')}"


def voice_link(request: Request, public_url: str, table: str, spk_id: str) -> str:
    """The address of a speaker's first enrollment, like `link`."""
    asked = urlencode({"table_name": table, "spk_id": spk_id}, quote_via=quote, safe="")
    return f"{_address(request, public_url)}/vpr/data?{asked}"


def _address(request: Request, public_url: str) -> str:
    return public_url.rstrip("/") or _own(request)


def _own(request: Request) -> str:
    named = request.headers.get("host", "")
    if not _LOCAL.fullmatch(named):
        host, port = request.scope["server"]
        named = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"{request.scope['scheme']}://{named}"
