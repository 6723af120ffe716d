"""Runs a real S3 server, SeaweedFS, from its package."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.servers.ports import free_ports
from tools.servers.processes import send_signal, until

KEY, SECRET = "audiosearch", "a-secret-of-tests"
READER, READER_SECRET = "reader", "another-secret-of-tests"
STRANGER, STRANGER_SECRET = "stranger", "a-third-secret-of-tests"
_RIGHTS = {
    KEY: ["Admin", "Read", "Write", "List", "Tagging"],
    READER: ["Read", "List"],
    STRANGER: ["Read:elsewhere", "List:elsewhere"],
}
_SECRETS = {KEY: SECRET, READER: READER_SECRET, STRANGER: STRANGER_SECRET}
_PARTS = ("master", "volume", "filer", "s3")
_VOLUME_MEBIBYTES = 64
_MOST_VOLUMES = 1000
_GROWTH = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
"""One volume for a new bucket. By itself it takes seven, and is full after a few buckets."""
_QUOTA_SECONDS = 60
_FULL = re.compile(r"usage:\d{3,}\.")


class SeaweedFS:
    """A server on 127.0.0.1 that can be stopped, frozen, and have a bucket filled."""

    def __init__(self, folder: Path) -> None:
        """Takes a folder for its data."""
        self._folder = folder
        ports = free_ports(2 * len(_PARTS))
        self._ports = dict(zip(_PARTS, ports, strict=False))
        self._grpc = dict(zip(_PARTS, ports[len(_PARTS) :], strict=True))
        self._process: subprocess.Popen[bytes] | None = None
        self._buckets = itertools.count(1)
        identities = [
            {
                "name": name,
                "credentials": [{"accessKey": name, "secretKey": _SECRETS[name]}],
                "actions": actions,
            }
            for name, actions in _RIGHTS.items()
        ]
        (folder / "s3.json").write_text(json.dumps({"identities": identities}))

    @property
    def port(self) -> int:
        """The port of S3."""
        return self._ports["s3"]

    def environment(
        self, key: str = KEY, secret: str = SECRET, port: int | None = None
    ) -> dict[str, str]:
        """The variables that lead a client to it, perhaps by another port."""
        return {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.port}",
        }

    def new_bucket(self) -> str:
        """A name that no other test uses. The first write makes the bucket."""
        return f"bucket-{next(self._buckets)}"

    def start(self) -> None:
        """Runs the server and waits until it answers."""
        command = [
            str(Path(sysconfig.get_path("scripts")) / "weed"),
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-dir={self._folder}",
            "-filer",
            "-s3",
            f"-s3.config={self._folder / 's3.json'}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
            "-master.electionTimeout=1s",
            f"-master.volumeSizeLimitMB={_VOLUME_MEBIBYTES}",
            f"-volume.max={_MOST_VOLUMES}",
            "-volume.minFreeSpace=1",
            f"-filer.localSocket={self._folder / 'filer.sock'}",
            *(f"-{part}.port={port}" for part, port in self._ports.items()),
            *(f"-{part}.port.grpc={port}" for part, port in self._grpc.items()),
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=os.environ | _GROWTH
            )
        process = self._process
        until(lambda: self._answers() or process.poll() is not None)
        assert process.poll() is None, (self._folder / "log").read_text()[-2000:]

    def send(self, number: signal.Signals) -> None:
        """Sends a signal: SIGSTOP freezes it, SIGCONT continues it."""
        assert self._process
        send_signal(self._process.pid, number)

    def stop(self) -> None:
        """Ends it at once. Its data stay."""
        if self._process:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def fill(self, bucket: str) -> None:
        """Takes no more into a bucket that holds more than 1 MiB: reads and deletions go on."""
        self._shell(f"s3.bucket.quota -name={bucket} -op=set -sizeMB=1")
        # The server counts every few seconds.
        until(lambda: _FULL.search(self._shell("s3.bucket.quota.enforce -apply")))

    def empty(self, bucket: str) -> None:
        """Takes all again."""
        self._shell(f"s3.bucket.quota -name={bucket} -op=remove", "s3.bucket.quota.enforce -apply")

    def parts(self, bucket: str) -> int:
        """Number of uploads in parts that neither ended nor were called off."""
        url = f"http://127.0.0.1:{self._ports['filer']}/buckets/{bucket}/.uploads/"
        request = urllib.request.Request(url, headers={"Accept": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  http
                return len(json.load(answer)["Entries"] or [])
        except urllib.error.HTTPError:
            return 0

    def _shell(self, *commands: str) -> str:
        master = f"127.0.0.1:{self._ports['master']}.{self._grpc['master']}"
        done = subprocess.run(
            [str(Path(sysconfig.get_path("scripts")) / "weed"), "shell", f"-master={master}"],
            input="\n".join([*commands, "exit", ""]),
            capture_output=True,
            text=True,
            timeout=_QUOTA_SECONDS,
            check=True,
        )
        return done.stdout

    def _answers(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port}/healthz"
            with urllib.request.urlopen(url, timeout=5):
                return True
        except OSError:
            return False


@contextlib.contextmanager
def running() -> Iterator[SeaweedFS]:
    """Runs a server for the time of the block."""
    folder = Path(tempfile.mkdtemp(prefix="weed"))  # short, as paths of sockets are limited
    server = SeaweedFS(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables of this process for the time of the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
