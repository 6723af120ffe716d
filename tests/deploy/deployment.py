"""The services with the real Envoy before them, as deploy/compose.yaml puts them together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from audiosearch.catalog.v1 import catalog_service_pb2 as catalog_pb2

from deploy.local_stack import Addresses, LocalStack, free_ports
from deploy.new_secrets import write as write_secrets
from gateway.client import AudiosearchClient
from tests.deploy.envoy import Envoy


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Waits until a condition holds; fails if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


@dataclass
class Replica:
    """A second process of a service."""

    service: str
    port: int
    stack: LocalStack
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Runs it without waiting."""
        name = f"AUDIOSEARCH_{self.service.upper()}_PORT"
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"{self.service}_service"],
            env={**self.stack._environment(self.service), name: str(self.port)},
            cwd=self.stack.data_dir,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self) -> None:
        """Ends it as a crash does."""
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
            self.process = None


@dataclass(frozen=True)
class Deployment:
    """Four services, a second embedding replica where one is wanted, and Envoy."""

    stack: LocalStack
    envoy: Envoy
    rest: int
    """Port at which the REST bridge is expected."""
    secrets: Path
    replica: Replica

    def client(self) -> AudiosearchClient:
        """A client that comes through Envoy."""
        return AudiosearchClient(self.envoy.target("public"))

    def secure_channel(self) -> grpc.Channel:
        """A channel to Envoy's TLS port that trusts its certificate."""
        trusted = grpc.ssl_channel_credentials((self.secrets / "tls.crt").read_bytes())
        return grpc.secure_channel(f"localhost:{self.envoy.ports['public_tls']}", trusted)

    def library(self, name: str) -> str:
        """Makes a library."""
        with self.client() as client:
            request = catalog_pb2.CreateLibraryRequest(library_id=name)
            client.call(client.stub.CreateLibrary, request)
        return name

    def replicas(self) -> set[int]:
        """Ports of both embedding services."""
        return {self.stack.addresses.ports["embedding"], self.replica.port}


@contextmanager
def deployed(base: Path, *, replicas: int = 1) -> Iterator[Deployment]:
    """Runs it all, the gateway behind Envoy and before it, and never tries the network."""
    addresses, (second, rest) = Addresses.free(), free_ports(2)
    embedding = [addresses.ports["embedding"], second][:replicas]
    upstreams = {name: [port] for name, port in addresses.ports.items()}
    upstreams |= {"embedding": embedding, "gateway_rest": [rest]}
    write_secrets(base / "secrets")
    envoy = Envoy(base, upstreams, base / "secrets")
    inside = {
        f"AUDIOSEARCH_{name.upper()}_TARGET": envoy.target(name)
        for name in ("embedding", "index", "catalog")
    }
    offline = {"AUDIOSEARCH_OFFLINE": "1", "PPSPEECH_HOME": str(base / "no-cache")}
    threads = {"AUDIOSEARCH_ENCODER_THREADS": str(max(1, (os.cpu_count() or 2) // replicas))}
    stack = LocalStack(base / "data", addresses, {**inside, **offline, **threads})
    stack.data_dir.mkdir()
    replica = Replica("embedding", second, stack)
    with ExitStack() as cleaning:
        cleaning.callback(envoy.stop)
        envoy.start()
        cleaning.callback(replica.kill)
        if replicas > 1:
            replica.start()
        cleaning.callback(stack.stop)
        stack.start()
        until(lambda: envoy.healthy("embedding") == set(embedding))
        until(lambda: envoy.healthy("gateway") == {addresses.ports["gateway"]})
        yield Deployment(stack, envoy, rest, base / "secrets", replica)
