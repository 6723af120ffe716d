"""Calls as clients of the earlier demo make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.rest.conftest import Rest


def load(rest: Rest, table: str, folder: Path | str) -> httpx.Response:
    """POST /audio/load."""
    return rest.http.post("/audio/load", json={"Table": table, "File": str(folder)})


def search(rest: Rest, table: str, audio: bytes, name: str = "x.wav") -> httpx.Response:
    """POST /audio/search."""
    return rest.http.post(
        "/audio/search", params={"table_name": table}, files={"audio": (name, audio)}
    )


def count(rest: Rest, table: str) -> Any:
    """GET /audio/count."""
    return rest.http.get("/audio/count", params={"table_name": table}).json()


def enroll(
    rest: Rest, table: str, spk_id: str, audio: bytes, name: str = "x.wav"
) -> httpx.Response:
    """POST /vpr/enroll."""
    return rest.http.post(
        "/vpr/enroll",
        params={"table_name": table},
        data={"spk_id": spk_id},
        files={"audio": (name, audio)},
    )


def recognize(rest: Rest, table: str, audio: bytes) -> httpx.Response:
    """POST /vpr/recog."""
    return rest.http.post(
        "/vpr/recog", params={"table_name": table}, files={"audio": ("x.wav", audio)}
    )


def voices(rest: Rest, table: str) -> Any:
    """GET /vpr/list."""
    return rest.http.get("/vpr/list", params={"table_name": table}).json()


def delete(rest: Rest, table: str, spk_id: str) -> httpx.Response:
    """POST /vpr/del."""
    return rest.http.post("/vpr/del", params={"table_name": table}, json={"spk_id": spk_id})
