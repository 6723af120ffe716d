"""The state of a stack's processes: memory, open files, logs, and what they left behind."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.local_stack import SERVICES, LocalStack

DECODERS = "decoders"
MEBIBYTE = 2**20
GROWTH = {"embedding": 256 * MEBIBYTE, DECODERS: 400 * MEBIBYTE}
"""Bytes of memory that a process may grow by once it is warm; OTHERS for the rest."""

OTHERS = 96 * MEBIBYTE
SPARE_FILES = 24
"""Open files that a process may have more: connections and threads come and go."""

SETTLE_SECONDS = 60.0
TROUBLE = (
    *("Traceback (most recent call last)", '"exception"', "call.crashed", "Segmentation fault"),
    *("never retrieved", "Exception in callback", "Fatal Python error", "was never awaited"),
)


@dataclass(frozen=True)
class Sample:
    """The processes at one time."""

    pids: dict[str, int]
    memory: dict[str, int]
    files: dict[str, int]


class Processes:
    """The processes of one stack, looked at before and after."""

    def __init__(self, stack: LocalStack, temporary: Path) -> None:
        """Takes a stack whose services keep their temporary files in a folder.

        Raises:
            ValueError: The services do not log into a file.
        """
        self._stack = stack
        self._temporary = temporary
        self._logs = {}
        for service in SERVICES:
            path = Path(f"/proc/{stack.pid(service)}/fd/2")
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise ValueError("the log of the services is no file: run pytest without -s")
            self._logs[found.st_ino] = (path.open("rb"), found.st_size)

    def sample(self) -> Sample:
        """Looks at all processes."""
        pids = {service: self._stack.pid(service) for service in SERVICES}
        memory = {service: _memory(pid) for service, pid in pids.items()}
        memory[DECODERS] = sum(map(_memory, _children(pids["embedding"])))
        files = {service: _count(pid) for service, pid in pids.items()}
        return Sample(pids, memory, files)

    def ended(self) -> list[str]:
        """The services that run no more."""
        return [name for name in SERVICES if self._stack._processes[name].poll() is not None]

    def compare(self, before: Sample, warm: Sample) -> Iterator[str]:
        """What is not as it was: waits a while for work that still goes on."""
        yield from (f"{service} has ended" for service in self.ended())
        after = self.sample()
        for service, pid in before.pids.items():
            if after.pids[service] != pid:
                yield f"{service} was started again"
        if self._settled(lambda: not [*self._many_files(before)]):
            yield from self._many_files(before)
        if self._settled(lambda: not self.left_behind()):
            yield f"left behind: {self.left_behind()[:5]}"
        for name, most in ((name, GROWTH.get(name, OTHERS)) for name in warm.memory):
            grown = self.sample().memory[name] - warm.memory[name]
            if grown > most:
                yield f"{name} grew by {grown // MEBIBYTE} MiB"

    def trouble(self) -> list[str]:
        """The places in the logs that tell of an error nobody expected, with what follows."""
        found = list[str]()
        for file, start in self._logs.values():
            file.seek(start)
            lines = file.read().decode(errors="replace").splitlines()
            for place, line in enumerate(lines):
                if any(sign in line for sign in TROUBLE):
                    found.append("\n".join(lines[max(0, place - 2) : place + 60]))
        return found

    def logged(self) -> int:
        """Bytes that were logged."""
        return sum(os.fstat(file.fileno()).st_size - start for file, start in self._logs.values())

    def left_behind(self) -> list[str]:
        """Temporary files of calls that are over."""
        incoming = self._stack.data_dir / "audio" / ".incoming"
        spools = self._temporary.glob("audiosearch-*/*")
        return [str(path) for path in (*incoming.glob("*/*"), *spools) if path.is_file()]

    def _many_files(self, before: Sample) -> Iterator[str]:
        for service, count in self.sample().files.items():
            if count > before.files[service] + SPARE_FILES:
                yield f"{service} has {count} files open, {before.files[service]} before"

    def _settled(self, right: Callable[[], bool]) -> bool:
        """False as soon as all is right; True if it is not after a while."""
        until = time.monotonic() + SETTLE_SECONDS
        while not right():
            if time.monotonic() > until:
                return True
            time.sleep(0.2)
        return False


def _count(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def _memory(pid: int) -> int:
    try:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            named = (task / "children").read_text().split()
        except OSError:
            continue
        for child in map(int, named):
            yield child
            yield from _grandchildren(child)


def _grandchildren(pid: int) -> Iterator[int]:
    try:
        yield from _children(pid)
    except OSError:
        return
