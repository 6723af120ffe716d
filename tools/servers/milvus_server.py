"""Runs a real Milvus server (2.3.5, from PyPI's `milvus`), which ends with this process."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tools.servers.debian import MissingError
from tools.servers.ports import free_ports
from tools.servers.processes import send_signal

VERSION = "2.3.5"
ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-milvus"
PROCESS = Path(__file__).with_name("milvus_process.py")
START_SECONDS = 120
PORT_NAMES = (
    "proxy_port",
    "proxy_internal_port",
    "root_coord_port",
    "query_coord_port",
    "query_node_port",
    "index_coord_port",
    "index_node_port",
    "data_coord_port",
    "data_node_port",
    "etcd_port",
    "etcd_peer_port",
    "metrics_port",
)


def _keys(first: str, behind: str) -> dict[str, str]:
    """Returns a range of keys below Milvus' sessions in its etcd."""
    both = {"key": first, "range_end": behind}
    return {
        name: base64.b64encode(f"by-dev/meta/session{key}".encode()).decode()
        for name, key in both.items()
    }


_SESSIONS = (_keys("/", "/id"), _keys("/id\0", "0"))
"""Without `/id`, which counts the numbers of servers."""


class MilvusMissingError(MissingError):
    """The server can't be installed or does not run here. The message says why."""


def install() -> Path:
    """Creates the server's environment if it is missing. Returns its Python."""
    python = ENVIRONMENT / "bin" / "python"
    ENVIRONMENT.mkdir(exist_ok=True)
    with (ENVIRONMENT / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (ENVIRONMENT / f".installed-{VERSION}").exists():
            return python
        _run([sys.executable, "-m", "venv", str(ENVIRONMENT)])
        _run([str(python), "-m", "pip", "install", "--quiet", f"milvus=={VERSION}"])
        (ENVIRONMENT / f".installed-{VERSION}").touch()
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise MilvusMissingError(
            f"can't install the Milvus server: `{' '.join(command)}` said: {done.stderr[-500:]}"
        )


class MilvusServer:
    """A Milvus standalone server on free ports, which can be stopped and started again."""

    def __init__(self, folder: Path, lease_seconds: int = 5) -> None:
        """Takes the folder for the data, and the lease. Does not start the server.

        A server that hangs for longer than its lease ends itself. A server that starts after a
        crash waits for the end of the old lease.
        """
        self._folder = folder
        self._lease = lease_seconds
        self._ports = dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """Port of its gRPC interface, the same after a restart."""
        return self._ports["proxy_port"]

    def start(self) -> None:
        """Starts the server and waits until it is healthy."""
        python = install()
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "output.log").open("ab") as output:
            self._process = subprocess.Popen(
                [
                    str(python),
                    str(PROCESS),
                    str(self._folder),
                    json.dumps(self._ports),
                    str(os.getpid()),
                    str(self._lease),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._wait()

    def _wait(self) -> None:
        give_up = time.monotonic() + START_SECONDS
        while not self._healthy():
            if self.ended():
                raise MilvusMissingError(f"the Milvus server ended at start: {self._last_words()}")
            if time.monotonic() > give_up:
                self.stop()
                raise MilvusMissingError(
                    f"the Milvus server was not up in {START_SECONDS} s: {self._last_words()}"
                )
            time.sleep(0.2)

    def _healthy(self) -> bool:
        url = f"http://127.0.0.1:{self._ports['metrics_port']}/healthz"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return b"OK" in answer.read()
        except (urllib.error.URLError, OSError):
            return False

    def _last_words(self) -> str:
        return (self._folder / "output.log").read_text(errors="replace")[-800:]

    def signal(self, number: signal.Signals) -> None:
        """Sends the server a signal, such as SIGSTOP to freeze it."""
        if not self.ended():
            assert self._process
            send_signal(self._process.pid, number)

    def ended(self) -> bool:
        """Returns True when it is not running."""
        return self._process is None or self._process.poll() is not None

    def memory_bytes(self) -> int:
        """Returns the resident memory of the server now; 0 when it does not run."""
        if self._process is None:
            return 0
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def end_sessions(self) -> None:
        """Ends the server's leases, for a next start that does not wait for them. `stop` is next.

        Milvus would end them itself on SIGTERM, but it hangs then.
        """
        url = f"http://127.0.0.1:{self._ports['etcd_port']}/v3/kv/txn"
        body = json.dumps({"success": [{"requestDeleteRange": each} for each in _SESSIONS]})
        with contextlib.suppress(OSError):  # then the next start waits
            urllib.request.urlopen(url, body.encode(), timeout=5).close()

    def stop(self) -> None:
        """Kills the server like a crash. Its data stay."""
        if self._process:
            self._process.kill()
            self._process.wait(10)
            self._process = None
