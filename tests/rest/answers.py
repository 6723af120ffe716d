"""Answers of REST, read and checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import httpx

from serving.errors import Reason


def refused(answer: httpx.Response, status: int, reason: Reason) -> dict[str, str]:
    """Checks that an answer is an error as Google's APIs form it; gives the reason's metadata."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == status
    assert error["status"] == reason.code.name
    assert error["message"]
    (detail,) = error["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert (detail["reason"], detail["domain"]) == (reason.value, "audiosearch")
    assert answer.headers["x-request-id"]
    return dict(detail["metadata"])


def events(lines: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Server-sent events: kind, and data read from JSON."""
    kind = ""
    for line in lines:
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, json.loads(line.removeprefix("data: "))
