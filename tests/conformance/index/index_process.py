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
from index_harness import DIMENSION, LARGE, Client

OURS = ("AUDIOSEARCH_", "MILVUS_", "VECTOR_", "METRIC_")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """This environment without settings, and with those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**clean, "AUDIOSEARCH_DATA_DIR": str(folder), "AUDIOSEARCH_INDEX_PORT": "0",
            "AUDIOSEARCH_DRAIN_SECONDS": "0", "VECTOR_DIMENSION": str(DIMENSION), **more}


async def run(folder: Path, *arguments: str, **more: str) -> tuple[int, str, str]:
    """Runs the program to its end; returns its exit code and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "index_service", *arguments, env=environment(folder, **more),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, output.decode(), errors.decode()


class Service:
    """A running service: `client` calls it, `lines` are what it logged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Takes the process."""
        self.process = process
        self.lines: list[dict[str, object]] = []

    async def port(self) -> int:
        """Reads its log until it listens."""
        stream = self.process.stderr
        assert stream is not None
        while True:
            line = json.loads(await asyncio.wait_for(stream.readline(), 60))
            self.lines.append(line)
            if line["event"] == "listening":
                return int(line["port"])

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal; returns the exit code and keeps the rest of the log."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        _, errors = await asyncio.wait_for(self.process.communicate(), 60)
        self.lines += [json.loads(line) for line in errors.decode().splitlines()]
        return self.process.returncode or 0


@asynccontextmanager
async def service(folder: Path, index: str = "index", **more: str
                  ) -> AsyncIterator[tuple[Service, Client]]:
    """Runs the service, with a client for it; ends it if the test did not."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "index_service", env=environment(folder, **more),
        stderr=asyncio.subprocess.PIPE)
    running = Service(process)
    try:
        address = f"127.0.0.1:{await running.port()}"
        async with grpc.aio.insecure_channel(address, LARGE) as channel:
            yield running, Client(IndexServiceStub(channel), index)
    finally:
        if process.returncode is None:
            await running.end(signal.SIGKILL)
