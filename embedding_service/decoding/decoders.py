"""Runs decoding in separate processes, so that a crash costs one request only."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TimedOut
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, TypeVar

import structlog
import threadpoolctl
from pebble import ProcessExpired, ProcessPool

from embedding_service.decoding.confinement import bound_resources
from embedding_service.decoding.decoding import Decoded, Order, decode, decode_quickly
from embedding_service.decoding.readers import AudioError
from embedding_service.decoding.wav import plain_samples
from embedding_service.sharing import Line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typing_extensions import Self

T = TypeVar("T")
log = structlog.get_logger()
_TURN_SECONDS = 0.02
"""Time that a process that has started leaves to the others to take work."""

_GOING_SECONDS = 1.0
"""Longest wait for the end of a parent process whose pipe broke."""


def prepare(folder: Path) -> None:
    """Prepares a decoder process: limited memory, no core dump, an end when the service ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nowhere, output)  # decoders print remarks between log lines
    threadpoolctl.threadpool_limits(
        1, "blas"
    )  # for speech; a second thread costs more than it saves
    threading.Thread(target=_end_with_parent, args=[folder], daemon=True, name="parent").start()
    # The service's end also breaks the pipe, and the pool may end this process first because of it.
    Finalize(None, _remove_behind_parent, args=[folder], exitpriority=1)
    bound_resources()


def _end_with_parent(folder: Path) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        shutil.rmtree(folder, ignore_errors=True)  # a killed service can't do this itself
        os._exit(1)


def _remove_behind_parent(folder: Path) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join(_GOING_SECONDS)
        if not parent.is_alive():
            shutil.rmtree(folder, ignore_errors=True)


def ready() -> int:
    """Gives the id of a process that has started, which lets the others start meanwhile."""
    time.sleep(_TURN_SECONDS)
    return os.getpid()


class Decoders:
    """A pool of decoder processes. Each request uses one of them, and callers take turns.

    One process more than asked for is kept for audio that is decoded quickly, so that it never
    waits for long audio.
    """

    def __init__(self, processes: int, seconds: float, folder: Path) -> None:
        """Starts the pool.

        Args:
            processes: Number of processes for long audio.
            seconds: Longest time for one request.
            folder: The spools' folder, removed when the service is killed.
        """
        self._processes = processes + 1
        self._folder = folder
        self._any = Line(self._processes)
        self._long = Line(processes)
        self._plain = Line(processes)
        self._seconds = seconds
        self._pool = self._start()
        self._threads = ThreadPoolExecutor(processes, "plain samples")

    def __enter__(self) -> Self:
        """Waits until all processes run: one that is stopped while it starts leaves a traceback."""
        running: set[int] = set()
        while len(running) < self._processes:
            asked = [self._pool.schedule(ready) for _ in range(self._processes)]
            running |= {each.result() for each in asked}
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the processes, also busy ones."""
        self._pool.stop()
        self._pool.join()
        self._threads.shutdown(cancel_futures=True)

    async def decode_quickly(self, order: Order, caller: str) -> Decoded | None:
        """As `decode`, but returns None as soon as the audio turns out to be long."""
        return await self._work(decode_quickly, order, caller)

    async def decode(self, order: Order, caller: str) -> Decoded:
        """Decodes in one of the processes. A cancelled call stops its process.

        Short audio of raw samples is read in a thread of this process: that needs no decoder that
        could crash, and takes less time than sending it to another process.

        Raises:
            AudioError: As `decoding.decode`. Also AUDIO_UNDECODABLE when the process crashed, ran
                out of memory or took too long.
        """
        async with self._long.place(caller):
            return await self._work(decode, order, caller)

    async def _work(self, work: Callable[[Order], T], order: Order, caller: str) -> T:
        try:
            if plain := _plain(order):
                async with self._plain.place(caller):
                    return await asyncio.wrap_future(self._threads.submit(work, plain))
            # A call that is cancelled while it waits here stops no process.
            async with self._any.place(caller):
                return await self._run(work, order)
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

    async def _run(self, work: Callable[[Order], T], order: Order) -> T:
        try:
            return await self._schedule(work, order)
        except BrokenProcessPool:  # an idle process was killed: this audio is not the cause
            return await self._schedule(work, order)

    async def _schedule(self, work: Callable[[Order], T], order: Order) -> T:
        self.check()
        task = self._pool.schedule(work, args=[order], timeout=self._seconds)
        done: T = await asyncio.wrap_future(task)
        return done

    def _start(self) -> ProcessPool:
        # Spawned, not forked: the processes hold neither the model nor the service's connections.
        return ProcessPool(
            max_workers=self._processes,
            initializer=prepare,
            initargs=[self._folder],
            context=multiprocessing.get_context("spawn"),
        )

    def check(self) -> None:
        """Replaces the pool if it is broken: the end of an idle process breaks it."""
        if self._pool.active:
            return
        log.warning("decoders.renewed")
        with contextlib.suppress(RuntimeError):
            self._pool.stop()
        self._pool = self._start()


def _plain(order: Order) -> Order | None:
    """Returns the order as one for raw samples in memory, or None if its audio needs a decoder."""
    if not isinstance(order.source, bytes):
        return None
    if order.pcm:
        return order
    found = plain_samples(order.source)
    return replace(order, pcm=found[0], source=found[1]) if found else None
