"""Starts a real Milvus server (2.3.5, from PyPI's `milvus`) for tests; it dies with its parent.

Imported, it offers `MilvusServer`. Run by the Python of the server's own environment, it becomes
the server: the process that tests start is the one that serves, so no orphan can stay behind.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

VERSION = "2.3.5"
ENVIRONMENT = Path(__file__).resolve().parents[1] / ".venv-milvus"
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
# A read with strong consistency waits for a tick of the first (milliseconds). The second is a rough
# index over vectors that have no real one yet: no search parameter makes it find more than 76 %.
CHANGED = {
    "timeTickInterval: 200": "timeTickInterval: 50",
    "      enableIndex: true": "      enableIndex: false",
}


class MilvusMissingError(RuntimeError):
    """The server can't be installed or does not run here; says why."""


def install() -> Path:
    """Makes the server's environment if it is missing; returns its Python."""
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


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """One free port for each name."""
    sockets = {name: socket.socket() for name in names}
    for opened in sockets.values():
        opened.bind(("127.0.0.1", 0))
    ports = {name: opened.getsockname()[1] for name, opened in sockets.items()}
    for opened in sockets.values():
        opened.close()
    return ports


class MilvusServer:
    """A Milvus standalone server on free ports, which can be stopped and started again."""

    def __init__(self, folder: Path, lease_seconds: int = 5) -> None:
        """Takes the folder for its data; starts nothing.

        A server that hangs for longer than its lease ends itself, and one that starts again after a
        crash waits for the end of the old lease.
        """
        self._folder = folder
        self._lease = lease_seconds
        self._ports = free_ports(PORT_NAMES)
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
                    __file__,
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
            if self._process is None or self._process.poll() is not None:
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

    def signal(self, number: int) -> None:
        """Sends the server a signal, such as SIGSTOP to freeze it."""
        if self._process:
            self._process.send_signal(number)

    def memory_bytes(self) -> int:
        """Memory that the server has of the machine now; 0 when it does not run."""
        if self._process is None:
            return 0
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """Kills the server, as a crash would; its data stay."""
        if self._process:
            self._process.kill()
            self._process.wait(10)
            self._process = None


def _die_with(parent: int) -> None:
    """Asks the kernel to kill this process when its parent ends; survives exec."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit("the parent ended before the server started")


def _unpack(folder: Path) -> Path:
    """Unpacks the server's binaries once for all runs; returns their folder."""
    import milvus  # noqa: PLC0415  only there in the server's own environment

    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        milvus._initialize_data_files(str(folder))
    return folder / "bin"


def _configure(folder: Path, ports: dict[str, int], lease_seconds: int) -> None:
    """Writes milvus.yaml and the settings of the etcd inside the server, at its first start."""
    import milvus  # noqa: PLC0415  only there in the server's own environment

    settings = folder / "configs" / "milvus.yaml"
    if settings.exists():
        return
    etcd = folder / "etcd.yaml"
    client, peer = (f"http://127.0.0.1:{ports[name]}" for name in ("etcd_port", "etcd_peer_port"))
    etcd.write_text(
        "\n".join(
            [
                "name: default",
                f"data-dir: {folder}/data/etcd.data",
                f"listen-client-urls: {client}",
                f"advertise-client-urls: {client}",
                f"listen-peer-urls: {peer}",
                f"initial-advertise-peer-urls: {peer}",
                f"initial-cluster: default={peer}",
            ]
        )
    )
    milvus.MilvusServerConfig(data_dir=str(folder), **ports).resolve()
    text = settings.read_text().replace("etcd:\n", f"etcd:\n  config:\n    path: {etcd}\n", 1)
    changed = {**CHANGED, "    ttl: 30 #": f"    ttl: {lease_seconds} #"}
    for default, ours in changed.items():
        text = text.replace(default, ours, 1)
    settings.write_text(text)


def become_server(folder: Path, ports: dict[str, int], parent: int, lease_seconds: int) -> None:
    """Turns this process into the server."""
    _die_with(parent)
    binaries = _unpack(ENVIRONMENT / "server")
    _configure(folder, ports, lease_seconds)
    os.chdir(folder)
    environment = {
        **os.environ,
        "DEPLOY_MODE": "STANDALONE",
        "MILVUS_RUN_DIR": f"{folder}/run",
        "METRICS_PORT": str(ports["metrics_port"]),
        "LD_LIBRARY_PATH": str(binaries),
    }
    os.execve(binaries / "milvus", ["milvus", "run", "standalone"], environment)  # noqa: S606


if __name__ == "__main__":
    become_server(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
