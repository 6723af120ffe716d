"""Runs the four services as local processes, each with its own log file.

The kernel kills them when the process that started them ends.
"""

from __future__ import annotations

import subprocess
import sys

from deploy.container import module
from deploy.local_stack import LocalStack

BOUND = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
os.execv(sys.executable, [sys.executable, "-m", sys.argv[1]])
"""
"""Program that runs a module and is killed when its parent ends. A `preexec_fn` would need a fork,
which the threads of clients make unsafe here."""


class Services(LocalStack):
    """The four services, with their output in files."""

    def launch(self, service: str) -> None:
        """Starts a service. The calling thread must live longer than the service."""
        with (self.data_dir / f"{service}.log").open("ab") as output:
            self._processes[service] = subprocess.Popen(
                [sys.executable, "-c", BOUND, module(service)],
                env=self._environment(service),
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
