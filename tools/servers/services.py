"""The four services as local processes, each with a log of its own and tied to who started it."""

from __future__ import annotations

import subprocess
import sys

from deploy.local_stack import LocalStack, _module

BOUND = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
os.execv(sys.executable, [sys.executable, "-m", sys.argv[1]])
"""
"""Becomes a module that the kernel kills when the harness ends. Not by a function between fork and
exec: the threads of the clients make forks here unsafe, and without one there is no fork."""


class Services(LocalStack):
    """The four services, whose output goes to files."""

    def launch(self, service: str) -> None:
        """Starts a service; must run in a thread that outlives it."""
        with (self.data_dir / f"{service}.log").open("ab") as output:
            self._processes[service] = subprocess.Popen(
                [sys.executable, "-c", BOUND, _module(service)],
                env=self._environment(service),
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
