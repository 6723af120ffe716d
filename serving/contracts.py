"""The services of the contracts, each as its generated modules describe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor


class Contract:
    """The one service that a .proto file declares."""

    def __init__(self, messages: Any, calls: Any) -> None:
        """Takes the modules that protoc made of it: `..._pb2` and `..._pb2_grpc`."""
        service: ServiceDescriptor
        (service,) = messages.DESCRIPTOR.services_by_name.values()
        self.service = service
        self._calls = calls

    @property
    def name(self) -> str:
        """Its full name, such as `audiosearch.catalog.v1.ClipService`."""
        return str(self.service.full_name)

    def stub(self, channel: grpc.aio.Channel) -> Any:
        """A stub that calls it."""
        return getattr(self._calls, f"{self.service.name}Stub")(channel)

    def add(self, servicer: object, server: grpc.aio.Server) -> None:
        """Has `servicer` answer it."""
        getattr(self._calls, f"add_{self.service.name}Servicer_to_server")(servicer, server)


class Servicers:
    """The servicers of a server, each with the contract that it answers."""

    def __init__(self, servicers: Mapping[Contract, object]) -> None:
        """Takes one servicer for each contract."""
        self._servicers = servicers

    @property
    def names(self) -> list[str]:
        """Full names of their services."""
        return [contract.name for contract in self._servicers]

    def add(self, server: grpc.aio.Server) -> None:
        """Adds them to a server."""
        for contract, servicer in self._servicers.items():
            contract.add(servicer, server)

    def of(self, name: str) -> object:
        """The servicer that answers the service of this full name."""
        return {contract.name: servicer for contract, servicer in self._servicers.items()}[name]
