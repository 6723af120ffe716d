"""Runs the four services as local processes, each with its own log file.

The kernel kills them when the process that started them ends.
"""

from __future__ import annotations

import signal
import subprocess

from deploy.local_stack import LocalStack


class Services(LocalStack):
    """The four services, with their output in files."""

    def launch(self, service: str) -> None:
        """Starts a service. The calling thread must live longer than the service."""
        with (self.data_dir / f"{service}.log").open("ab") as output:
            self._processes[service] = subprocess.Popen(
                self.command(service, signal.SIGKILL),
                env=self._environment(service),
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
