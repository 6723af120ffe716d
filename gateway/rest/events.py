"""Server-sent events."""

from __future__ import annotations

KEEP_ALIVE = b": still here\n\n"
"""What clients pass over, and what keeps proxies from closing a quiet stream."""


def event(kind: str, data: bytes) -> bytes:
    """One event; `data` is JSON on one line."""
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
