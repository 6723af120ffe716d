"""The command line, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

AUDIOSEARCH = str(Path(sys.executable).with_name("audiosearch"))
Run = Callable[..., subprocess.CompletedProcess[str]]


def run(
    *arguments: object, code: int = 0, cwd: Path | None = None, seconds: int = 120, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Runs `audiosearch` with arguments and settings to its end, which must be with this code."""
    done = subprocess.run(
        [AUDIOSEARCH, *map(str, arguments)],
        env={**os.environ, "COLUMNS": "200", **settings},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done
