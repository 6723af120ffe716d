"""The ends of inputs, and the ends that must not be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from serving.errors import from_rpc_error

DEADLINE = 90.0
"""Seconds that any call has, unless it is made to be cut off."""

LATE = 15.0
"""Seconds after its deadline at which a call counts as hung, on a busy machine too."""

_NEVER = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
_BY_LIBRARY = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
}
"""Codes that gRPC itself gives, without a reason: also for messages of more bytes than it takes."""


@dataclass(frozen=True)
class Outcome:
    """The end of one input."""

    status: str
    reason: str = ""
    fault: str = ""
    """The reason why this must not be; empty if it may."""


@dataclass(frozen=True)
class Input:
    """An input that can be sent once."""

    what: str
    """The method or path, and the change."""
    data: bytes
    send: Callable[[], Outcome]
    seconds: float = DEADLINE


def of_call(error: grpc.RpcError | None, *, cut_off: bool = False, typed: bool = True) -> Outcome:
    """The end of a gRPC call.

    Args:
        error: its failure, if it failed.
        cut_off: its deadline was made too short for an answer.
        typed: its errors must have a reason.
    """
    if error is None:
        return Outcome("OK")
    code, known = error.code(), from_rpc_error(error)
    reason, fault = known.reason.value if known else "", ""
    if code in _NEVER:
        fault = f"{code.name}: {error.details()}"
    elif typed and not known and code not in _BY_LIBRARY:
        fault = f"{code.name} without a reason: {error.details()}"
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED and not cut_off:
        fault = f"no answer in time: {error.details()}"
    return Outcome(code.name, reason, fault)


def of_answer(status: int, body: bytes, *, typed: bool) -> Outcome:
    """The end of an HTTP request; `typed` if its errors have a reason."""
    reason, fault = "", ""
    if status >= 400:
        try:
            (detail,) = json.loads(body)["error"]["details"]
            reason = str(detail["reason"])
        except (ValueError, KeyError, TypeError):
            fault = f"{status} without a reason: {body[:300]!r}" if typed else ""
    if status == 500 or b"Traceback" in body:
        fault = f"{status}: {body[:300]!r}"
    return Outcome(str(status), reason, fault)
