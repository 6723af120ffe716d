"""The connection of a client: blocking calls with a deadline and a key that raise ServiceError."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

import grpc
from audiosearch.embedding.v1.embedding_service_pb2 import GetModelRequest
from typing_extensions import Self

from audiosearch_client.calls_under_way import current
from audiosearch_client.sounds import Audio, opened, size_of
from audiosearch_client.stubs import Stubs
from serving.audio_size import too_large
from serving.errors import Reason, ServiceError, from_rpc_error
from serving.peers import keepalive
from serving.tls.files import Tls

_CONNECT_SECONDS = 20.0
_SILENT = re.compile("keepalive|ping timeout|timed out", re.IGNORECASE)
_UNTRUSTED = re.compile("handshake|verification|certificate", re.IGNORECASE)
LARGE = 2**20
"""Bytes of a file from which on the gateway is asked, once, for its limit before one is sent."""

PATIENCE = 60
"""Deadline of a stream of audio, in deadlines of other calls."""

ResponseT = TypeVar("ResponseT")


class Connection:
    """Calls the RPCs of one gateway. Use it as a context manager, or close it."""

    def __init__(
        self,
        target: str = "localhost:50050",
        timeout: float = 60.0,
        key: str | None = None,
        ca: Path | None = None,
    ) -> None:
        """Connects on the first call.

        Args:
            target: address of the gateway, `host:port`.
            timeout: deadline of each call in seconds; streams of audio have sixty times as long.
                A stream to a gateway that hangs fails within a minute and a half.
            key: API key, if the gateway needs one.
            ca: file in PEM with the authorities that the gateway's certificate comes from; without
                it there is no TLS.

        Raises:
            ValueError: if `ca` is unusable, or `key` has characters that no key has.
        """
        if key and not re.fullmatch(r"[!-~]+", key):
            raise ValueError("the API key has characters that no key has; check what was pasted")
        self._target = target
        self._timeout = timeout
        self._metadata = (("authorization", f"Bearer {key}"),) if key else ()
        tls = Tls(ca=ca)
        tls.check()
        self._channel = tls.connect(target, _options(timeout))
        self.stubs = Stubs(self._channel)
        self._max_bytes: int | None = None

    def __enter__(self) -> Self:
        """Returns the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the connection."""
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def open_audio(self, audio: Audio) -> IO[bytes]:
        """Opens a sound to send; AUDIO_TOO_LONG at once if it is larger than the gateway takes."""
        size = size_of(audio)
        if size > LARGE:
            if self._max_bytes is None:
                request = GetModelRequest(name="models/default")
                self._max_bytes = self.call(self.stubs.models.GetModel, request).max_audio_bytes
            if 0 < self._max_bytes < size:
                raise too_large(self._max_bytes, size)
        return opened(audio)

    def call(
        self, method: Callable[..., ResponseT], request: object, *, patience: int = 1
    ) -> ResponseT:
        """Calls one RPC of `stubs` with `patience` times the usual deadline."""
        seconds = self._timeout * patience
        under_way = current()
        try:
            if under_way is None:
                return method(request, timeout=seconds, metadata=self._metadata)
            future: Any = method.future(request, timeout=seconds, metadata=self._metadata)  # type: ignore[attr-defined]
            with under_way.holding(future):
                answer: ResponseT = future.result()
                return answer
        except grpc.RpcError as error:
            raise self._translate(error) from error

    def receive(self, method: Callable[..., Any], request: object) -> Iterator[Any]:
        """The answers of an RPC of `stubs` that answers with a stream."""
        answers = method(request, timeout=self._timeout * PATIENCE, metadata=self._metadata)
        under_way = current()
        try:
            with under_way.holding(answers) if under_way else nullcontext():
                yield from answers
        except grpc.RpcError as error:
            raise self._translate(error) from error

    def pages(self, method: Callable[..., ResponseT], request: Any) -> Iterator[ResponseT]:
        """All pages of a list. The `page_token` of `request` is changed for each."""
        while True:
            page: Any = self.call(method, request)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _translate(self, error: grpc.RpcError) -> ServiceError:
        known = from_rpc_error(error)
        if known:
            return known
        details = str(error.details())
        if error.code() is grpc.StatusCode.UNAVAILABLE and _UNTRUSTED.search(details):
            return ServiceError(
                Reason.GATEWAY_UNAVAILABLE,
                f"the gateway at {self._target} is not trusted: its certificate must be for that "
                f"name, not expired, and vouched for by the CA file ({details})",
            )
        if error.code() is grpc.StatusCode.UNAVAILABLE and _SILENT.search(details):
            return ServiceError(
                Reason.GATEWAY_UNAVAILABLE,
                f"the gateway at {self._target} does not answer: it hangs, or the way is cut; "
                "try again soon",
            )
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return ServiceError(
                Reason.GATEWAY_UNAVAILABLE,
                f"no gateway answers at {self._target}: start one with "
                "`audiosearch serve`, or name another with AUDIOSEARCH_TARGET; if it speaks TLS, "
                "name its CA file with AUDIOSEARCH_TLS_CA",
            )
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ServiceError(Reason.DEADLINE_EXCEEDED, f"no answer from {self._target} in time")
        return ServiceError(Reason.INTERNAL, f"{error.code().name}: {details}")


def _options(timeout: float) -> list[tuple[str, int]]:
    """The options of a channel, which asks a silent gateway for a sign of life."""
    half = max(timeout / 2, keepalive.SHORTEST)
    # By default gRPC waits up to two minutes before it tries to reach a lost gateway again.
    return [
        ("grpc.max_receive_message_length", 64 * 2**20),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
        ("grpc.min_reconnect_backoff_ms", round(1000 * min(2 * half, _CONNECT_SECONDS))),
        *keepalive.of_channel(half, half),
    ]
