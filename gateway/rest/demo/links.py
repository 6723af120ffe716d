"""Addresses of clips' audio in the answers of the earlier demo's routes."""

from __future__ import annotations

import re
from urllib.parse import quote, urlencode

from starlette.requests import Request

_LOCAL = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")


def link(request: Request, public_url: str, clip: str) -> str:
    """Where the audio of a clip can be had.

    Args:
        request: whoever asks; its `host` is believed only where it names their own machine.
        public_url: the address under which users know the gateway; empty for the one at which the
            request came in.
        clip: name of the clip.
    """
    return f"{_address(request, public_url)}/data?audio_path={quote(clip, safe='')}"


def voice_link(request: Request, public_url: str, table: str, spk_id: str) -> str:
    """As `link`, of a speaker's first enrollment."""
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
