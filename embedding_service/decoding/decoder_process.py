"""One process that decodes, a piece of audio at a time.

Audio and samples that fit into memory go through memory that both sides share, and the rest of an
order through a socket that the event loop waits for: no thread and no copy through a pipe stand
between. A pool of the usual kind took 1.4 ms for 0.7 MB of audio and 0.3 MB of samples; this takes
0.3 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import multiprocessing
import os
import pickle
import shutil
import signal
import socket
import struct
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import threadpoolctl

from embedding_service.decoding.confinement import bound_resources
from embedding_service.decoding.decoding import INLINE_BYTES, Decoded

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedRWPair

    from embedding_service.decoding.decoding import Order

    Work = Callable[[Order], Decoded | None]
    _Result = tuple[Exception | None, Decoded | None, int | None]

_SIZE = struct.Struct("<I")
_READY = b"+"
_START_SECONDS = 60.0
"""Longest that a process may take to start, on a busy machine."""

_GOING_SECONDS = 1.0
"""Longest wait for the end of a parent process whose socket broke."""


class DiedError(Exception):
    """The process ended at work."""


class GoneError(DiedError):
    """The process had ended before it took the work, which is no fault of the audio."""


class StartError(Exception):
    """The process did not start, which is no fault of any audio."""


class DecoderProcess:
    """A process that decodes. It ends when this process does."""

    def __init__(self, folder: Path) -> None:
        """Starts the process, and waits until it takes orders. Blocks for about a second.

        Args:
            folder: The spools' folder, removed when this process is killed.

        Raises:
            StartError: The process ended while it started, or took too long to.
        """
        # Spawned, not forked: the process holds neither the model nor the service's connections.
        context = multiprocessing.get_context("spawn")
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = context.Process(
                target=_serve, args=[theirs, folder], name="decoder", daemon=True
            )
            self._process.start()
        shared = _unnamed_file(folder)
        try:
            self._memory = mmap.mmap(shared, INLINE_BYTES)
            self._socket.settimeout(_START_SECONDS)
            socket.send_fds(self._socket, [_READY], [shared])
            if self._socket.recv(1) != _READY:
                raise StartError("a decoder ended while it started")  # noqa: TRY301
        except (OSError, StartError) as error:
            self.kill()
            raise StartError(f"a decoder did not start: {error}") from error
        finally:
            os.close(shared)
        self._socket.setblocking(False)  # noqa: FBT003  its name says it

    @property
    def alive(self) -> bool:
        """True if the process waits for an order: its end of the socket is open and silent.

        multiprocessing's own answer can be wrong while a thread starts another process.
        """
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    async def run(self, work: Work, order: Order) -> Decoded | None:
        """Runs one piece of work. After any error but the work's own the process is of no use.

        Raises:
            DiedError: The process ended. It is GoneError if it never read the order.
            Exception: Whatever the work raised.
        """
        size = None
        if isinstance(order.source, bytes):
            size = len(order.source)
            self._memory[:size] = order.source
            order = replace(order, source=b"")
        try:
            await self._send(pickle.dumps((work, order, size)))
            result: _Result = pickle.loads(await self._receive())  # noqa: S301  our process
        except (BrokenPipeError, ConnectionResetError) as error:
            # A socket whose other end went away with unread bytes is reset, and else at its end.
            raise GoneError(str(error)) from error
        except OSError as error:
            raise DiedError(str(error)) from error
        failure, decoded, count = result
        if failure is not None:
            raise failure
        if decoded is None or count is None:
            return decoded
        return replace(decoded, samples=np.frombuffer(self._memory, np.float32, count).copy())

    def kill(self) -> None:
        """Ends the process, a busy one too."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    def close(self) -> None:
        """Ends the process and frees what belongs to it. Blocks until it has ended."""
        self.kill()
        self._process.join()
        self._process.close()
        self._socket.close()

    async def _send(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._socket, _SIZE.pack(len(data)) + data)

    async def _receive(self) -> bytes:
        (size,) = _SIZE.unpack(await self._read(_SIZE.size))
        return await self._read(size)

    async def _read(self, size: int) -> bytes:
        loop, data = asyncio.get_running_loop(), b""
        while len(data) < size:
            part = await loop.sock_recv(self._socket, size - len(data))
            if not part:
                raise DiedError("a decoder ended at work")
            data = data + part if data else part
        return data


def _unnamed_file(folder: Path) -> int:
    """Makes a file for shared memory that has no name, so that nothing has to be tidied up."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("decoder")
    else:
        with tempfile.TemporaryFile(dir=folder) as temporary:
            file = os.dup(temporary.fileno())
    os.ftruncate(file, INLINE_BYTES)
    return file


def _serve(ours: socket.socket, folder: Path) -> None:
    """Works off orders until the service closes the socket. The process's main function."""
    _prepare(folder)
    _, (shared, *_), _, _ = socket.recv_fds(ours, 1, 1)
    memory = mmap.mmap(shared, INLINE_BYTES)
    os.close(shared)
    ours.sendall(_READY)
    with ours, ours.makefile("rwb") as pipe, contextlib.suppress(BrokenPipeError):
        while head := pipe.read(_SIZE.size):
            work, order, size = pickle.loads(pipe.read(*_SIZE.unpack(head)))  # noqa: S301  the service's
            if size is not None:
                order = replace(order, source=memory[:size])
            _reply(pipe, _result(work, order, memory))
    _remove_behind_parent(folder)


def _result(work: Work, order: Order, memory: mmap.mmap) -> _Result:
    """Does the work. Its samples are left in the memory, and the result tells their number."""
    try:
        decoded = work(order)
    except Exception as error:  # noqa: BLE001  the service raises it
        return error.with_traceback(None), None, None
    if decoded is None or decoded.samples is None:
        return None, decoded, None
    samples = decoded.samples
    memory[: samples.nbytes] = samples.tobytes()
    return None, replace(decoded, samples=None), len(samples)


def _reply(pipe: BufferedRWPair, result: _Result) -> None:
    try:
        data = pickle.dumps(result)
    except (pickle.PicklingError, TypeError, AttributeError):
        data = pickle.dumps((RuntimeError(repr(result[0])), None, None))
    pipe.write(_SIZE.pack(len(data)) + data)
    pipe.flush()


def _prepare(folder: Path) -> None:
    """Prepares the process: limited memory, no core dump, an end when the service ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # calls go on while the service drains
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nowhere, output)  # decoders print remarks between log lines
    # For speech: a second thread costs more than it saves.
    threadpoolctl.threadpool_limits(1, "blas")
    threading.Thread(target=_end_with_parent, args=[folder], daemon=True, name="parent").start()
    bound_resources()


def _end_with_parent(folder: Path) -> None:
    """Ends a process that is at work when the service is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        shutil.rmtree(folder, ignore_errors=True)  # a killed service can't do this itself
        os._exit(1)


def _remove_behind_parent(folder: Path) -> None:
    """Tidies up for a service that was killed, which also closed the socket."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join(_GOING_SECONDS)
        if not parent.is_alive():
            shutil.rmtree(folder, ignore_errors=True)
