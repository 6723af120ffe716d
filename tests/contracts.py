"""The services that the contracts declare, found by their files."""

from __future__ import annotations

from importlib import import_module

from google.protobuf.descriptor import ServiceDescriptor

from tests.conftest import REPOSITORY


def services(package: str) -> list[ServiceDescriptor]:
    """Those of a package, such as `gateway`, by the names of their files."""
    folder = REPOSITORY / "protos" / "audiosearch" / package / "v1"
    found: list[ServiceDescriptor] = []
    for file in sorted(folder.glob("*_service.proto")):
        module = import_module(f"audiosearch.{package}.v1.{file.stem}_pb2")
        found += module.DESCRIPTOR.services_by_name.values()
    return found
