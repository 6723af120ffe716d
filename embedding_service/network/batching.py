"""The model's one thread: pieces of audio in turn, those that wait together run together."""

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
"""Audio that is run together, unless one piece alone is longer."""

log = structlog.get_logger()


@dataclass(frozen=True)
class _Piece:
    """Audio that waits; its samples are read when its turn comes."""

    count: int
    read: Callable[[], NDArray[np.float32]]
    vector: Future[Vector] = field(default_factory=Future)


class Batcher:
    """Takes pieces of audio from any thread and promises their vectors.

    Nothing waits for company: what is there when the model is free is run, first come, first
    served. Who puts pieces in bounds their number.
    """

    def __init__(self, model: Model) -> None:
        """Takes the model, which must not be used elsewhere from now on."""
        self.sample_rate = model.info.sample_rate
        self._model = model
        self._waiting: deque[_Piece] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")

    def __enter__(self) -> Self:
        """Starts nothing: the thread starts with its first piece."""
        return self

    def __exit__(self, *_: object) -> None:
        """Lets the running batch end and cancels the pieces that wait."""
        self._thread.shutdown(cancel_futures=True)
        while self._waiting:
            self._waiting.popleft().vector.cancel()

    def submit(self, count: int, read: Callable[[], NDArray[np.float32]]) -> Future[Vector]:
        """Puts in a piece.

        Args:
            count: Number of its samples.
            read: Gives them: mono, shape (count,), at the model's rate, at most 60 s.

        Returns:
            The embedding to come, shape (192,), L2 norm 1. Cancelled while it waits, it costs
            nothing.
        """
        piece = _Piece(count, read)
        self._waiting.append(piece)
        self._thread.submit(self._work)
        return piece.vector

    def _work(self) -> None:
        """Runs what waits, as far as it goes together; there may be nothing left to do."""
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
        except Exception as error:  # noqa: BLE001  it is raised where the vector is waited for
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
        except Exception as error:  # noqa: BLE001  it is raised where the vector is waited for
            piece.vector.set_exception(error)
            return None


def _deliver(piece: _Piece, vector: Vector) -> None:
    norm = float(np.linalg.norm(vector))
    if np.isfinite(norm) and norm > 0:
        piece.vector.set_result((vector / norm).astype(np.float32))
    else:
        piece.vector.set_exception(ArithmeticError(f"an embedding of norm {norm}"))
