"""The services with the real Envoy before them, as deploy/compose.yaml puts them together."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from audiosearch.catalog.v1 import library_pb2
from audiosearch_client.client import AudiosearchClient

from deploy.container import module
from deploy.local_stack import Addresses, LocalStack
from deploy.new_secrets import write as write_secrets
from gateway.access import api_key, key_file
from gateway.access.rights import Right
from tests.deploy.envoy import Envoy
from tools.servers.ports import free_ports
from tools.servers.processes import until


@dataclass
class Replica:
    """A second process of a service, of which the stack runs the first."""

    service: str
    port: int
    rest: int
    stack: LocalStack
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def ports(self) -> set[int]:
        """Ports of both."""
        return {self.stack.addresses.ports[self.service], self.port}

    def start(self) -> None:
        """Runs it without waiting."""
        name = f"AUDIOSEARCH_{self.service.upper()}_PORT"
        self.process = subprocess.Popen(
            [sys.executable, "-m", module(self.service)],
            env={
                **self.stack._environment(self.service),
                name: str(self.port),
                "AUDIOSEARCH_REST_PORT": str(self.rest),
            },
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
    """Four services, second replicas of those that are wanted twice, and Envoy."""

    stack: LocalStack
    envoy: Envoy
    secrets: Path
    replicas: dict[str, Replica]
    key: str | None
    """API key that may do everything, where keys are asked for."""

    def client(self) -> AudiosearchClient:
        """A client that comes through Envoy."""
        return AudiosearchClient(self.envoy.target("public"), key=self.key)

    def secure_channel(self) -> grpc.Channel:
        """A channel to Envoy's TLS port that trusts its certificate."""
        trusted = grpc.ssl_channel_credentials((self.secrets / "tls.crt").read_bytes())
        return grpc.secure_channel(f"localhost:{self.envoy.ports['public_tls']}", trusted)

    def library(self, name: str) -> str:
        """Makes a library."""
        with self.client() as client:
            request = library_pb2.CreateLibraryRequest(library_id=name)
            client.call(client.stubs.libraries.CreateLibrary, request)
        return name


@contextmanager
def deployed(base: Path, *, twice: Sequence[str] = (), keys: bool = False) -> Iterator[Deployment]:
    """Runs it all, the gateway behind Envoy and before it, and never tries the network.

    Args:
        base: folder for data, logs and secrets; imports may read its folder `imports`.
        twice: services that get a second replica.
        keys: whether the gateway asks for an API key.
    """
    addresses, (rest, *ports) = Addresses.free(), free_ports(1 + len(twice))
    second = dict(zip(twice, ports, strict=True))
    envoy = Envoy(base, _upstreams(addresses, second, rest), base)
    write_secrets(base)
    inside = {
        f"AUDIOSEARCH_{name.upper()}_TARGET": envoy.target(name)
        for name in ("embedding", "index", "catalog")
    }
    offline = {
        "AUDIOSEARCH_OFFLINE": "1",
        "PPSPEECH_HOME": str(base / "no-cache"),
        "AUDIOSEARCH_IMPORT_ROOTS": str(base / "imports"),
    }
    (base / "imports").mkdir()
    keyring, key = _keyring(base) if keys else ({}, None)
    stack = LocalStack(base / "data", addresses, {**inside, **offline, **keyring})
    stack.data_dir.mkdir()
    replicas = {name: Replica(name, port, rest, stack) for name, port in second.items()}
    with ExitStack() as cleaning:
        cleaning.callback(envoy.stop)
        envoy.start()
        for replica in replicas.values():
            cleaning.callback(replica.kill)
            replica.start()
        cleaning.callback(stack.stop)
        stack.start()
        for name, port in addresses.ports.items():
            ports = replicas[name].ports if name in replicas else {port}
            until(lambda name=name, ports=ports: envoy.healthy(name) == ports)  # type: ignore[misc]
        until(lambda: len(envoy.healthy("gateway_rest")) == 1 + ("gateway" in replicas))
        yield Deployment(stack, envoy, base, replicas, key)


def _keyring(base: Path) -> tuple[dict[str, str], str]:
    """The setting that has the gateway ask for keys, and a key."""
    path = base / "keys" / "keyring"
    key, token = api_key.make("tests", {"*": Right.manage})
    key_file.change(path, lambda keys: keys.update({key.id: key}))
    return {"AUDIOSEARCH_KEYRING": str(path)}, token


def _upstreams(addresses: Addresses, second: dict[str, int], rest: int) -> dict[str, list[int]]:
    """Ports behind each of Envoy's clusters."""
    both = {
        name: [port, *([second[name]] if name in second else [])]
        for name, port in addresses.ports.items()
    }
    return {**both, "gateway_rest": [addresses.rest, *([rest] if "gateway" in second else [])]}
