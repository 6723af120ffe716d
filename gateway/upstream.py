"""The services behind the gateway, as typed stubs.

Each call carries the request id and the rest of the deadline, and raises ServiceError. Calls to a
service that hangs fail soon.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
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
    query_service_pb2,
    query_service_pb2_grpc,
    speaker_service_pb2,
    speaker_service_pb2_grpc,
    store_service_pb2,
    store_service_pb2_grpc,
    vector_service_pb2,
    vector_service_pb2_grpc,
)
from audiosearch.embedding.v1 import embedding_service_pb2, embedding_service_pb2_grpc
from audiosearch.index.v1 import index_service_pb2, index_service_pb2_grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from gateway.settings import GatewaySettings
from serving.contracts import Contract
from serving.errors import Reason, ServiceError
from serving.peers import keepalive
from serving.peers.peer import Peer
from serving.peers.stub import Limits, Stub
from serving.tls import renewal
from serving.tls.files import Tls

if TYPE_CHECKING:
    from audiosearch.catalog.v1.calibration_service_pb2_grpc import CalibrationServiceAsyncStub
    from audiosearch.catalog.v1.clip_service_pb2_grpc import ClipServiceAsyncStub
    from audiosearch.catalog.v1.import_job_service_pb2_grpc import ImportJobServiceAsyncStub
    from audiosearch.catalog.v1.library_service_pb2_grpc import LibraryServiceAsyncStub
    from audiosearch.catalog.v1.query_service_pb2_grpc import QueryServiceAsyncStub
    from audiosearch.catalog.v1.speaker_service_pb2_grpc import SpeakerServiceAsyncStub
    from audiosearch.catalog.v1.store_service_pb2_grpc import StoreServiceAsyncStub
    from audiosearch.catalog.v1.vector_service_pb2_grpc import VectorServiceAsyncStub
    from audiosearch.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceAsyncStub
    from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceAsyncStub

EMBEDDING = Contract(embedding_service_pb2, embedding_service_pb2_grpc)
INDEX = Contract(index_service_pb2, index_service_pb2_grpc)
LIBRARIES = Contract(library_service_pb2, library_service_pb2_grpc)
CLIPS = Contract(clip_service_pb2, clip_service_pb2_grpc)
VECTORS = Contract(vector_service_pb2, vector_service_pb2_grpc)
QUERIES = Contract(query_service_pb2, query_service_pb2_grpc)
SPEAKERS = Contract(speaker_service_pb2, speaker_service_pb2_grpc)
CALIBRATIONS = Contract(calibration_service_pb2, calibration_service_pb2_grpc)
IMPORT_JOBS = Contract(import_job_service_pb2, import_job_service_pb2_grpc)
STORE = Contract(store_service_pb2, store_service_pb2_grpc)

CHECK_SECONDS = 10.0
"""Silence of a connection after which a sign of life is asked for, and the longest wait for it."""


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
            *keepalive.of_channel(CHECK_SECONDS, CHECK_SECONDS),
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


class Upstream:
    """The services behind the gateway, one stub for each."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Opens channels to the three addresses of the settings."""
        self.peers: dict[str, Peer] = {}
        self._openers: list[tuple[Peer, Callable[[], grpc.aio.Channel]]] = []
        self._tls = settings.tls
        self._silence = settings.silence_seconds
        self._limits = Limits(
            settings.upstream_seconds, settings.max_call_seconds, settings.stall_seconds
        )
        embedding = self._connect(
            settings.embedding_target, Reason.EMBEDDING_UNAVAILABLE, [EMBEDDING]
        )
        index = self._connect(settings.index_target, Reason.INDEX_UNAVAILABLE, [INDEX])
        catalog = self._connect(
            settings.catalog_target,
            Reason.CATALOG_UNAVAILABLE,
            [LIBRARIES, CLIPS, QUERIES, VECTORS, SPEAKERS, CALIBRATIONS, IMPORT_JOBS, STORE],
        )
        self.embedding: EmbeddingServiceAsyncStub = self._stub(embedding, EMBEDDING)
        self.index: IndexServiceAsyncStub = self._stub(index, INDEX)
        self.libraries: LibraryServiceAsyncStub = self._stub(catalog, LIBRARIES)
        self.clips: ClipServiceAsyncStub = self._stub(catalog, CLIPS)
        self.queries: QueryServiceAsyncStub = self._stub(catalog, QUERIES)
        self.vectors: VectorServiceAsyncStub = self._stub(catalog, VECTORS)
        self.speakers: SpeakerServiceAsyncStub = self._stub(catalog, SPEAKERS)
        self.calibrations: CalibrationServiceAsyncStub = self._stub(catalog, CALIBRATIONS)
        self.import_jobs: ImportJobServiceAsyncStub = self._stub(catalog, IMPORT_JOBS)
        self.store: StoreServiceAsyncStub = self._stub(catalog, STORE)

    def _connect(self, target: str, unavailable: Reason, contracts: Sequence[Contract]) -> Peer:
        open_new = partial(open_channel, target, contracts, self._tls)
        peer = Peer(open_new(), contracts, unavailable, self._silence)
        self.peers[peer.name] = peer
        self._openers.append((peer, open_new))
        return peer

    def _stub(self, peer: Peer, contract: Contract) -> Any:
        """A Stub, which has the calls of the generated one."""
        return Stub(contract, peer, self._limits)

    async def follow(self) -> None:
        """Opens new channels after each change of the TLS files, for ever."""
        await renewal.follow(self._tls, self._renew)

    def _renew(self) -> None:
        for peer, open_new in self._openers:
            peer.renew(open_new(), self._limits.stream)

    async def check(self) -> None:
        """Raises ServiceError while any of the three is not SERVING."""
        checks: list[Awaitable[None]] = [peer.check() for peer in self.peers.values()]
        await asyncio.gather(*checks)

    async def close(self) -> None:
        """Closes the channels."""
        for peer in self.peers.values():
            await peer.channel.close()
