"""The connection of an operator to the catalog service, which users have no way to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Annotated, Any, TypeVar

import grpc
import typer
from audiosearch.catalog.v1.backup_service_pb2_grpc import BackupServiceStub
from audiosearch.catalog.v1.clip_service_pb2_grpc import ClipServiceStub
from audiosearch.catalog.v1.library_service_pb2_grpc import LibraryServiceStub
from typing_extensions import Self

from serving.errors import Reason, ServiceError, from_rpc_error
from serving.tls.files import Tls

CALL_SECONDS = 60.0
STREAM_SECONDS = 24 * 3600.0
"""Deadline of the rows of a library, and of one recording."""
T = TypeVar("T")

Address = Annotated[
    str,
    typer.Option(
        "--catalog",
        envvar="AUDIOSEARCH_CATALOG_TARGET",
        help="Address of the catalog service. It is asked with the services' TLS files.",
    ),
]
DEFAULT_ADDRESS = "localhost:50053"


class Catalog:
    """Calls a catalog service. Use it as a context manager."""

    def __init__(self, address: str) -> None:
        """Connects on the first call, with the TLS files that the environment names."""
        tls = Tls.of(os.environ)
        try:
            tls.check()
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        self._address = address
        self._channel = tls.connect(address, [("grpc.max_receive_message_length", 16 * 2**20)])
        self.backups = BackupServiceStub(self._channel)
        self.clips = ClipServiceStub(self._channel)
        self.libraries = LibraryServiceStub(self._channel)

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the connection."""
        self._channel.close()

    def call(self, method: Callable[..., T], request: object, seconds: float = CALL_SECONDS) -> T:
        """Makes one call."""
        try:
            return method(request, timeout=seconds)
        except grpc.RpcError as error:
            raise self._translated(error) from error

    def receive(self, method: Callable[..., Any], request: object) -> Iterator[Any]:
        """The answers of a call that answers with a stream."""
        try:
            yield from method(request, timeout=STREAM_SECONDS)
        except grpc.RpcError as error:
            raise self._translated(error) from error

    def _translated(self, error: grpc.RpcError) -> ServiceError:
        if known := from_rpc_error(error):
            return known
        if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
            return ServiceError(Reason.DEADLINE_EXCEEDED, f"no answer from {self._address} in time")
        return ServiceError(
            Reason.CATALOG_UNAVAILABLE,
            f"no catalog service answers at {self._address}: name it with --catalog, and its TLS "
            f"files as for the gateway ({error.details()})",
        )
