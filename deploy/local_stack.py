"""Runs the whole embedded stack on this machine: four services, each in a separate process."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.container import PORTS, module
from deploy.pulse import Pulse
from serving.tls import files as tls

SERVICES = ("catalog", "index", "embedding", "gateway")
"""Services in the order of their start. The last one stops first, then the others together."""

METRICS_PORT = "AUDIOSEARCH_METRICS_PORT"

FILES = (tls.CERT, tls.KEY, tls.CA, "AUDIOSEARCH_KEYRING", "AUDIOSEARCH_CHECKPOINT")
"""Variables that name files. Their paths are made absolute, as services run in another folder."""

MODELS = "AUDIOSEARCH_MODELS"
"""Variable with entries of which those like NAME=PATH name files."""

START_SECONDS = 1800.0
"""Longest wait for a service. The first start may download a model."""

TELL_SECONDS = 5.0
"""Time between two lines about the services that a start waits for."""

WAITS = {
    "catalog": "opens its database",
    "index": "opens its vectors",
    "embedding": "loads its models; the first start may download one",
    "gateway": "waits for the others",
}
"""The work of each service at its start."""

STOP_SECONDS = 30.0
HUNG_SECONDS = 30.0
"""Silence of a service after which it is stopped and started again."""

HUNG_STOP_SECONDS = 5.0
"""Longest wait for the end of a service that hangs, before it is killed."""

MAX_RESTARTS = 5
RESTART_WINDOW_SECONDS = 60.0
HUNG_WINDOW_SECONDS = 900.0

BOUND = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(sys.argv[1]))
os.execv(sys.executable, [sys.executable, "-m", sys.argv[2]])
"""
"""Program that runs a module, which the kernel sends a signal when its parent ends (Linux).

A `preexec_fn` would need a fork, which the threads of health checks make unsafe.
"""


class StackError(Exception):
    """The stack can't start or continue. The message names the service and says what to do."""


def free_ports(count: int) -> list[int]:
    """Returns ports of the loopback address that are free now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _bound(host: str, port: int) -> socket.socket | None:
    """A socket on a port, which does not listen; None if the port is in use."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:  # other errors are reported better by the service itself
        if error.errno == errno.EADDRINUSE:
            bound.close()
            return None
    return bound


@dataclass(frozen=True)
class Addresses:
    """The address on which each service listens."""

    host: str
    ports: Mapping[str, int]
    rest: int
    """Port of the gateway for REST and the web client."""

    @classmethod
    def free(cls, host: str = "127.0.0.1") -> Addresses:
        """Returns addresses with ports that are free now."""
        rest, *ports = free_ports(1 + len(SERVICES))
        return cls(host, dict(zip(SERVICES, ports, strict=True)), rest)

    @classmethod
    def from_port(cls, port: int, rest: int, host: str = "127.0.0.1") -> Addresses:
        """Returns addresses from `port` of the gateway and the next three; free ports for 0."""
        free = cls.free(host)
        ports = {name: port + offset for offset, name in enumerate(PORTS)}
        return cls(host, ports if port else free.ports, rest or free.rest)

    def target(self, service: str) -> str:
        """Returns the address of a service for clients on this machine."""
        return f"{self._name}:{self.ports[service]}"

    @property
    def rest_target(self) -> str:
        """Address of REST and the web client, on this machine."""
        return f"{self._name}:{self.rest}"

    @property
    def _name(self) -> str:
        return "127.0.0.1" if self.host == "0.0.0.0" else self.host


