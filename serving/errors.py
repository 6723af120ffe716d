"""Typed errors, and the one table that turns their reasons into gRPC codes."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

DOMAIN = "audiosearch"
_Code = grpc.StatusCode


class Reason(str, Enum):
    """Why a call failed, as clients see it in google.rpc.ErrorInfo."""

    FIELD_INVALID = "FIELD_INVALID"
    AUDIO_TOO_SHORT = "AUDIO_TOO_SHORT"
    AUDIO_TOO_LONG = "AUDIO_TOO_LONG"
    AUDIO_UNDECODABLE = "AUDIO_UNDECODABLE"
    AUDIO_SILENT = "AUDIO_SILENT"
    LIBRARY_NOT_FOUND = "LIBRARY_NOT_FOUND"
    CLIP_NOT_FOUND = "CLIP_NOT_FOUND"
    AUDIO_NOT_FOUND = "AUDIO_NOT_FOUND"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    INDEX_NOT_FOUND = "INDEX_NOT_FOUND"
    IMPORT_JOB_NOT_FOUND = "IMPORT_JOB_NOT_FOUND"
    PATH_NOT_FOUND = "PATH_NOT_FOUND"
    PATH_NOT_ALLOWED = "PATH_NOT_ALLOWED"
    LIBRARY_EXISTS = "LIBRARY_EXISTS"
    CLIP_EXISTS = "CLIP_EXISTS"
    MODEL_MISMATCH = "MODEL_MISMATCH"
    LIBRARY_NOT_EMPTY = "LIBRARY_NOT_EMPTY"
    STATE_CONFLICT = "STATE_CONFLICT"
    ENCODER_BUSY = "ENCODER_BUSY"
    STORAGE_FULL = "STORAGE_FULL"
    INDEX_UNAVAILABLE = "INDEX_UNAVAILABLE"
    CATALOG_UNAVAILABLE = "CATALOG_UNAVAILABLE"
    EMBEDDING_UNAVAILABLE = "EMBEDDING_UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"


CODES: dict[Reason, grpc.StatusCode] = {
    **dict.fromkeys([reason for reason in Reason if reason.name.endswith("_NOT_FOUND")],
                    _Code.NOT_FOUND),
    **dict.fromkeys([reason for reason in Reason if reason.name.endswith("_EXISTS")],
                    _Code.ALREADY_EXISTS),
    **dict.fromkeys([reason for reason in Reason if reason.name.endswith("_UNAVAILABLE")],
                    _Code.UNAVAILABLE),
    Reason.FIELD_INVALID: _Code.INVALID_ARGUMENT,
    Reason.AUDIO_TOO_SHORT: _Code.INVALID_ARGUMENT,
    Reason.AUDIO_TOO_LONG: _Code.INVALID_ARGUMENT,
    Reason.AUDIO_UNDECODABLE: _Code.INVALID_ARGUMENT,
    Reason.AUDIO_SILENT: _Code.INVALID_ARGUMENT,
    Reason.PATH_NOT_ALLOWED: _Code.PERMISSION_DENIED,
    Reason.MODEL_MISMATCH: _Code.FAILED_PRECONDITION,
    Reason.LIBRARY_NOT_EMPTY: _Code.FAILED_PRECONDITION,
    Reason.STATE_CONFLICT: _Code.FAILED_PRECONDITION,
    Reason.ENCODER_BUSY: _Code.RESOURCE_EXHAUSTED,
    Reason.STORAGE_FULL: _Code.RESOURCE_EXHAUSTED,
    Reason.DEADLINE_EXCEEDED: _Code.DEADLINE_EXCEEDED,
    Reason.INTERNAL: _Code.INTERNAL,
}


class ServiceError(Exception):
    """A failure with a reason, a sentence that tells the user what to do, and its metadata."""

    def __init__(self, reason: Reason, message: str, metadata: Mapping[str, str] | None = None) -> None:
        """Keeps the three parts as attributes of the same names."""
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = dict(metadata or {})

    @property
    def code(self) -> grpc.StatusCode:
        """The gRPC code of the reason."""
        return CODES[self.reason]

    def to_status(self) -> grpc.Status:
        """The google.rpc.Status of this error, with one ErrorInfo, for `abort`."""
        info = Any()
        info.Pack(error_details_pb2.ErrorInfo(
            reason=self.reason.value, domain=DOMAIN, metadata=self.metadata))
        return rpc_status.to_status(status_pb2.Status(
            code=self.code.value[0], message=self.message, details=[info]))


def from_rpc_error(error: grpc.aio.AioRpcError) -> ServiceError | None:
    """Reads a ServiceError back from a failed call; None when the call carries no reason of ours."""
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info) and info.domain == DOMAIN and info.reason in Reason.__members__:
            return ServiceError(Reason(info.reason), status.message, info.metadata)
    return None
