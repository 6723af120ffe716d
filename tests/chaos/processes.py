"""The stack's processes, each with a keeper that starts it again when it is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local_stack import Addresses
from tools.servers.milvus_server import MilvusMissingError, MilvusServer
from tools.servers.mysql_server import MysqlServer
from tools.servers.services import Services

UP_SECONDS = 150.0
"""Longest wait for a process to be ready before it is started anew."""


class Process(Protocol):
    """A process that can be started and killed."""

    def start(self) -> None:
        """Starts it; needs not wait until it is ready."""

    def ready(self) -> bool:
        """Returns True if the process does its work. Never raises."""

    def dead(self) -> bool:
        """Returns True if the process has ended."""

    def kill(self) -> None:
        """Ends it with SIGKILL and waits for its end."""


class ServiceProcess:
    """One of our services."""

    def __init__(self, services: Services, name: str) -> None:
        """Takes one of the four of `services`."""
        self._services = services
        self._name = name

    def start(self) -> None:
        """See Process."""
        self._services.launch(self._name)

    def ready(self) -> bool:
        """Listens; what it depends on may be gone."""
        return listens(self._services.addresses.target(self._name))

    def dead(self) -> bool:
        """See Process."""
        return self._services._processes[self._name].poll() is not None

    def kill(self) -> None:
        """See Process."""
        process = self._services._processes[self._name]
        process.kill()
        process.wait(30)


class MilvusProcess:
    """A real Milvus server."""

    def __init__(self, server: MilvusServer) -> None:
        """Takes a server that does not run yet."""
        self._server = server

    def start(self) -> None:
        """See Process."""
        # It may end at start, while what it left behind in the crash still has its lease.
        for attempt in range(5):
            try:
                return self._server.start()
            except MilvusMissingError:
                if attempt == 4:
                    raise
        return None

    def ready(self) -> bool:
        """See Process."""
        return not self.dead()

    def dead(self) -> bool:
        """See Process."""
        return self._server.ended()

    def kill(self) -> None:
        """See Process."""
        self._server.stop()


class MysqlProcess:
    """A real MariaDB server, running already."""

    def __init__(self, server: MysqlServer) -> None:
        """Takes a running server."""
        self._server = server

    def start(self) -> None:
        """See Process."""
        if self.dead():
            self._server.start()

    def ready(self) -> bool:
        """See Process."""
        return self._server.answers()

    def dead(self) -> bool:
        """See Process."""
        return self._server._process is None or self._server._process.poll() is not None

    def kill(self) -> None:
        """See Process."""
        self._server.stop(signal.SIGKILL)


class Keeper(threading.Thread):
    """Starts a process, kills it on order, and starts it again whenever it ended.

    It is a thread that lives as long as its process: the kernel ends a process when the thread
    that started it ends.
    """

    def __init__(self, name: str, process: Process) -> None:
        """Keeps `process`, called `name`."""
        super().__init__(name=f"keeper of {name}", daemon=True)
        self.what = name
        self.kills = 0
        self.ended_by_itself = 0
        self.up = threading.Event()
        self.failure: BaseException | None = None
        self._process = process
        self._kill = threading.Event()
        self._over = threading.Event()

    def order_kill(self) -> None:
        """Has the process killed now."""
        self.up.clear()
        self._kill.set()

    def finish(self) -> None:
        """Kills the process for good and waits for it."""
        self._over.set()
        self.join(60)
        self._process.kill()

    def run(self) -> None:
        """Keeps the process until `finish`."""
        try:
            while not self._over.is_set():
                self._process.start()
                self._wait(self._process.ready, UP_SECONDS)
                if not self._kill.is_set():
                    self.up.set()
                self._wait(lambda: False, None)
                self.up.clear()
                self._bury()
        except BaseException as error:  # noqa: BLE001  the main thread raises it
            self.failure = error
            self.up.clear()

    def _bury(self) -> None:
        if self._kill.is_set():
            self._kill.clear()
            self._process.kill()
            self.kills += 1
        elif not self._over.is_set():
            self.ended_by_itself += 1
            time.sleep(0.5)

    def _wait(self, condition: Callable[[], bool], seconds: float | None) -> None:
        """Waits for a condition, an order, the end of the process or of the time."""
        until = None if seconds is None else time.monotonic() + seconds
        while not (self._over.is_set() or self._kill.is_set() or self._process.dead()):
            if condition() or (until and time.monotonic() > until):
                return
            time.sleep(0.05)


def listens(target: str) -> bool:
    """Returns True if a service answers at all."""
    return health(target) is not None


def health(target: str) -> int | None:
    """Health of a service as health_pb2 numbers it; None without an answer."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(target, options) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=2
            )
        except grpc.RpcError:
            return None
    return int(answer.status)


def services(folder: Path, settings: dict[str, str]) -> Services:
    """Our four services on ports that are free now, with their data in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    return Services(folder, Addresses.free(), settings)
