"""Runs all models, and pieces of audio that wait for one of them in one batch.

A batch has all cores as long as it is all that waits. When more waits, batches run side by side.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import structlog

from embedding_service.sharing import Turns
from serving.monitoring import metrics, stages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from typing_extensions import Self

    from embedding_service.network.family import Outputs
    from embedding_service.network.model import Model

    Features = NDArray[np.float32]

MOST_SECONDS = 10
"""Most audio in one batch; a longer piece runs alone."""

MOST_PIECES = 16
"""Most pieces in one batch."""

_MARGIN_SECONDS = 0.2
"""The cost of a piece beside its own length: the network computes its margins too."""

_ROUND = 4
"""Turns of a caller of which one goes to the recording that has waited longest."""

log = structlog.get_logger()


class Embedded(NamedTuple):
    """Results of a model for a piece of audio.

    Attributes:
        vector: The embedding, shape (dimension,), L2 norm 1.
        tags: Probabilities of the model's tags, shape (tags,).
    """

    vector: NDArray[np.float32]
    tags: NDArray[np.float32]


@dataclass(eq=False)
class Work:
    """A recording or a stream, of which pieces are embedded.

    Attributes:
        caller: The caller that it belongs to.
        left: Number of samples that are left of it.
        model: The model that embeds it.
    """

    caller: str
    left: int
    model: Model


@dataclass(frozen=True)
class _Piece:
    """Audio that waits for the model. Its samples are read when its turn comes."""

    count: int
    read: Callable[[], NDArray[np.float32]]
    work: Work
    result: Future[Embedded] = field(default_factory=Future)

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.count / self.work.model.info.traits.sample_rate


class Batcher:
    """Takes pieces of audio from any thread and returns futures of their embeddings.

    Runs what is waiting as soon as cores are free, and never holds a piece back to fill a batch. A
    batch is of one model. It runs on all cores, and nothing beside it, if all that waits fits into
    it, or is too little for the runs that the cores allow at a time. Else each of these runs takes
    its part of what waits, so that two never want the same cores. Callers take turns
    by the work that the seconds of audio of each have cost, whichever model did it. Of one caller's
    recordings the one comes first of which least is left, and in some turns the one that has waited
    longest, so that long ones go on too. The caller limits how many pieces wait.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        """Takes the models. The caller must not use them elsewhere from now on."""
        quickest = min(model.info.measured.seconds for model in models)
        self._costs = {model: model.info.measured.seconds / quickest for model in models}
        self._waiting: dict[str, dict[Work, deque[_Piece]]] = {}
        self._taken: dict[str, int] = {}
        self._turns = Turns()
        self._seconds = 0.0  # of all that waits
        self._pieces = 0
        self._most_runs = min(model.runs for model in models)
        self._runs = 0
        self._alone = False  # True while a run has all cores
        self._ended = False
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._threads = ThreadPoolExecutor(self._most_runs, thread_name_prefix="encoder")

    def __enter__(self) -> Self:
        """Returns itself; threads start with the first pieces."""
        return self

    def __exit__(self, *_: object) -> None:
        """Waits for the running batches and cancels the pieces that wait."""
        with self._lock:
            self._ended = True
        self._threads.shutdown(cancel_futures=True)
        with self._lock:
            while work := self._next():
                self._remove(work).result.cancel()

    def submit(
        self, count: int, read: Callable[[], NDArray[np.float32]], work: Work
    ) -> Future[Embedded]:
        """Adds a piece of audio to those that wait.

        Args:
            count: Number of its samples.
            read: Returns the samples: mono, shape (count,), at the rate of its model, at most 60 s.
            work: The recording or stream that it is a piece of.

        Returns:
            A future of the results. A piece that is cancelled while it waits is not run.
        """
        piece = _Piece(count, read, work)
        with self._lock:
            self._turns.enter(work.caller)
            works = self._waiting.setdefault(work.caller, {})
            works.setdefault(work, deque()).append(piece)
            self._seconds += piece.seconds
            self._pieces += 1
        self._threads.submit(self._work)
        return piece.result

    def _work(self) -> None:
        """Runs the next batch; an earlier run may have left none."""
        with self._freed:
            while self._alone:
                self._freed.wait()
            if self._ended:
                return
            alone = not self._runs and not self._is_much()
            pieces = self._take(MOST_SECONDS if alone else self._share())
            if not pieces:
                return
            self._alone = alone
            self._runs += 1
        try:
            self._run(pieces, alone=alone)
        finally:
            with self._freed:
                self._runs -= 1
                self._alone = False
                self._freed.notify_all()

    def _is_much(self) -> bool:
        """True if what waits is more than one batch, and enough for all runs at a time."""
        several = self._seconds > MOST_SECONDS or self._pieces > MOST_PIECES
        return several and self._pieces >= self._most_runs > 1

    def _share(self) -> float:
        """The seconds of what waits that are for one of the runs at a time."""
        return min(MOST_SECONDS, self._seconds / self._most_runs)

    def _run(self, pieces: list[_Piece], *, alone: bool) -> None:
        start = time.monotonic()
        ready = [
            (piece, features) for piece in pieces if (features := self._prepare(piece)) is not None
        ]
        if not ready:
            return
        prepared = time.monotonic()
        model = ready[0][0].work.model
        run = model.run if alone else model.run_beside
        try:
            outputs = run([features for _, features in ready])
        except Exception as error:  # noqa: BLE001  the future raises it
            for piece, _ in ready:
                piece.result.set_exception(error)
            return
        _count(model, [piece for piece, _ in ready])
        stages.took("features", prepared - start)
        stages.took("network", time.monotonic() - prepared)
        log.info(
            "encoded",
            model=model.info.display_name,
            clips=len(ready),
            alone=alone,
            features_ms=round((prepared - start) * 1000, 2),
            backbone_ms=round((time.monotonic() - prepared) * 1000, 2),
        )
        _deliver([piece for piece, _ in ready], outputs)

    def _take(self, most_seconds: float) -> list[_Piece]:
        """Takes the pieces of the next batch out of line, all of them for one model.

        They are so many seconds at most, or one piece.
        """
        taken: list[_Piece] = []
        model: Model | None = None
        total = 0.0
        while len(taken) < MOST_PIECES and (work := self._next(model)):
            piece = self._waiting[work.caller][work][0]
            if not piece.result.cancelled():
                total += piece.seconds
                if taken and total > most_seconds:
                    break
                taken.append(piece)
                model = work.model
                cost = self._costs[model] * (piece.seconds + _MARGIN_SECONDS)
                self._turns.charge(work.caller, cost)
                self._taken[work.caller] = self._taken.get(work.caller, 0) + 1
            self._remove(work)
        return taken

    def _next(self, model: Model | None = None) -> Work | None:
        """The recording or stream whose turn it is, of one model or of any; None if none waits."""
        waiting = {
            caller: able
            for caller, works in self._waiting.items()
            if (able := [work for work in works if model in {None, work.model}])
        }
        if not waiting:
            return None
        caller = self._turns.first(waiting)
        if self._taken.get(caller, 0) % _ROUND == _ROUND - 1:
            return waiting[caller][0]
        return min(waiting[caller], key=lambda work: work.left)

    def _remove(self, work: Work) -> _Piece:
        """Takes the next piece of a recording or stream out of line."""
        works = self._waiting[work.caller]
        pieces = works.pop(work)
        piece = pieces.popleft()
        if pieces:
            works[work] = pieces  # behind the others
        elif not works:
            del self._waiting[work.caller]
            self._taken.pop(work.caller, None)
        self._turns.leave(work.caller)
        self._pieces -= 1
        self._seconds = self._seconds - piece.seconds if self._pieces else 0.0
        return piece

    def _prepare(self, piece: _Piece) -> Features | None:
        if not piece.result.set_running_or_notify_cancel():
            return None
        try:
            return piece.work.model.features(piece.read())
        except Exception as error:  # noqa: BLE001  the future raises it
            piece.result.set_exception(error)
            return None


def _count(model: Model, pieces: list[_Piece]) -> None:
    seconds = sum(piece.count for piece in pieces) / model.info.traits.sample_rate
    metrics.ENCODED.labels(model.info.name).inc(len(pieces))
    metrics.ENCODED_SECONDS.labels(model.info.name).inc(seconds)


def _deliver(pieces: list[_Piece], outputs: Outputs) -> None:
    for piece, vector, tags in zip(pieces, outputs.vectors, outputs.tags, strict=True):
        norm = float(np.linalg.norm(vector))
        if np.isfinite(norm) and norm > 0:
            piece.result.set_result(Embedded((vector / norm).astype(np.float32), tags))
        else:
            piece.result.set_exception(ArithmeticError(f"the embedding has the norm {norm}"))
