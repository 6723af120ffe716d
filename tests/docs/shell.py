"""A bash that stays: what one block sets, the next finds."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from tools.servers.debian import program

DONE = "---- the block is done ----"


class Shell:
    """Runs blocks one after the other; the first command that fails ends it."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Starts bash in a folder."""
        self._process = subprocess.Popen(
            [program("bash"), "-eu"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        """Gives itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends bash."""
        self._process.kill()
        self._process.communicate()

    def run(self, text: str) -> tuple[bool, str]:
        """Runs a block. Returns True if all its commands succeeded, and their output."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # A group, so that bash has read all of it before a command could read the rest.
        self._process.stdin.write(f"{{\n{text}\n}} </dev/null\necho; echo '{DONE}'\n")
        self._process.stdin.flush()
        printed: list[str] = []
        for line in self._process.stdout:
            if line.rstrip("\n") == DONE:
                return True, "".join(printed)
            printed.append(line)
        return False, "".join(printed)
