"""gRPC calls with raw messages, on any method of the stack."""

from __future__ import annotations

import contextlib
import functools
import itertools
from dataclasses import dataclass

import grpc
from google.longrunning import operations_pb2
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2

from serving.telemetry import REQUEST_ID_KEY
from tests.contracts import services
from tests.fuzz.outcomes import Outcome, of_call
from tests.fuzz.target import Target

MOST_ANSWERS = 200
"""Messages of an answer that are read before the call is cancelled."""

WAITS = ("Wait", "Watch")
"""The names of methods that answer when something happens."""


@dataclass(frozen=True)
class Method:
    """A method of one of the services."""

    service: str
    descriptor: MethodDescriptor

    @property
    def path(self) -> str:
        """Its path on the wire."""
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def waits(self) -> bool:
        """True if it answers when something happens, and not before."""
        return self.descriptor.name.startswith(WAITS)


@functools.cache
def methods() -> tuple[Method, ...]:
    """All methods of all services, by their contracts."""
    found = [
        Method(service, method)
        for service in ("gateway", "catalog", "index", "embedding")
        for declared in services(service)
        for method in declared.methods
    ]
    (operations,) = operations_pb2.DESCRIPTOR.services_by_name.values()
    (health,) = health_pb2.DESCRIPTOR.services_by_name.values()
    found += [Method("gateway", method) for method in operations.methods]
    found += [
        Method(service, method)
        for service in ("gateway", "catalog", "index", "embedding")
        for method in health.methods
    ]
    return tuple(found)


def call(
    target: Target, method: Method, packed: list[bytes], seconds: float, name: str, *, cut_off: bool
) -> Outcome:
    """Makes a call with these messages and reads what comes."""
    making = target.channels[method.service].stream_stream(method.path)
    answers = making(iter(packed), timeout=seconds, metadata=((REQUEST_ID_KEY, name),))
    with contextlib.closing(_Cancelled(answers)):
        try:
            count = sum(1 for _ in itertools.islice(answers, MOST_ANSWERS))
        except grpc.RpcError as error:
            # Health has the codes of its own protocol.
            typed = not method.path.startswith("/grpc.")
            return of_call(error, cut_off=cut_off, typed=typed)
    return Outcome("OK" if count < MOST_ANSWERS else "OK, and more")


@dataclass(frozen=True)
class _Cancelled:
    answers: grpc.RpcContext

    def close(self) -> None:
        self.answers.cancel()
