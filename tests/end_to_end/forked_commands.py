"""Runs `audiosearch` in forks of a process that has imported it, for tests that run it often.

Each line of its input is a command as JSON: arguments, environment, folder and the files for what
it prints. Each line of its output is how one ended: the exit code, negative for a signal.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import Any

from audiosearch_cli import app, main


def become(wanted: dict[str, Any]) -> None:
    """Makes this process that of a command."""
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["folder"])
    for number, path in enumerate((os.devnull, *wanted["printed"])):
        file = os.open(path, os.O_RDWR)
        os.dup2(file, number)
        os.close(file)
    sys.argv = wanted["arguments"]
    sys.modules["__main__"].__package__ = None  # the program is named as one that was not run by -m


def serve() -> None:
    """Runs commands one after the other, until its input ends."""
    gc.collect()
    gc.freeze()  # the end of a fork would go through all that was imported
    for line in sys.stdin.buffer:
        child = os.fork()
        if not child:
            become(json.loads(line))
            sys.exit(main())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{code}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    assert app.app  # all that `main` would import
    serve()
