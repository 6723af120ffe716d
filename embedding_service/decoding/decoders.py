"""Runs decoding in separate processes, so that a crash costs one request only."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from embedding_service.decoding.decoder_process import (
    DecoderProcess,
    DiedError,
    GoneError,
    StartError,
)
from embedding_service.decoding.decoding import Decoded, Order, decode, decode_quickly
from embedding_service.decoding.readers import AudioError
from embedding_service.decoding.wav import plain_samples
from embedding_service.sharing import Line
from serving.compat import timeout

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

    from embedding_service.decoding.decoder_process import Work

_TRIES = 3
"""Processes that get the same work, one after the other, while they end before they read it."""

log = structlog.get_logger()


class Decoders:
    """A pool of decoder processes. Each request uses one of them, and callers take turns.

    One process more than asked for is kept for audio that is decoded quickly, so that it never
    waits for long audio.
    """

    def __init__(self, processes: int, seconds: float, folder: Path) -> None:
        """Starts the processes.

        Args:
            processes: Number of processes for long audio.
            seconds: Longest time for one request.
            folder: The spools' folder, removed when the service is killed.
        """
        self._folder = folder
        self._any = Line(processes + 1)
        self._long = Line(processes)
        self._plain = Line(processes)
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(processes, "plain samples")
        self._starting = ThreadPoolExecutor(processes + 1, "start of decoders")
        self._running: set[DecoderProcess] = set()
        self._ended = False
        self._idle = deque(self._start() for _ in range(processes + 1))

    def __enter__(self) -> Self:
        """Waits until all processes run: one that is stopped while it starts leaves a traceback."""
        for starting in self._idle:
            starting.result()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the processes, also busy ones."""
        self._ended = True
        self._starting.shutdown()
        for process in self._running:
            process.close()
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
            decoded = await self._work(decode, order, caller)
        assert decoded is not None  # noqa: S101  only quick decoding gives up
        return decoded

    def check(self) -> None:
        """Replaces processes that died while they had nothing to do."""
        idle = [self._renew(each) if _dead(each) else each for each in self._idle]
        self._idle = deque(sorted(idle, key=Future.done))  # those that start are taken last

    async def _work(self, work: Work, order: Order, caller: str) -> Decoded | None:
        try:
            if plain := _plain(order):
                async with self._plain.place(caller):
                    return await asyncio.wrap_future(self._threads.submit(work, plain))
            # A call that is cancelled while it waits here stops no process.
            async with self._any.place(caller):
                return await self._run(work, order)
        except DiedError as error:
            log.warning("decoder.died", why=str(error))
            raise AudioError(
                "AUDIO_UNDECODABLE", "the decoder crashed on this audio; convert it to wav or flac"
            ) from error
        except asyncio.TimeoutError as error:
            raise AudioError(
                "AUDIO_UNDECODABLE",
                f"decoding took more than {self._seconds:g} s; convert it to wav or flac",
            ) from error
        except MemoryError as error:
            raise AudioError(
                "AUDIO_UNDECODABLE", "decoding takes too much memory; convert it to wav or flac"
            ) from error

    async def _run(self, work: Work, order: Order) -> Decoded | None:
        """Runs the work in an idle process, and in another one if that had just ended."""
        for _ in range(_TRIES - 1):
            try:
                return await self._run_once(work, order)
            except GoneError as error:
                log.warning("decoder.gone", why=str(error))
        return await self._run_once(work, order)

    async def _run_once(self, work: Work, order: Order) -> Decoded | None:
        """Runs the work in an idle process. The line in front knows that there is one."""
        self.check()  # this audio is not the cause if one has died
        waiting = self._idle.pop()
        try:
            # A call that is cancelled meanwhile must not take the start from the next one.
            process = await asyncio.shield(asyncio.wrap_future(waiting))
            async with timeout(self._seconds):
                return await process.run(work, order)
        except (DiedError, StartError, asyncio.TimeoutError, asyncio.CancelledError):
            waiting = self._renew(waiting)
            raise
        finally:
            if waiting.done():
                self._idle.append(waiting)
            else:
                self._idle.appendleft(waiting)

    def _start(self) -> Future[DecoderProcess]:
        return self._starting.submit(self._started)

    def _started(self) -> DecoderProcess:
        process = DecoderProcess(self._folder)
        self._running.add(process)
        return process

    def _renew(self, waiting: Future[DecoderProcess]) -> Future[DecoderProcess]:
        """Starts a process in the place of one that is of no use any more, or never came to be."""
        if self._ended or not waiting.done():
            return waiting
        log.warning("decoder.renewed")
        if waiting.exception() is None:
            process = waiting.result()
            process.kill()
            self._running.discard(process)
            # In the next turn of the loop: it may still look at the process's socket in this one.
            asyncio.get_running_loop().call_soon(self._tidy, process)
        return self._start()

    def _tidy(self, process: DecoderProcess) -> None:
        if self._ended:
            process.close()
        else:
            self._starting.submit(process.close)


def _dead(waiting: Future[DecoderProcess]) -> bool:
    """Tells of a process that ended, or did not start."""
    if not waiting.done():
        return False
    return waiting.exception() is not None or not waiting.result().alive


def _plain(order: Order) -> Order | None:
    """Returns the order as one for raw samples in memory, or None if its audio needs a decoder."""
    if not isinstance(order.source, bytes):
        return None
    if order.pcm:
        return order
    found = plain_samples(order.source)
    return replace(order, pcm=found[0], source=found[1]) if found else None
