"""Typed errors, and the one table from reason to gRPC code."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import cast

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from typing_extensions import Self

DOMAIN = "audiosearch"
_MESSAGE_BYTES = 1000
_VALUE_BYTES = 300
_LEFT_OUT = " ... "
_Code = grpc.StatusCode


class Reason(str, Enum):
    """The reason of a failed call, as in google.rpc.ErrorInfo, with its gRPC code."""

    code: grpc.StatusCode

    def __new__(cls, code: grpc.StatusCode, name: str) -> Self:
        """Makes the reason a string with its code beside it."""
        reason = str.__new__(cls, name)
        reason._value_ = name
        reason.code = code
        return reason

    @property
    def temporary(self) -> bool:
        """True if the same call may succeed soon, because a service is away or busy."""
        return self.code is _Code.UNAVAILABLE or self.value.endswith("_BUSY")

    @classmethod
    def named(cls, name: str) -> Self | None:
        """The reason of that name; None if there is none."""
        return cls.__members__.get(name)

    FIELD_INVALID = _Code.INVALID_ARGUMENT, "FIELD_INVALID"
    AUDIO_TOO_SHORT = _Code.INVALID_ARGUMENT, "AUDIO_TOO_SHORT"
    AUDIO_TOO_LONG = _Code.INVALID_ARGUMENT, "AUDIO_TOO_LONG"
    AUDIO_UNDECODABLE = _Code.INVALID_ARGUMENT, "AUDIO_UNDECODABLE"
    AUDIO_SILENT = _Code.INVALID_ARGUMENT, "AUDIO_SILENT"
    AUDIO_CHANNEL_MISSING = _Code.INVALID_ARGUMENT, "AUDIO_CHANNEL_MISSING"
    LIBRARY_NOT_FOUND = _Code.NOT_FOUND, "LIBRARY_NOT_FOUND"
    CLIP_NOT_FOUND = _Code.NOT_FOUND, "CLIP_NOT_FOUND"
    QUERY_NOT_FOUND = _Code.NOT_FOUND, "QUERY_NOT_FOUND"
    SPEAKER_NOT_FOUND = _Code.NOT_FOUND, "SPEAKER_NOT_FOUND"
    CALIBRATION_NOT_FOUND = _Code.NOT_FOUND, "CALIBRATION_NOT_FOUND"
    AUDIO_NOT_FOUND = _Code.NOT_FOUND, "AUDIO_NOT_FOUND"
    MODEL_NOT_FOUND = _Code.NOT_FOUND, "MODEL_NOT_FOUND"
    INDEX_NOT_FOUND = _Code.NOT_FOUND, "INDEX_NOT_FOUND"
    IMPORT_JOB_NOT_FOUND = _Code.NOT_FOUND, "IMPORT_JOB_NOT_FOUND"
    PATH_NOT_FOUND = _Code.NOT_FOUND, "PATH_NOT_FOUND"
    ROUTE_NOT_FOUND = _Code.NOT_FOUND, "ROUTE_NOT_FOUND"
    KEY_MISSING = _Code.UNAUTHENTICATED, "KEY_MISSING"
    KEY_INVALID = _Code.UNAUTHENTICATED, "KEY_INVALID"
    RIGHT_MISSING = _Code.PERMISSION_DENIED, "RIGHT_MISSING"
    PATH_NOT_ALLOWED = _Code.PERMISSION_DENIED, "PATH_NOT_ALLOWED"
    ORIGIN_NOT_ALLOWED = _Code.PERMISSION_DENIED, "ORIGIN_NOT_ALLOWED"
    LIBRARY_EXISTS = _Code.ALREADY_EXISTS, "LIBRARY_EXISTS"
    CLIP_EXISTS = _Code.ALREADY_EXISTS, "CLIP_EXISTS"
    SPEAKER_EXISTS = _Code.ALREADY_EXISTS, "SPEAKER_EXISTS"
    CLIP_ENROLLED = _Code.ALREADY_EXISTS, "CLIP_ENROLLED"
    SPEAKER_NOT_ENROLLED = _Code.FAILED_PRECONDITION, "SPEAKER_NOT_ENROLLED"
    SPEAKERS_TOO_FEW = _Code.FAILED_PRECONDITION, "SPEAKERS_TOO_FEW"
    VOICE_MISMATCH = _Code.FAILED_PRECONDITION, "VOICE_MISMATCH"
    MODEL_MISMATCH = _Code.FAILED_PRECONDITION, "MODEL_MISMATCH"
    MODEL_WITHOUT_TAGS = _Code.FAILED_PRECONDITION, "MODEL_WITHOUT_TAGS"
    LIBRARY_NOT_EMPTY = _Code.FAILED_PRECONDITION, "LIBRARY_NOT_EMPTY"
    CATALOG_NOT_EMPTY = _Code.FAILED_PRECONDITION, "CATALOG_NOT_EMPTY"
    BACKUP_INCOMPATIBLE = _Code.FAILED_PRECONDITION, "BACKUP_INCOMPATIBLE"
    AUDIO_CHANGED = _Code.FAILED_PRECONDITION, "AUDIO_CHANGED"
    FILE_CHANGED = _Code.FAILED_PRECONDITION, "FILE_CHANGED"
    STATE_CONFLICT = _Code.FAILED_PRECONDITION, "STATE_CONFLICT"
    ENCODER_BUSY = _Code.RESOURCE_EXHAUSTED, "ENCODER_BUSY"
    CATALOG_BUSY = _Code.RESOURCE_EXHAUSTED, "CATALOG_BUSY"
    INDEX_BUSY = _Code.RESOURCE_EXHAUSTED, "INDEX_BUSY"
    GATEWAY_BUSY = _Code.RESOURCE_EXHAUSTED, "GATEWAY_BUSY"
    QUOTA_EXCEEDED = _Code.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"
    STORAGE_FULL = _Code.RESOURCE_EXHAUSTED, "STORAGE_FULL"
    BODY_TOO_LARGE = _Code.RESOURCE_EXHAUSTED, "BODY_TOO_LARGE"
    RANGE_INVALID = _Code.OUT_OF_RANGE, "RANGE_INVALID"
    ENCODING_UNSUPPORTED = _Code.UNIMPLEMENTED, "ENCODING_UNSUPPORTED"
    METHOD_NOT_ALLOWED = _Code.UNIMPLEMENTED, "METHOD_NOT_ALLOWED"
    INDEX_UNAVAILABLE = _Code.UNAVAILABLE, "INDEX_UNAVAILABLE"
    CATALOG_UNAVAILABLE = _Code.UNAVAILABLE, "CATALOG_UNAVAILABLE"
    EMBEDDING_UNAVAILABLE = _Code.UNAVAILABLE, "EMBEDDING_UNAVAILABLE"
    GATEWAY_UNAVAILABLE = _Code.UNAVAILABLE, "GATEWAY_UNAVAILABLE"
    OBJECT_STORE_UNAVAILABLE = _Code.UNAVAILABLE, "OBJECT_STORE_UNAVAILABLE"
    AUDIO_DAMAGED = _Code.DATA_LOSS, "AUDIO_DAMAGED"
    AUDIO_MISSING = _Code.DATA_LOSS, "AUDIO_MISSING"
    BACKUP_INCOMPLETE = _Code.DATA_LOSS, "BACKUP_INCOMPLETE"
    BACKUP_DAMAGED = _Code.DATA_LOSS, "BACKUP_DAMAGED"
    SHARD_DAMAGED = _Code.DATA_LOSS, "SHARD_DAMAGED"
    DEADLINE_EXCEEDED = _Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"
    STREAM_IDLE = _Code.DEADLINE_EXCEEDED, "STREAM_IDLE"
    INTERNAL = _Code.INTERNAL, "INTERNAL"


def shorten(text: str, most: int) -> str:
    """A text of at most so many bytes: the middle of a longer one is left out."""
    packed = text.encode("utf-8", "replace")
    if len(packed) <= most:
        return text
    end = most // 3
    start = most - end - len(_LEFT_OUT.encode())
    parts = (packed[:start], packed[len(packed) - end :])
    return _LEFT_OUT.join(part.decode("utf-8", "ignore") for part in parts)


class ServiceError(Exception):
    """A failure with a reason, a sentence that says what to do, and metadata.

    Texts that are too long for the trailers of an answer lose their middle, which is mostly the
    value that somebody sent.
    """

    def __init__(
        self, reason: Reason, message: str, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Keeps the three parts as attributes of the same names."""
        self.reason = reason
        self.message = shorten(message, _MESSAGE_BYTES)
        self.metadata = {
            name: shorten(value, _VALUE_BYTES) for name, value in (metadata or {}).items()
        }
        super().__init__(self.message)

    @property
    def code(self) -> grpc.StatusCode:
        """The gRPC code of the reason."""
        return self.reason.code

    def to_message(self) -> status_pb2.Status:
        """The google.rpc.Status of this error, with one ErrorInfo."""
        info = Any()
        info.Pack(
            error_details_pb2.ErrorInfo(
                reason=self.reason.value, domain=DOMAIN, metadata=self.metadata
            )
        )
        code, details = self.code.value[0], [info]
        return status_pb2.Status(code=code, message=self.message, details=details)

    def to_status(self) -> grpc.Status:
        """The same for `abort`."""
        return cast("grpc.Status", rpc_status.to_status(self.to_message()))


def from_rpc_error(error: grpc.RpcError) -> ServiceError | None:
    """Reads a ServiceError back from a failed call; None if it carries no reason of ours."""
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else ():
        if detail.Unpack(info) and info.domain == DOMAIN and (reason := Reason.named(info.reason)):
            return ServiceError(reason, status.message, info.metadata)
    return None
