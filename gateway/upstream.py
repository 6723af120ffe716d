"""The services behind the gateway, as typed stubs.

Each call takes along the request id and what is left of the deadline; it fails with ServiceError.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import grpc
from audiosearch.catalog.v1 import catalog_service_pb2, catalog_service_pb2_grpc
from audiosearch.embedding.v1 import embedding_service_pb2, embedding_service_pb2_grpc
from audiosearch.index.v1 import index_service_pb2, index_service_pb2_grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.settings import GatewaySettings
from serving.errors import Reason, ServiceError, from_rpc_error
from serving.telemetry import REQUEST_ID_KEY, remaining, request_id
from serving.tls import Tls

if TYPE_CHECKING:
    from audiosearch.catalog.v1.catalog_service_pb2_grpc import CatalogServiceAsyncStub
    from audiosearch.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceAsyncStub
    from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceAsyncStub

MARGIN = 0.05
"""Seconds of the caller's deadline kept back, so that its answer can still be sent."""

HEALTH_SECONDS = 2.0


def _repeatable(method: MethodDescriptor) -> bool:
    idempotent = method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN
    return idempotent and not method.client_streaming


def _service_config(service: ServiceDescriptor) -> str:
    """Retries for the calls that the contract marks as repeatable, and only while UNAVAILABLE."""
    names = [
        {"service": service.full_name, "method": method.name}
        for method in service.methods
        if _repeatable(method)
    ]
    policy = {
        "maxAttempts": 3,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 3,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": policy}]})


def open_channel(target: str, service: ServiceDescriptor, tls: Tls) -> grpc.aio.Channel:
    """A channel to `target` that retries repeatable calls and reconnects within a second."""
    return tls.open(
        target,
        [
            ("grpc.service_config", _service_config(service)),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.max_receive_message_length", 64 * 2**20),
            ("grpc.max_send_message_length", 64 * 2**20),
        ],
    )


@contextlib.contextmanager
def passing_over(reason: Reason) -> Iterator[None]:
    """Goes on behind the block after a ServiceError of this reason."""
    try:
        yield
    except ServiceError as error:
        if error.reason is not reason:
            raise


@dataclass(frozen=True)
class Limits:
    """Longest times a call to another service may take, in seconds."""

    call: float
    stream: float
    """Of a call that streams: as long as the sender takes."""


class Stub:
    """A generated stub whose calls carry deadline and request id and raise ServiceError."""

    def __init__(
        self, stub: Any, service: ServiceDescriptor, unavailable: Reason, limits: Limits
    ) -> None:
        """Wraps `stub` of `service`; no call takes longer than `limits`."""
        self._unavailable = unavailable
        self._limits = limits
        for method in service.methods:
            setattr(self, method.name, self._wrap(getattr(stub, method.name), method))

    def _wrap(self, method: Callable[..., Any], descriptor: MethodDescriptor) -> Callable[..., Any]:
        if descriptor.server_streaming:
            return lambda request: self._receive(method, request)
        if descriptor.client_streaming:
            return lambda requests: self._send(method, requests)
        return lambda request: self._ask(method, request)

    def _outgoing(self, limit: float) -> dict[str, Any]:
        left = remaining()
        if left is not None and left <= MARGIN:
            raise ServiceError(
                Reason.DEADLINE_EXCEEDED, "the deadline is over; allow the call more time"
            )
        return {
            "timeout": limit if left is None else min(left - MARGIN, limit),
            "metadata": ((REQUEST_ID_KEY, request_id.get()),) if request_id.get() else (),
        }

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise self._translate(error) from error

    def _translate(self, error: grpc.aio.AioRpcError) -> Exception:
        known = from_rpc_error(error)
        if known and known.reason is not Reason.DEADLINE_EXCEEDED:
            return known
        code, left = error.code(), remaining()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and left is not None and left <= 2 * MARGIN:
            return ServiceError(
                Reason.DEADLINE_EXCEEDED, "the call took longer than its deadline allows"
            )
        if code in (
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            grpc.StatusCode.CANCELLED,
        ):
            service = self._unavailable.value.split("_")[0].lower()
            return ServiceError(
                self._unavailable, f"the {service} service does not answer; try again soon"
            )
        return error

    async def _ask(self, method: Callable[..., Any], request: Any) -> Any:
        with self._errors():
            return await method(request, **self._outgoing(self._limits.call))

    async def _send(self, method: Callable[..., Any], requests: AsyncIterator[Any]) -> Any:
        call = method(**self._outgoing(self._limits.stream))
        try:
            with self._errors():
                # A write fails when the service has answered already; the answer tells why.
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    async for request in requests:
                        await call.write(request)
                    await call.done_writing()
                return await call
        finally:
            call.cancel()

    async def _receive(self, method: Callable[..., Any], request: Any) -> AsyncIterator[Any]:
        call = method(request, **self._outgoing(self._limits.stream))
        try:
            with self._errors():
                async for response in call:
                    yield response
        finally:
            call.cancel()


@dataclass(frozen=True)
class Peer:
    """One service behind the gateway: its channel and what its absence is called."""

    channel: grpc.aio.Channel
    service: ServiceDescriptor
    unavailable: Reason

    @property
    def name(self) -> str:
        """`embedding`, `index` or `catalog`."""
        return str(self.unavailable.value).split("_")[0].lower()

    async def check(self) -> None:
        """Raises the peer's UNAVAILABLE error unless its health is SERVING."""
        try:
            answer = await health_pb2_grpc.HealthStub(self.channel).Check(
                health_pb2.HealthCheckRequest(service=self.service.full_name),
                timeout=HEALTH_SECONDS,
            )
        except grpc.aio.AioRpcError as error:
            raise ServiceError(
                self.unavailable, f"{self.service.full_name} does not answer: {error.details()}"
            ) from error
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise ServiceError(self.unavailable, f"{self.service.full_name} is not serving")


class Upstream:
    """The three services behind the gateway."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Opens channels to the three addresses of the settings."""
        self.peers: dict[str, Peer] = {}
        self._tls = settings.tls
        self._limits = Limits(settings.upstream_seconds, settings.max_call_seconds)
        self.embedding = cast(
            "EmbeddingServiceAsyncStub",
            self._connect(
                settings.embedding_target,
                embedding_service_pb2,
                embedding_service_pb2_grpc.EmbeddingServiceStub,
                Reason.EMBEDDING_UNAVAILABLE,
            ),
        )
        self.index = cast(
            "IndexServiceAsyncStub",
            self._connect(
                settings.index_target,
                index_service_pb2,
                index_service_pb2_grpc.IndexServiceStub,
                Reason.INDEX_UNAVAILABLE,
            ),
        )
        self.catalog = cast(
            "CatalogServiceAsyncStub",
            self._connect(
                settings.catalog_target,
                catalog_service_pb2,
                catalog_service_pb2_grpc.CatalogServiceStub,
                Reason.CATALOG_UNAVAILABLE,
            ),
        )

    def _connect(
        self,
        target: str,
        contract: Any,
        stub: Callable[[grpc.aio.Channel], Any],
        unavailable: Reason,
    ) -> Stub:
        (service,) = contract.DESCRIPTOR.services_by_name.values()
        channel = open_channel(target, service, self._tls)
        peer = Peer(channel, service, unavailable)
        self.peers[peer.name] = peer
        return Stub(stub(channel), service, unavailable, self._limits)

    async def check(self) -> None:
        """Raises ServiceError while any of the three is not SERVING."""
        checks: list[Awaitable[None]] = [peer.check() for peer in self.peers.values()]
        await asyncio.gather(*checks)

    async def close(self) -> None:
        """Closes the channels."""
        for peer in self.peers.values():
            await peer.channel.close()
