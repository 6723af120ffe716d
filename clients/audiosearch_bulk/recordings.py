"""Recordings on their way into a library, with vectors that are there already."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from audiosearch.catalog.v1.clip_pb2 import CreateClipRequest
from audiosearch.embedding.v1.embedding_pb2 import WindowRule
from audiosearch.embedding.v1.embedding_service_pb2 import (
    EmbedWindowsConfig,
    EmbedWindowsResponse,
)

from audiosearch_bulk.files import File, Reading, Vectors
from gateway.clips.source import Arriving


class Recording(Reading):
    """The bytes of a file, with its vectors and the request that makes its clip."""

    def __init__(
        self,
        root: Path | str,
        file: File,
        vectors: Vectors,
        model: str,
        rule: WindowRule,
        request: CreateClipRequest,
    ) -> None:
        """Takes the root as Reading does, and the model and window rule of the vectors."""
        super().__init__(root, file, vectors.sha256)
        self.file = file
        self.vectors = vectors
        self.model = model
        self.rule = rule
        self.request = request


class Embedded(Arriving):
    """A recording whose windows need no encoder. Without `storing` it is stored already."""

    async def windows(self, config: EmbedWindowsConfig) -> AsyncIterator[EmbedWindowsResponse]:
        """See Source. Another model, or another rule, is a matter of the embedding service."""
        coming = self._coming
        if (
            isinstance(coming, Recording)
            and coming.model == config.audio.model
            and coming.rule == config.window_rule
        ):
            for answer in coming.vectors.answers(coming.model):
                yield answer
            return
        async for answer in super().windows(config):
            yield answer
