"""The index service as a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub

from tests.conformance.index.index_harness import DIMENSION, LARGE, Client

OURS = ("AUDIOSEARCH_", "MILVUS_", "VECTOR_", "METRIC_")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """This environment without settings, and with those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {
        **clean,
        "AUDIOSEARCH_DATA_DIR": str(folder),
        "AUDIOSEARCH_INDEX_PORT": "0",
        "AUDIOSEARCH_DRAIN_SECONDS": "0",
        "VECTOR_DIMENSION": str(DIMENSION),
        **more,
    }


async def run(folder: Path, *arguments: str, **more: str) -> tuple[int, str, str]:
    """Runs the program to its end. Returns its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "index_service",
        *arguments,
        env=environment(folder, **more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, output.decode(), errors.decode()


class Service:
    """A running service; `lines` are what it logged, read all the time so that it never blocks."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Takes the process."""
        self.process = process
        self.lines: list[dict[str, object]] = []
        self.port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == "listening":
                self.port.set_result(int(str(self.lines[-1]["port"])))

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal; returns the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        code = await asyncio.wait_for(self.process.wait(), 60)
        await self._reader
        return code


@asynccontextmanager
async def service(
    folder: Path, index: str = "index", **more: str
) -> AsyncIterator[tuple[Service, Client]]:
    """Runs the service, with a client for it; ends it if the test did not."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "index_service",
        env=environment(folder, **more),
        stderr=asyncio.subprocess.PIPE,
    )
    running = Service(process)
    try:
        address = f"127.0.0.1:{await asyncio.wait_for(running.port, 60)}"
        async with grpc.aio.insecure_channel(address, LARGE) as channel:
            yield running, Client(IndexServiceStub(channel), index)
    finally:
        if process.returncode is None:
            await running.end(signal.SIGKILL)
