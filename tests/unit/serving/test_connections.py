"""Connections without calls: they are bounded, end by themselves, and do not fill the log."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest

from serving.calls.connections import QuietLoop
from serving.compat import timeout
from tests.unit.serving.served import Served, logs, start

__all__ = ["logs", "start"]  # fixtures

Start = Callable[..., Awaitable[Served]]


def closed(idle: list[socket.socket]) -> int:
    """Sockets that the server has closed."""
    count = 0
    for each in idle:
        try:
            while each.recv(65_536):
                pass
            count += 1
        except BlockingIOError:
            pass
        except OSError:
            count += 1
    return count


async def test_idle_sockets_are_bounded_and_end_by_themselves(start: Start) -> None:
    """More sockets without a byte than there may be: soon others get in."""
    served = await start(max_connections=40)
    with contextlib.ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            for _ in range(100)
        ]
        for each in idle:
            each.settimeout(0)
        async with timeout(120):
            while closed(idle) < 60:
                await asyncio.sleep(0.1)
            while True:
                with contextlib.suppress(Exception):
                    await served.health()
                    break
                await asyncio.sleep(0.2)


async def test_want_of_files_is_one_line(logs: pytest.CaptureFixture[str]) -> None:
    """Asyncio tells of each try to accept a connection; any other failure is told as ever."""
    loop, quiet = asyncio.get_running_loop(), QuietLoop()
    logs.readouterr()
    told: list[object] = []
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    for _ in range(1000):
        quiet(loop, {"message": "x", "exception": OSError(errno.EMFILE, "Too many open files")})
    captured = logs.readouterr()
    assert len((captured.err + captured.out).splitlines()) <= 1
    quiet(loop, {"message": "other", "exception": OSError(errno.EPIPE, "Broken pipe")})
    assert told == []


def test_a_program_takes_all_files_that_it_may() -> None:
    """A soft limit of 200 is raised to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    code = (
        "import resource; from serving.calls.connections import raise_file_limit; "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, (200, {hard})); raise_file_limit(); "
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(done.stdout) == (65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536))


def test_a_system_that_gives_fewer_files_is_no_failure() -> None:
    """MacOS refuses more than 10,240, whatever the hard limit says."""
    code = (
        "import resource\n"
        "from serving.calls.connections import raise_file_limit\n"
        "given = resource.setrlimit\n"
        "def refuse(kind, limits):\n"
        "    if limits[0] > 10_240: raise ValueError('current limit exceeds maximum limit')\n"
        "    given(kind, limits)\n"
        "given(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "resource.setrlimit = refuse\n"
        "raise_file_limit()\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert int(done.stdout) == (10_240 if hard == resource.RLIM_INFINITY else min(hard, 10_240))
