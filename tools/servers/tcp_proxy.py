"""A proxy of TCP that holds data back, slows it down, or is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

_PIECE = 64 * 1024


class TcpProxy:
    """Passes connections of one port of 127.0.0.1 on to another one."""

    def __init__(self, target: int) -> None:
        """Takes the port that it leads to."""
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._pause = 0.0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        """Takes connections, on the port of before if there was one."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Ends all connections and takes no more, until `start`."""
        if self._server:
            self._server.close()
        for each in list(self._connections):
            each.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def hold(self) -> None:
        """Keeps all data back, until `release`; connections stay."""
        self._open.clear()

    def slow(self, seconds: float) -> None:
        """Waits before each piece of 64 KiB at most; 0 for no more."""
        self._pause = seconds

    def release(self) -> None:
        """Lets all data go on."""
        self._open.set()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            its_reader, its_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                await asyncio.gather(self._pump(reader, its_writer), self._pump(its_reader, writer))
            finally:
                its_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # one side is gone: so is the other
        finally:
            writer.transport.abort()
            self._connections.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_PIECE):
            await self._open.wait()
            await asyncio.sleep(self._pause)
            writer.write(piece)
            await writer.drain()
        raise ConnectionResetError


@contextlib.asynccontextmanager
async def proxy(target: int) -> AsyncIterator[TcpProxy]:
    """Runs a proxy for the time of the block."""
    made = TcpProxy(target)
    await made.start()
    try:
        yield made
    finally:
        made.release()
        await made.cut()
