"""Starts the Milvus server, with the Python of the server's own environment.

This process becomes the server, so no orphan can stay behind.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import sys
from pathlib import Path

# A read with strong consistency waits for a tick, in ms. The second setting is an interim index of
# vectors that are not built into the real one yet: no search parameter gives it a recall over 0.76.
CHANGED = {
    "timeTickInterval: 200": "timeTickInterval: 50",
    "      enableIndex: true": "      enableIndex: false",
}


def _die_with(parent: int) -> None:
    """Asks the kernel to kill this process when its parent ends. The request survives exec."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1 is PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit("the parent ended before the server started")


def _unpack(folder: Path) -> Path:
    """Unpacks the server's binaries once for all runs. Returns their folder."""
    import milvus  # noqa: PLC0415  installed in the server's own environment only

    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        milvus._initialize_data_files(str(folder))
    return folder / "bin"


def _configure(folder: Path, ports: dict[str, int], lease_seconds: int) -> None:
    """Writes milvus.yaml and the settings of the server's etcd, unless they are there already."""
    import milvus  # noqa: PLC0415  installed in the server's own environment only

    settings = folder / "configs" / "milvus.yaml"
    made_for = folder / "made_for.json"
    given = json.dumps([str(folder), ports, lease_seconds])
    if made_for.exists() and made_for.read_text() == given:
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
                "enable-grpc-gateway: true",
            ]
        )
    )
    milvus.MilvusServerConfig(data_dir=str(folder), **ports).resolve()
    text = settings.read_text().replace("etcd:\n", f"etcd:\n  config:\n    path: {etcd}\n", 1)
    changed = {**CHANGED, "    ttl: 30 #": f"    ttl: {lease_seconds} #"}
    for default, ours in changed.items():
        text = text.replace(default, ours, 1)
    settings.write_text(text)
    made_for.write_text(given)


def become_server(folder: Path, ports: dict[str, int], parent: int, lease_seconds: int) -> None:
    """Turns this process into the server."""
    _die_with(parent)
    binaries = _unpack(Path(sys.prefix) / "server")
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