class LocalStack:
    """Starts the services, restarts those that die or hang, and stops them in order."""

    def __init__(
        self,
        data_dir: Path,
        addresses: Addresses,
        settings: Mapping[str, str] | None = None,
        report: Callable[[str], None] = lambda _line: None,
        hung_seconds: float = HUNG_SECONDS,
    ) -> None:
        """Takes folder, addresses and settings.

        Args:
            data_dir: Folder for database, vectors and audio, created if it is missing.
            addresses: Address of each service. Only the gateway may listen beyond loopback.
            settings: Environment variables in addition to this process's own.
            report: Called with a line about each event.
            hung_seconds: Silence of a service after which it is started again; 0 for never.
        """
        self.data_dir = data_dir.resolve()
        self.addresses = addresses
        self._settings = dict(settings or {})
        self._report = report
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._hung_seconds = hung_seconds
        self._pulses: dict[str, Pulse] = {}
        self._restarts: dict[float, list[float]] = {}
        self._stopping = threading.Event()
        self._ports = contextlib.ExitStack()

    @property
    def target(self) -> str:
        """Address of the gateway."""
        return self.addresses.target("gateway")

    @property
    def web(self) -> str:
        """Address of the web client for browsers on this machine."""
        scheme = "https" if self._environment("gateway").get(tls.CERT) else "http"
        return f"{scheme}://{self.addresses.rest_target}/"

    def pid(self, service: str) -> int:
        """Returns the process id of a running service."""
        return self._processes[service].pid

    def start(self) -> None:
        """Starts all services and waits until each is SERVING. Raises StackError if one can't."""
        self._take_ports()
        self._require_folder()
        self._report(f"starting {', '.join(SERVICES)}")
        start = time.monotonic()
        for service in SERVICES:
            self.launch(service)
        told = start + TELL_SECONDS
        with contextlib.ExitStack() as stack:
            left = {name: stack.enter_context(self._channel(name)) for name in SERVICES}
            while left:
                ready = [name for name, channel in left.items() if self._is_ready(name, channel)]
                now = time.monotonic()
                for service in ready:
                    left.pop(service)
                    at = self.addresses.target(service)
                    self._report(f"{service} ready on {at} after {now - start:.1f} s")
                if now - start > START_SECONDS:
                    _give_up(next(iter(left)))
                if left and now > told:
                    told = now + TELL_SECONDS
                    why = "; ".join(f"{name} {WAITS[name]}" for name in left)
                    self._report(f"waiting since {now - start:.0f} s: {why}")
                if not ready:
                    time.sleep(0.1)

    def _take_ports(self) -> None:
        """Keeps others off the ports while services start, and refuses taken ones.

        Another program would answer health checks for our service. Linux lets a service listen
        beside our sockets, which do not; elsewhere the ports are free again after the look.
        """
        ports = (*self.addresses.ports.items(), ("gateway", self.addresses.rest))
        with contextlib.ExitStack() as taken:
            for service, port in ports:
                host = self.addresses.host if service == "gateway" else "127.0.0.1"
                bound = _bound(host, port)
                if bound is None:
                    raise StackError(f"{service}: port {port} is in use; choose another one")
                taken.enter_context(bound)
            if sys.platform == "linux":
                self._ports = taken.pop_all()

    def _require_folder(self) -> None:
        """Makes the data folder. Raises StackError if nothing can be written there."""
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.data_dir):
                pass
        except OSError as error:
            if error.errno != errno.ENOSPC:  # a full disk still reads and deletes
                raise StackError(
                    f"can't write to the data folder {self.data_dir}: {error.strerror}; make it "
                    "writable or choose another one"
                ) from error

    def launch(self, service: str) -> None:
        """Starts the process of one service without waiting for it."""
        # In the data folder, so that files that libraries write stay there.
        self._processes[service] = subprocess.Popen(  # noqa: S603  our own interpreter and module
            self.command(service),
            env=self._environment(service),
            cwd=self.data_dir,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def command(self, service: str, at_end: signal.Signals = signal.SIGTERM) -> list[str]:
        """Returns the command that runs a service, which gets `at_end` when this thread ends."""
        return [sys.executable, "-c", BOUND, str(int(at_end)), module(service)]

    def wait(self, service: str) -> None:
        """Waits until a service is SERVING. Raises StackError if its process ends before."""
        until = time.monotonic() + START_SECONDS
        with self._channel(service) as channel:
            while not self._is_ready(service, channel):
                if time.monotonic() > until:
                    _give_up(service)
                time.sleep(0.1)

    def _is_ready(self, service: str, channel: grpc.Channel) -> bool:
        """True if a service is SERVING. Raises StackError if its process has ended."""
        if _serving(health_pb2_grpc.HealthStub(channel)):
            return True
        code = self._processes[service].poll()
        if code is not None:
            raise StackError(
                f"the {service} service ended with code {code}; its last lines are above"
            )
        return False

    def _channel(self, service: str) -> grpc.Channel:
        files = tls.Tls.of(self._environment(service))
        try:
            files.check()
        except ValueError as error:
            raise StackError(f"{service}: {error}") from None
        return files.connect_to_own(self.addresses.target(service))

    def supervise(self) -> None:
        """Restarts services that die or hang, until `interrupt`.

        Raises:
            StackError: Too many restarts did not help.
        """
        try:
            while not self._stopping.wait(0.5):
                for service in SERVICES:
                    self._look_after(service)
        finally:
            for service in SERVICES:
                self._forget(service)

    def _look_after(self, service: str) -> None:
        code = self._processes[service].poll()
        if self._stopping.is_set():
            return
        if code is not None:
            self._restart(service, f"ended with code {code}", RESTART_WINDOW_SECONDS)
        elif self._hung_seconds and self._pulse(service, started=True).hangs():
            self._end_hung(self._processes[service])
            why = f"answered nothing for {self._hung_seconds:.0f} s, was stopped"
            self._restart(service, why, HUNG_WINDOW_SECONDS)

    def _pulse(self, service: str, *, started: bool) -> Pulse:
        if service not in self._pulses:
            channel = self._channel(service)
            self._pulses[service] = Pulse(channel, self._hung_seconds, started=started)
        return self._pulses[service]

    def _forget(self, service: str) -> None:
        """Ends the health checks of a process that is gone."""
        if pulse := self._pulses.pop(service, None):
            pulse.close()

    def _end_hung(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(HUNG_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # With its helpers, which may hang like it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def interrupt(self) -> None:
        """Makes `supervise` return."""
        self._stopping.set()

    def stop(self) -> None:
        """Stops the gateway first, then the others together, and waits for each."""
        self._stopping.set()
        self._end("gateway")
        self._end(*(service for service in SERVICES if service != "gateway"))
        self._ports.close()

    def _end(self, *services: str) -> None:
        ending = {name: self._processes.pop(name) for name in services if name in self._processes}
        for process in ending.values():
            process.terminate()
        until = time.monotonic() + STOP_SECONDS
        for name, process in ending.items():
            try:
                process.wait(max(until - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                self._report(f"{name} did not end within {STOP_SECONDS:.0f} s and was killed")
                process.kill()
                process.wait()

    def _restart(self, service: str, why: str, window: float) -> None:
        now = time.monotonic()
        recent = [when for when in self._restarts.get(window, []) if now - when < window]
        self._restarts[window] = [*recent, now]
        if len(recent) >= MAX_RESTARTS:
            raise StackError(
                f"the {service} service {why}; {MAX_RESTARTS} restarts within "
                f"{window:.0f} s did not help"
            )
        self._report(f"{service} {why} and is started again")
        self._forget(service)
        self.launch(service)
        self._pulse(service, started=False)

    def _environment(self, service: str) -> dict[str, str]:
        targets = {
            f"AUDIOSEARCH_{name.upper()}_TARGET": self.addresses.target(name) for name in SERVICES
        }
        # Only the gateway may listen beyond loopback, so the others need no TLS.
        unused = (tls.CA,) if service == "gateway" else (tls.CERT, tls.KEY, tls.CA)
        inherited = {name: value for name, value in os.environ.items() if name not in unused}
        named = {name: inherited[name] for name in FILES if inherited.get(name)}
        files = {name: str(Path(path).absolute()) for name, path in named.items()}
        if models := inherited.get(MODELS):
            files[MODELS] = ",".join(map(_absolute, models.split(",")))
        host = self.addresses.host if service == "gateway" else "127.0.0.1"
        return {
            "AUDIOSEARCH_LOG_LEVEL": "warning",
            "AUDIOSEARCH_LOG_FORMAT": "console",
            "AUDIOSEARCH_DRAIN_SECONDS": "0",
            "AUDIOSEARCH_ENCODER_CACHE": str(self.data_dir / "encoder"),
            **inherited,
            **files,
            **targets,
            "AUDIOSEARCH_HOST": host,
            "AUDIOSEARCH_DATA_DIR": str(self.data_dir),
            f"AUDIOSEARCH_{service.upper()}_PORT": str(self.addresses.ports[service]),
            "AUDIOSEARCH_REST_PORT": str(self.addresses.rest),
            **self._settings,
            **self._metrics_port(service, inherited),
        }

    def _metrics_port(self, service: str, inherited: Mapping[str, str]) -> dict[str, str]:
        """The port for metrics of a service: the gateway's is set, and the others' follow it."""
        first = self._settings.get(METRICS_PORT) or inherited.get(METRICS_PORT)
        if not first or not first.isdecimal() or first == "0":  # none, refused, or a free one
            return {}
        return {METRICS_PORT: str(int(first) + [*PORTS].index(service))}


def _serving(stub: health_pb2_grpc.HealthStub) -> bool:
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
    except grpc.RpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _give_up(service: str) -> NoReturn:
    raise StackError(f"the {service} service is not ready after {START_SECONDS:.0f} s")


@contextlib.contextmanager
def running(data_dir: Path, settings: Mapping[str, str] | None = None) -> Iterator[LocalStack]:
    """Runs a stack on free ports for the time of the block."""
    stack = LocalStack(data_dir, Addresses.free(), settings)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def _absolute(entry: str) -> str:
    """Makes the path of an entry NAME=PATH absolute; leaves others as they are."""
    name, separator, path = entry.partition("=")
    return f"{name}={Path(path.strip()).absolute()}" if separator and path.strip() else entry
