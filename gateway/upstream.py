"""The services behind the gateway, as typed stubs.

Each call carries the request id and the rest of the deadline, and raises ServiceError.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from audiosearch.catalog.v1 import (
    calibration_service_pb2,
    calibration_service_pb2_grpc,
    clip_service_pb2,
    clip_service_pb2_grpc,
    import_job_service_pb2,
    import_job_service_pb2_grpc,
    library_service_pb2,
    library_service_pb2_grpc,
    speaker_service_pb2,
    speaker_service_pb2_grpc,
    store_service_pb2,
    store_service_pb2_grpc,
)
from audiosearch.embedding.v1 import embedding_service_pb2, embedding_service_pb2_grpc
from audiosearch.index.v1 import index_service_pb2, index_service_pb2_grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.settings import GatewaySettings
from serving.caller import CALLER_KEY, caller
from serving.client_streams import converse, send
from serving.contracts import Contract
from serving.errors import Reason, ServiceError, from_rpc_error
from serving.telemetry import REQUEST_ID_KEY, remaining, request_id
from serving.tls import Tls

if TYPE_CHECKING:
    from audiosearch.catalog.v1.calibration_service_pb2_grpc import CalibrationServiceAsyncStub
    from audiosearch.catalog.v1.clip_service_pb2_grpc import ClipServiceAsyncStub
    from audiosearch.catalog.v1.import_job_service_pb2_grpc import ImportJobServiceAsyncStub
    from audiosearch.catalog.v1.library_service_pb2_grpc import LibraryServiceAsyncStub
    from audiosearch.catalog.v1.speaker_service_pb2_grpc import SpeakerServiceAsyncStub
    from audiosearch.catalog.v1.store_service_pb2_grpc import StoreServiceAsyncStub
    from audiosearch.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceAsyncStub
    from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceAsyncStub

EMBEDDING = Contract(embedding_service_pb2, embedding_service_pb2_grpc)
INDEX = Contract(index_service_pb2, index_service_pb2_grpc)
LIBRARIES = Contract(library_service_pb2, library_service_pb2_grpc)
CLIPS = Contract(clip_service_pb2, clip_service_pb2_grpc)
SPEAKERS = Contract(speaker_service_pb2, speaker_service_pb2_grpc)
CALIBRATIONS = Contract(calibration_service_pb2, calibration_service_pb2_grpc)
IMPORT_JOBS = Contract(import_job_service_pb2, import_job_service_pb2_grpc)
STORE = Contract(store_service_pb2, store_service_pb2_grpc)

MARGIN = 0.05
"""Seconds of the caller's deadline that are kept for sending the answer."""

HEALTH_SECONDS = 2.0


def _repeatable(method: MethodDescriptor) -> bool:
    idempotent = method.GetOptions().idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN
    return idempotent and not method.client_streaming


