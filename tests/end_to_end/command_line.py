"""The command line, run as a user runs it."""

from __future__ import annotations

import functools
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.conftest import REPOSITORY

AUDIOSEARCH = str(Path(sys.executable).with_name("audiosearch"))
Run = Callable[..., subprocess.CompletedProcess[str]]


class Forks:
    """A process that has imported the command line, and runs commands in forks of itself.

    The imports are most of what a small command costs, and the tests run hundreds of them.
    """

    def __init__(self) -> None:
        """Starts it. It ends with this process."""
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.end_to_end.forked_commands"],
            env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(REPOSITORY)},
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def run(
        self, arguments: list[str], environment: Mapping[str, str], folder: str, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, one after the other."""
        asks, tells = self._process.stdin, self._process.stdout
        assert asks
        assert tells
        with self._lock, tempfile.TemporaryDirectory() as place:
            printed = [Path(place, name) for name in ("out", "err")]
            for path in printed:
                path.touch()
            wanted = {
                "arguments": arguments,
                "environment": dict(environment),
                "folder": folder,
                "printed": [str(path) for path in printed],
            }
            asks.write(json.dumps(wanted).encode() + b"\n")
            asks.flush()
            if not select.select([tells], [], [], seconds)[0]:
                os.killpg(self._process.pid, signal.SIGKILL)
                _forks.cache_clear()
                raise subprocess.TimeoutExpired(arguments, seconds, *(_text(p) for p in printed))
            code = int(tells.readline())
            return subprocess.CompletedProcess(arguments, code, *(_text(p) for p in printed))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@functools.cache
def _forks() -> Forks:
    return Forks()


def run(
    *arguments: object, code: int = 0, cwd: Path | None = None, seconds: int = 120, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Runs `audiosearch` with arguments and settings to its end, which must be with this code."""
    done = _forks().run(
        [AUDIOSEARCH, *map(str, arguments)],
        {**os.environ, "COLUMNS": "200", **settings},
        str(cwd or Path.cwd()),
        seconds,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done
