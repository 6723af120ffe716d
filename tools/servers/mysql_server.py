"""Starts a real MariaDB (or MySQL-compatible) server in a temporary folder.

Installs the server by apt-get if it is missing and that is allowed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pymysql

from tools.servers.debian import program, require
from tools.servers.ports import free_ports
from tools.servers.processes import send_signal

START_SECONDS = 60
STOP_SECONDS = 120  # a gigabyte may be in memory alone


class MysqlServer:
    """A server on 127.0.0.1 that can be stopped, restarted, frozen and killed."""

    def __init__(self, folder: Path, *options: str, data: Path | None = None) -> None:
        """Creates the server's files, unless `data` has them from an earlier one.

        Args:
            folder: Folder for its socket and log. Its path is short, as those of sockets are.
            options: Added to its command line.
            data: Folder of its data; None for one in `folder`.
        """
        self.folder = folder
        self._data = data or folder / "data"
        self._options = options
        (self.port,) = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._user = ["--user=root"] if os.geteuid() == 0 else []
        if not self._data.exists():
            self._install()

    def _install(self) -> None:
        subprocess.run(
            [
                program("mariadb-install-db"),
                "--no-defaults",
                *self._user,
                f"--datadir={self._data}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            check=True,
            capture_output=True,
            timeout=START_SECONDS,
        )

    def start(self) -> None:
        """Runs the server and waits until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    program("mariadbd"),
                    "--no-defaults",
                    *self._user,
                    f"--datadir={self._data}",
                    f"--socket={self.folder / 's'}",
                    f"--pid-file={self.folder / 'pid'}",
                    "--bind-address=127.0.0.1",
                    f"--port={self.port}",
                    *self._options,
                ],
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(
                    "mariadbd did not start:\n" + (self.folder / "log").read_text()[-2000:]
                )
            time.sleep(0.1)

    def answers(self) -> bool:
        """Returns True if the server accepts connections."""
        with contextlib.suppress(pymysql.MySQLError):
            self.connect().close()
            return True
        return False

    def connect(self, database: str | None = None) -> pymysql.Connection:
        """Opens a connection as root."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            database=database,
            autocommit=True,
            connect_timeout=3,
        )

    def new_database_name(self) -> str:
        """Returns a name that no other test uses."""
        return f"t_{uuid.uuid4().hex[:12]}"

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the server: SIGSTOP freezes it, SIGCONT continues it."""
        assert self._process
        send_signal(self._process.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends the server; SIGKILL ends it at once."""
        if self._process:
            self._process.send_signal(number)
            self._process.wait(STOP_SECONDS)
            self._process = None


@contextlib.contextmanager
def running(*options: str, data: Path | None = None) -> Iterator[MysqlServer]:
    """Runs a server for the time of the block, on the files in `data`, which stay, or on none.

    Raises MissingError if it can't be installed.
    """
    require({"mariadbd": "mariadb-server"})
    folder = Path(tempfile.mkdtemp(prefix="mysql"))  # short, as paths of sockets are limited
    server = MysqlServer(folder, *options, data=data)
    try:
        server.start()
        yield server
    finally:
        server.stop(signal.SIGTERM if data else signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
