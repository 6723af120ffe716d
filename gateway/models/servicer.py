"""The RPCs of models, which the embedding service answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import grpc
from audiosearch.embedding.v1 import embedding_service_pb2 as embedding_pb2
from audiosearch.embedding.v1.model_pb2 import Model
from audiosearch.gateway.v1 import model_service_pb2_grpc

from gateway.upstream import Upstream


class ModelServicer(model_service_pb2_grpc.ModelServiceServicer):
    """audiosearch.gateway.v1.ModelService."""

    def __init__(self, upstream: Upstream) -> None:
        """Passes calls on to the embedding service of `upstream`."""
        self._upstream = upstream

    async def GetModel(
        self, request: embedding_pb2.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> Model:
        return await self._upstream.embedding.GetModel(request)

    async def ListModels(
        self, request: embedding_pb2.ListModelsRequest, context: grpc.aio.ServicerContext
    ) -> embedding_pb2.ListModelsResponse:
        return await self._upstream.embedding.ListModels(request)

    async def EmbedAudio(
        self,
        request_iterator: AsyncIterator[embedding_pb2.EmbedAudioRequest],
        context: grpc.aio.ServicerContext,
    ) -> embedding_pb2.EmbedAudioResponse:
        return await self._upstream.embedding.EmbedAudio(request_iterator)

    def StreamEmbeddings(
        self,
        request_iterator: AsyncIterator[embedding_pb2.StreamEmbeddingsRequest],
        context: grpc.aio.ServicerContext,
    ) -> AsyncIterator[embedding_pb2.StreamEmbeddingsResponse]:
        # Not yielded one by one: who closes the answers here closes those of the service.
        answers = self._upstream.embedding.StreamEmbeddings(request_iterator)
        return cast("AsyncIterator[embedding_pb2.StreamEmbeddingsResponse]", answers)
