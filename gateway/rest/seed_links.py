"""Addresses of clips' audio in the answers of the earlier demo's routes."""

from __future__ import annotations

import re
from urllib.parse import quote

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
    return f"{public_url.rstrip('/') or _own(request)}/data?audio_path={quote(clip, safe='')}"


def _own(request: Request) -> str:
    named = request.headers.get("host", "")
    if not _LOCAL.fullmatch(named):
        host, port = request.scope["server"]
        named = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"{request.scope['scheme']}://{named}"
