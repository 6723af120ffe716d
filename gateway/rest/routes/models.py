"""/v1/models."""

from __future__ import annotations

from audiosearch.embedding.v1 import embedding_service_pb2 as embedding_pb2
from audiosearch.embedding.v1.model_pb2 import Model
from fastapi import APIRouter, Request, Response

from gateway.rest.messages.json import answer
from gateway.rest.messages.openapi import document
from gateway.rest.messages.query import refuse_others
from gateway.rest.parts import Parts


def router(parts: Parts) -> APIRouter:
    """The routes of models."""
    api = APIRouter(tags=["models"])

    @api.get("/v1/models", **document(answer=embedding_pb2.ListModelsResponse))
    async def list_models(request: Request) -> Response:
        """Lists the running models, the default model first."""
        refuse_others(request)
        return answer(await parts.ask(request, "ListModels", embedding_pb2.ListModelsRequest()))

    @api.get("/v1/models/{model}", **document(answer=Model))
    async def get_model(request: Request, model: str) -> Response:
        """Describes a model. The name `default` stands for the default model."""
        refuse_others(request)
        message = embedding_pb2.GetModelRequest(name=f"models/{model}")
        return answer(await parts.ask(request, "GetModel", message))

    return api
