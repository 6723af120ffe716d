"""Vectors of clips, computed by a client."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch_client.client import AudiosearchClient
from numpy.typing import NDArray

from serving.errors import Reason, ServiceError
from serving.retry import patiently

WORKERS = 4
BATCH = 256


class ClipEmbedder:
    """Embeds stored clips through the gateway."""

    # Clients can't read vectors from the index. A search by clip returns only the 1,000 best scores
    # of a library, but a trial may be any pair. So the audio is downloaded and embedded again, and
    # the same model gives the same vectors.

    def __init__(self, client: AudiosearchClient, model: str) -> None:
        """Embeds with `model`, which must be the library's."""
        self._client = client
        self._model = model
        self._stop = threading.Event()

    def embed(
        self, clips: Sequence[Clip], report: Callable[[int, int], None]
    ) -> NDArray[np.float32]:
        """Unit vectors of clips.

        Args:
            clips: in the state ACTIVE.
            report: called with the number done and the number in all.

        Returns:
            Shape (clips, dimension).

        Raises:
            ServiceError: from the gateway; CLIP_NOT_FOUND if a clip has been deleted,
                MODEL_NOT_FOUND if the model no longer runs.
        """
        rows = []
        with ThreadPoolExecutor(WORKERS) as pool:
            try:
                for row in _in_order(pool, self._one, clips):
                    rows.append(row)
                    report(len(rows), len(clips))
            except BaseException:
                self._stop.set()
                raise
        vectors = np.array(rows, np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def _one(self, clip: Clip) -> NDArray[np.float32]:
        return patiently(lambda: self._try(clip), stop=self._stop)

    def _try(self, clip: Clip) -> NDArray[np.float32]:
        with tempfile.NamedTemporaryFile(prefix="audiosearch-") as file:
            self._client.download(clip.name, file)
            file.flush()
            answer = self._client.embed(Path(file.name), self._model, clip.channel)
        if answer.embedding.model != self._model:
            raise ServiceError(
                Reason.MODEL_MISMATCH,
                f"the library belongs to {self._model}, and {answer.embedding.model} runs; start "
                "the embedding service with the library's model",
            )
        return np.array(answer.embedding.values, np.float32)


def _in_order(
    pool: ThreadPoolExecutor,
    work: Callable[[Clip], NDArray[np.float32]],
    clips: Sequence[Clip],
) -> Iterator[NDArray[np.float32]]:
    """The result of `work` for each clip, in order, with a bounded queue."""
    for start in range(0, len(clips), BATCH):
        yield from pool.map(work, clips[start : start + BATCH])
