"""Runs decoding in processes of its own, where a crash costs one request."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TimedOut
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING

import structlog
from pebble import ProcessExpired, ProcessPool

from embedding_service.decoding.confinement import bound_resources
from embedding_service.decoding.decoding import Decoded, Order, decode
from embedding_service.decoding.readers import AudioError
from embedding_service.decoding.wav import plain_samples

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

log = structlog.get_logger()
_GOING_SECONDS = 1.0
"""In which a parent whose pipe broke is known to be dead."""


def prepare(folder: Path) -> None:
    """Sets a decoder process up: bounded memory, no core dump, an end when the service ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders write remarks among the logs
    threading.Thread(target=_end_with_parent, args=[folder], daemon=True, name="parent").start()
    # Without the service its pipe breaks too, by which the pool may end this process first.
    Finalize(None, _remove_behind_parent, args=[folder], exitpriority=1)
    bound_resources()


def _end_with_parent(folder: Path) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        shutil.rmtree(folder, ignore_errors=True)  # the service was killed and could not
        os._exit(1)


def _remove_behind_parent(folder: Path) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join(_GOING_SECONDS)
        if not parent.is_alive():
            shutil.rmtree(folder, ignore_errors=True)


def ready() -> None:
    """Does nothing: a process that has done it has started."""


class Decoders:
    """A few processes that decode; each request takes one of them."""

    def __init__(self, processes: int, seconds: float, folder: Path) -> None:
        """Takes the number of processes, the longest time for a request, and the spools' folder."""
        self._processes = processes
        self._folder = folder
        self._free = asyncio.Semaphore(processes)
        self._seconds = seconds
        self._pool = self._start()
        self._threads = ThreadPoolExecutor(processes, "plain samples")

    def __enter__(self) -> Self:
        """Waits until the processes run."""
        for started in [self._pool.schedule(ready) for _ in range(self._processes)]:
            started.result()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the processes, busy or not."""
        self._pool.stop()
        self._pool.join()
        self._threads.shutdown(cancel_futures=True)

    async def decode(self, order: Order) -> Decoded:
        """Decodes in one of the processes; a cancelled call stops its process.

        Samples that are as plain as can be and few are read in a thread of this process: no decoder
        is asked that could crash, and sending them to and fro would take longer than reading them.

        Raises:
            AudioError: As `decoding.decode`; AUDIO_UNDECODABLE also when the process died of it,
                ran out of memory or took too long.
        """
        try:
            if plain := _plain(order):
                return await asyncio.wrap_future(self._threads.submit(decode, plain))
            async with self._free:  # waiting here, a cancelled call costs no process
                return await self._run(order)
        except ProcessExpired as error:
            log.warning("decoder.died", why=str(error))
            raise AudioError(
                "AUDIO_UNDECODABLE", "the decoder crashed on this audio; convert it to wav or flac"
            ) from error
        except (TimedOut, asyncio.TimeoutError) as error:
            raise AudioError(
                "AUDIO_UNDECODABLE",
                f"decoding took more than {self._seconds:g} s; convert it to wav or flac",
            ) from error
        except MemoryError as error:
            raise AudioError(
                "AUDIO_UNDECODABLE", "decoding takes too much memory; convert it to wav or flac"
            ) from error

    async def _run(self, order: Order) -> Decoded:
        try:
            return await self._schedule(order)
        except BrokenProcessPool:  # an idle process was killed: no fault of this audio
            return await self._schedule(order)

    async def _schedule(self, order: Order) -> Decoded:
        self.check()
        task = self._pool.schedule(decode, args=[order], timeout=self._seconds)
        decoded: Decoded = await asyncio.wrap_future(task)
        return decoded

    def _start(self) -> ProcessPool:
        # Spawned, so that they hold neither the model nor any connection of the service.
        return ProcessPool(
            max_workers=self._processes,
            initializer=prepare,
            initargs=[self._folder],
            context=multiprocessing.get_context("spawn"),
        )

    def check(self) -> None:
        """Replaces the pool if it broke, as it does when an idle process is killed."""
        if self._pool.active:
            return
        log.warning("decoders.renewed")
        with contextlib.suppress(RuntimeError):
            self._pool.stop()
        self._pool = self._start()


def _plain(order: Order) -> Order | None:
    """The same order for raw samples in memory, if that is what its audio comes down to."""
    if not isinstance(order.source, bytes):
        return None
    if order.pcm:
        return order
    found = plain_samples(order.source)
    return replace(order, pcm=found[0], source=found[1]) if found else None
