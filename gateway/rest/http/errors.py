"""Failures as HTTP answers: google.rpc.Status in JSON, with the matching status code."""

from __future__ import annotations

import json

import grpc

from serving.errors import DOMAIN, Reason, ServiceError

_Code = grpc.StatusCode
_BY_CODE = {
    _Code.CANCELLED: 499,
    _Code.UNKNOWN: 500,
    _Code.INVALID_ARGUMENT: 400,
    _Code.DEADLINE_EXCEEDED: 504,
    _Code.NOT_FOUND: 404,
    _Code.ALREADY_EXISTS: 409,
    _Code.PERMISSION_DENIED: 403,
    _Code.UNAUTHENTICATED: 401,
    _Code.RESOURCE_EXHAUSTED: 429,
    _Code.FAILED_PRECONDITION: 400,
    _Code.ABORTED: 409,
    _Code.OUT_OF_RANGE: 400,
    _Code.UNIMPLEMENTED: 501,
    _Code.INTERNAL: 500,
    _Code.UNAVAILABLE: 503,
    _Code.DATA_LOSS: 500,
}
_BY_REASON = {
    Reason.BODY_TOO_LARGE: 413,
    Reason.ENCODING_UNSUPPORTED: 415,
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.RANGE_INVALID: 416,
    Reason.STORAGE_FULL: 507,
}
"""Reasons for which HTTP has a status of their own."""


def http_status(error: ServiceError) -> int:
    """The HTTP status of an error, as google.rpc.Code maps to it."""
    return _BY_REASON.get(error.reason, _BY_CODE[error.code])


def error_json(error: ServiceError) -> bytes:
    """`{"error": {code, message, status, details}}`, on one line."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": error.reason.value,
        "domain": DOMAIN,
        "metadata": error.metadata,
    }
    status = {
        "code": http_status(error),
        "message": error.message,
        "status": error.code.name,
        "details": [info],
    }
    return json.dumps({"error": status}, ensure_ascii=False).encode("utf-8", "replace")


def error_headers(error: ServiceError) -> list[tuple[bytes, bytes]]:
    """Headers of an error's answer, except its length."""
    headers = [(b"content-type", b"application/json")]
    if error.code is _Code.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    if http_status(error) in (429, 503):
        headers.append((b"retry-after", b"1"))
    if error.reason is Reason.ENCODING_UNSUPPORTED:
        headers.append((b"accept-encoding", b"identity"))
    if error.reason is Reason.METHOD_NOT_ALLOWED:
        headers.append((b"allow", error.metadata["allowed"].encode()))
    if error.reason is Reason.RANGE_INVALID:
        headers.append((b"content-range", f"bytes */{error.metadata['size']}".encode()))
    return headers
