"""The models that libraries are made with, found by name or purpose."""

from __future__ import annotations

from audiosearch.embedding.v1.embedding_service_pb2 import GetModelRequest
from audiosearch.embedding.v1.model_pb2 import PURPOSE_VOICES, Model

from gateway.clips.audio import mismatch
from gateway.upstream import Upstream
from serving.errors import Reason, ServiceError
from serving.names import purpose_named, purpose_word


class Models:
    """Finds models that the embedding service runs."""

    def __init__(self, upstream: Upstream) -> None:
        """Works on the services of `upstream`."""
        self._upstream = upstream

    async def find(self, name: str) -> Model:
        """A running model for a library to be, by its name or by that of a purpose.

        Raises:
            ServiceError: MODEL_NOT_FOUND, with what to do.
        """
        try:
            return await self._get(name)
        except ServiceError as error:
            if error.reason is not Reason.MODEL_NOT_FOUND:
                raise
            purpose = purpose_word(purpose_named(name))
            advice = (
                f"no model for {purpose} runs: start the embedding service with {purpose} in "
                "AUDIOSEARCH_MODELS, such as `voices,sounds`"
                if purpose
                else f"{error.message}; a library for vectors of a model that runs elsewhere is "
                "made with their dimension"
            )
            raise ServiceError(error.reason, advice, error.metadata) from error

    async def running(self, name: str) -> Model:
        """The model of a library; MODEL_MISMATCH if the embedding service does not run it."""
        try:
            return await self._get(name)
        except ServiceError as error:
            if error.reason is not Reason.MODEL_NOT_FOUND:
                raise
            raise await mismatch(self._upstream, name) from error

    async def _get(self, name: str) -> Model:
        model = await self._upstream.embedding.GetModel(GetModelRequest(name=name))
        if (
            not model.purpose
        ):  # of a service of an earlier release, which has models for voices only
            model.purpose = PURPOSE_VOICES
        return model