def _service_config(contracts: Sequence[Contract]) -> str:
    """Retries for the calls that the contracts mark as repeatable, and only while UNAVAILABLE."""
    names = [
        {"service": contract.name, "method": method.name}
        for contract in contracts
        for method in contract.service.methods
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


def open_channel(target: str, contracts: Sequence[Contract], tls: Tls) -> grpc.aio.Channel:
    """A channel to `target` that retries repeatable calls and reconnects within a second."""
    return tls.open(
        target,
        [
            ("grpc.service_config", _service_config(contracts)),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.max_receive_message_length", 64 * 2**20),
            ("grpc.max_send_message_length", 64 * 2**20),
        ],
    )


@contextlib.contextmanager
def passing_over(reason: Reason) -> Iterator[None]:
    """Ignores a ServiceError of this reason in the block."""
    try:
        yield
    except ServiceError as error:
        if error.reason is not reason:
            raise


@dataclass(frozen=True)
class Limits:
    """Longest times of calls to another service, in seconds."""

    call: float
    stream: float
    """Limit of a stream, which takes as long as its sender."""


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
        if descriptor.server_streaming and descriptor.client_streaming:
            return lambda requests: self._converse(method, requests)
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
        told = ((REQUEST_ID_KEY, request_id.get()), (CALLER_KEY, caller.get()))
        return {
            "timeout": limit if left is None else min(left - MARGIN, limit),
            "metadata": tuple((name, value) for name, value in told if value),
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
        with self._errors():
            return await send(method(**self._outgoing(self._limits.stream)), requests)

    async def _receive(self, method: Callable[..., Any], request: Any) -> AsyncIterator[Any]:
        call = method(request, **self._outgoing(self._limits.stream))
        try:
            with self._errors():
                async for response in call:
                    yield response
        finally:
            call.cancel()

    async def _converse(
        self, method: Callable[..., Any], requests: AsyncIterator[Any]
    ) -> AsyncIterator[Any]:
        call = method(**self._outgoing(self._limits.stream))
        with self._errors():
            async with contextlib.aclosing(converse(call, requests)) as responses:
                async for response in responses:
                    yield response


@dataclass(frozen=True)
class Peer:
    """A program behind the gateway: its channel, its services and the reason for its absence."""

    channel: grpc.aio.Channel
    contracts: Sequence[Contract]
    unavailable: Reason

    @property
    def name(self) -> str:
        """`embedding`, `index` or `catalog`."""
        return str(self.unavailable.value).split("_")[0].lower()

    async def check(self) -> None:
        """Raises the peer's UNAVAILABLE error unless its health is SERVING.

        All services of a program have the same health. One is asked for by its name, so that
        another program at the peer's address is noticed.
        """
        asked = self.contracts[0].name
        try:
            answer = await health_pb2_grpc.HealthStub(self.channel).Check(
                health_pb2.HealthCheckRequest(service=asked), timeout=HEALTH_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            raise ServiceError(
                self.unavailable, f"{asked} does not answer: {error.details()}"
            ) from error
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise ServiceError(self.unavailable, f"{asked} is not serving")


class Upstream:
    """The services behind the gateway, one stub for each."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Opens channels to the three addresses of the settings."""
        self.peers: dict[str, Peer] = {}
        self._tls = settings.tls
        self._limits = Limits(settings.upstream_seconds, settings.max_call_seconds)
        embedding = self._connect(
            settings.embedding_target, Reason.EMBEDDING_UNAVAILABLE, [EMBEDDING]
        )
        index = self._connect(settings.index_target, Reason.INDEX_UNAVAILABLE, [INDEX])
        catalog = self._connect(
            settings.catalog_target,
            Reason.CATALOG_UNAVAILABLE,
            [LIBRARIES, CLIPS, SPEAKERS, CALIBRATIONS, IMPORT_JOBS, STORE],
        )
        self.embedding: EmbeddingServiceAsyncStub = self._stub(embedding, EMBEDDING)
        self.index: IndexServiceAsyncStub = self._stub(index, INDEX)
        self.libraries: LibraryServiceAsyncStub = self._stub(catalog, LIBRARIES)
        self.clips: ClipServiceAsyncStub = self._stub(catalog, CLIPS)
        self.speakers: SpeakerServiceAsyncStub = self._stub(catalog, SPEAKERS)
        self.calibrations: CalibrationServiceAsyncStub = self._stub(catalog, CALIBRATIONS)
        self.import_jobs: ImportJobServiceAsyncStub = self._stub(catalog, IMPORT_JOBS)
        self.store: StoreServiceAsyncStub = self._stub(catalog, STORE)

    def _connect(self, target: str, unavailable: Reason, contracts: Sequence[Contract]) -> Peer:
        peer = Peer(open_channel(target, contracts, self._tls), contracts, unavailable)
        self.peers[peer.name] = peer
        return peer

    def _stub(self, peer: Peer, contract: Contract) -> Any:
        """A Stub, which has the calls of the generated one."""
        stub = contract.stub(peer.channel)
        return Stub(stub, contract.service, peer.unavailable, self._limits)

    async def check(self) -> None:
        """Raises ServiceError while any of the three is not SERVING."""
        checks: list[Awaitable[None]] = [peer.check() for peer in self.peers.values()]
        await asyncio.gather(*checks)

    async def close(self) -> None:
        """Closes the channels."""
        for peer in self.peers.values():
            await peer.channel.close()
