"""The RPCs about kept vectors: checks, delegates and translates each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from audiosearch.catalog.v1 import kept_vectors_pb2 as pb
from audiosearch.catalog.v1 import vector_service_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from catalog_service import fields, names
from catalog_service.vectors import requests
from catalog_service.vectors.kept import Kept


class VectorServicer(vector_service_pb2_grpc.VectorServiceServicer):
    """Serves audiosearch.catalog.v1.VectorService."""

    def __init__(self, kept: Kept) -> None:
        """Takes the kept vectors."""
        self._kept = kept

    async def KeepVectors(
        self, request: pb.KeepVectorsRequest, context: Any
    ) -> pb.KeepVectorsResponse:
        parent = names.parse_library("parent", request.parent)
        gone = await self._kept.keep(parent, requests.parts(parent, request))
        return pb.KeepVectorsResponse(clip_ids_gone=gone)

    async def ReadKeptVectors(
        self, request: pb.ReadKeptVectorsRequest, context: Any
    ) -> AsyncIterator[pb.ReadKeptVectorsResponse]:
        parent = names.parse_library("parent", request.parent)
        ids = requests.clip_ids(request)
        async for part in self._kept.read(parent, request.generation, ids):
            yield pb.ReadKeptVectorsResponse(vectors=requests.message(parent, part))

    async def LookupKeptVectors(
        self, request: pb.LookupKeptVectorsRequest, context: Any
    ) -> pb.LookupKeptVectorsResponse:
        parent = names.parse_library("parent", request.parent)
        ids = requests.clip_ids(request)
        return pb.LookupKeptVectorsResponse(
            clip_ids=await self._kept.whole(parent, request.generation, ids)
        )

    async def DropKeptVectors(self, request: pb.DropKeptVectorsRequest, context: Any) -> Empty:
        parent = names.parse_library("parent", request.parent)
        before = fields.count("before_generation", request.before_generation)
        await self._kept.drop(parent, before)
        return Empty()
