"""Runs the model in one thread, and pieces of audio that wait at the same time in one batch."""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import structlog

from embedding_service.network.packing import MOST_CLIPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from typing_extensions import Self

    from embedding_service.network.model import Model

    Features = NDArray[np.float32]
    Vector = NDArray[np.float32]

MOST_SECONDS = 10
"""Most audio in one batch; a longer piece runs alone."""

log = structlog.get_logger()


@dataclass(frozen=True)
class _Piece:
    """Audio that waits for the model. Its samples are read when its turn comes."""

    count: int
    read: Callable[[], NDArray[np.float32]]
    vector: Future[Vector] = field(default_factory=Future)


class Batcher:
    """Takes pieces of audio from any thread and returns futures of their vectors.

    Runs whatever is waiting as soon as the model is free, oldest first, and never holds a piece
    back to fill a batch. The caller limits how many pieces wait.
    """

    def __init__(self, model: Model) -> None:
        """Takes the model. The caller must not use it elsewhere from now on."""
        self.sample_rate = model.info.sample_rate
        self._model = model
        self._waiting: deque[_Piece] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")

    def __enter__(self) -> Self:
        """Returns itself; the thread starts with the first piece."""
        return self

    def __exit__(self, *_: object) -> None:
        """Waits for the running batch and cancels the pieces that wait."""
        self._thread.shutdown(cancel_futures=True)
        while self._waiting:
            self._waiting.popleft().vector.cancel()

    def submit(self, count: int, read: Callable[[], NDArray[np.float32]]) -> Future[Vector]:
        """Adds a piece of audio to those that wait.

        Args:
            count: Number of its samples.
            read: Returns the samples: mono, shape (count,), at the model's rate, at most 60 s.

        Returns:
            A future of the embedding, shape (192,), L2 norm 1. A piece that is cancelled while it
            waits is not run.
        """
        piece = _Piece(count, read)
        self._waiting.append(piece)
        self._thread.submit(self._work)
        return piece.vector

    def _work(self) -> None:
        """Runs the next batch; an earlier run may have left none."""
        start = time.monotonic()
        ready = [
            (piece, features)
            for piece in self._take()
            if (features := self._prepare(piece)) is not None
        ]
        if not ready:
            return
        prepared = time.monotonic()
        try:
            vectors = self._model.vectors([features for _, features in ready])
        except Exception as error:  # noqa: BLE001  the future raises it
            for piece, _ in ready:
                piece.vector.set_exception(error)
            return
        log.info(
            "encoded",
            clips=len(ready),
            features_ms=round((prepared - start) * 1000, 2),
            backbone_ms=round((time.monotonic() - prepared) * 1000, 2),
        )
        for (piece, _), vector in zip(ready, vectors, strict=True):
            _deliver(piece, vector)

    def _take(self) -> list[_Piece]:
        most = MOST_SECONDS * self._model.info.sample_rate
        taken: list[_Piece] = []
        total = 0
        while self._waiting and len(taken) < MOST_CLIPS:
            total += self._waiting[0].count
            if taken and total > most:
                break
            taken.append(self._waiting.popleft())
        return taken

    def _prepare(self, piece: _Piece) -> Features | None:
        if not piece.vector.set_running_or_notify_cancel():
            return None
        try:
            return self._model.features(piece.read())
        except Exception as error:  # noqa: BLE001  the future raises it
            piece.vector.set_exception(error)
            return None


def _deliver(piece: _Piece, vector: Vector) -> None:
    norm = float(np.linalg.norm(vector))
    if np.isfinite(norm) and norm > 0:
        piece.vector.set_result((vector / norm).astype(np.float32))
    else:
        piece.vector.set_exception(ArithmeticError(f"the embedding has the norm {norm}"))
