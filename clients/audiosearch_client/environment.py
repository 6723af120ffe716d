"""Settings of a client by environment variables, the same for the client and the command line."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_TARGET = "localhost:50050"


def target() -> str:
    """AUDIOSEARCH_TARGET, or a gateway on this machine."""
    return os.environ.get("AUDIOSEARCH_TARGET") or DEFAULT_TARGET


def key() -> str | None:
    """AUDIOSEARCH_API_KEY, or what AUDIOSEARCH_API_KEY_FILE holds; None without either.

    Raises:
        OSError: the file can't be read.
    """
    given, file = os.environ.get("AUDIOSEARCH_API_KEY"), os.environ.get("AUDIOSEARCH_API_KEY_FILE")
    if file and not given:
        given = Path(file).read_text(encoding="utf-8").strip()
    return given or None


def ca() -> Path | None:
    """AUDIOSEARCH_TLS_CA, or None."""
    given = os.environ.get("AUDIOSEARCH_TLS_CA")
    return Path(given) if given else None
