"""Runs a real Prometheus, from Debian's package, and asks it."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tools.servers.debian import program, require
from tools.servers.ports import free_ports
from tools.servers.processes import until

PROGRAMS = {"prometheus": "prometheus", "promtool": "prometheus"}


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        """Takes its port of the loopback address."""
        self._address = f"http://127.0.0.1:{port}"

    def get(self, path: str, **parameters: str) -> Any:
        """Asks its API. Raises AssertionError with its own words if it refuses."""
        url = f"{self._address}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  http
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluates an expression now."""
        return list(self.get("/api/v1/query", query=expression)["result"])

    def is_up(self) -> bool:
        """Returns True once it answers."""
        try:
            with urllib.request.urlopen(f"{self._address}/-/ready", timeout=10):  # noqa: S310
                return True
        except OSError:
            return False


@contextmanager
def running(
    folder: Path, targets: Mapping[str, int], rules: Path, every: str = "1s"
) -> Iterator[Prometheus]:
    """Runs one for the time of the block, on a free port.

    Args:
        folder: where it keeps its data.
        targets: ports of this machine to scrape, by the name of their job.
        rules: a file of rules.
        every: time between two scrapes.

    Raises:
        MissingError: it can't be installed here.
    """
    require(PROGRAMS)
    config = {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for job, port in targets.items()
        ],
    }
    (folder / "prometheus.json").write_text(json.dumps(config))  # JSON is YAML
    (port,) = free_ports(1)
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.json'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        server = Prometheus(port)
        until(lambda: server.is_up() or process.poll() is not None)
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        yield server
    finally:
        process.terminate()
        process.wait(30)
