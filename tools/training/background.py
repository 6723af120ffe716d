"""Makes batches in background processes, each from its number alone, and gives them in order."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

BatchT = TypeVar("BatchT")
BatchT_co = TypeVar("BatchT_co", covariant=True)

_AHEAD = 3
"""Batches that each process may be ahead of the training."""


class Maker(Protocol, Generic[BatchT_co]):
    """Makes batches by number."""

    def make(self, number: int) -> BatchT_co:
        """Makes the batch of this number. The same number gives the same batch."""
        ...


class _Process:
    """The batch maker of a background process."""

    maker: Maker | None = None


def _start_process(make_maker: Callable[[], Maker]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _Process.maker = make_maker()


def _end_with_parent() -> None:
    """Ends this process when the training was killed; the pool's queue would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make_in_process(number: int) -> object:
    if _Process.maker is None:
        message = "the process has no plan"
        raise RuntimeError(message)
    return _Process.maker.make(number)


@contextmanager
def made_in_background(
    make_maker: Callable[[], Maker[BatchT]], first: int, processes: int
) -> Iterator[Iterator[BatchT]]:
    """Gives the batches `first`, `first + 1`, ... without end. Makes a limited number ahead.

    Args:
        make_maker: Makes the maker of a process; has to be picklable.
        first: Number of the first batch.
        processes: Number of background processes; the batches do not depend on it.
    """
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), _start_process, (make_maker,)
    )
    try:
        yield _in_order(pool, first, processes * _AHEAD)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(pool: ProcessPoolExecutor, first: int, ahead: int) -> Iterator:
    waiting: deque[Future] = deque()
    number = first
    while True:
        while len(waiting) < ahead:
            waiting.append(pool.submit(_make_in_process, number))
            number += 1
        yield waiting.popleft().result()
