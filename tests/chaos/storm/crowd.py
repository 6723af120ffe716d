"""Callers that take all they can get: a key that sends hours, and strangers without a key."""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.errors import ServiceError
from tests.chaos.clients import PASSING, Client
from tests.chaos.ledger import DONE

STRANGER = "127.0.0.2"
"""Address of the strangers' sockets: clients have another one, as they have elsewhere."""

SOCKETS = 1600
"""Idle sockets to gRPC, and as many to REST: more than one address may have."""

CHANNELS = 8
WATCHES = 64
"""Streams of Health/Watch on each channel."""

CUT = "cut off"
"""Outcome of the calls that the greedy key has under way at its end."""

FILES = 16_384
TURN_SECONDS = 1.0


def raise_file_limit() -> None:
    """Lets this process open enough sockets, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


class Greedy(Client):
    """Uploads an hour of audio and searches with it, without a pause, until it is cut off."""

    def __init__(self, *arguments: object, hour: Path) -> None:
        """Sends the file `hour`."""
        super().__init__(*arguments)  # type: ignore[arg-type]
        self._hour = hour

    def act(self) -> None:
        """See Client."""
        upload = self.random.random() < 0.5
        began, outcome = time.monotonic(), DONE
        try:
            if upload:
                self.client.upload(self.library, self._hour)
            else:
                self.client.search(self.library, self._hour)
        except ServiceError as error:
            outcome = error.reason.value
            if error.code not in PASSING and not self.stopping.is_set():
                self.ledger.violate(f"greedy {outcome} {error}")
        except ValueError:  # the channel is closed
            outcome = CUT
        outcome = CUT if self.stopping.is_set() else outcome
        self.ledger.count("upload" if upload else "search", outcome, time.monotonic() - began)

    def cut(self) -> None:
        """Ends its calls as they are."""
        self.stopping.set()
        self.client.close()


class Prober(Client):
    """Asks for the gateway's health without a key, as an orchestrator does."""

    def act(self) -> None:
        """See Client. Any answer is one."""
        try:
            stub = health_pb2_grpc.HealthStub(self.client._channel)
            stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
        except grpc.RpcError as error:
            self.ledger.count("health", error.code().name, 0.0)
        else:
            self.ledger.count("health", DONE, 0.0)


class Strangers(threading.Thread):
    """Holds idle sockets and Health/Watch streams without a key, and opens what was closed anew."""

    def __init__(self, grpc_target: str, rest_target: str) -> None:
        """Takes both addresses of the gateway."""
        super().__init__(daemon=True)
        self.opened = 0
        self._targets = [_address(grpc_target), _address(rest_target)]
        self._sockets: list[tuple[tuple[str, int], socket.socket]] = []
        self._grpc_target = grpc_target
        self._over = threading.Event()

    def run(self) -> None:
        """Goes on until `finish`."""
        with contextlib.ExitStack() as stack:
            stubs = [stack.enter_context(_watcher(self._grpc_target)) for _ in range(CHANNELS)]
            streams: list[list[Any]] = [[] for _ in stubs]
            while not self._over.is_set():
                for stub, held in zip(stubs, streams, strict=True):
                    held[:] = [stream for stream in held if stream.is_active()]
                    missing = WATCHES - len(held)
                    held += [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(missing)]
                    self.opened += missing
                self._hold_sockets()
                self._over.wait(TURN_SECONDS)
        for _, each in self._sockets:
            each.close()

    def finish(self) -> None:
        """Lets go of everything."""
        self._over.set()
        self.join(60)

    def _hold_sockets(self) -> None:
        kept = []
        for target, each in self._sockets:
            if _is_open(each):
                kept.append((target, each))
            else:
                each.close()
        self._sockets = kept
        for target in self._targets:
            count = sum(where == target for where, _ in self._sockets)
            for _ in range(SOCKETS - count):
                self._sockets.append((target, _connect(target)))
                self.opened += 1


def _address(target: str) -> tuple[str, int]:
    host, port = target.split(":")
    return host, int(port)


@contextlib.contextmanager
def _watcher(target: str) -> Iterator[health_pb2_grpc.HealthStub]:
    with grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield health_pb2_grpc.HealthStub(channel)


def _connect(target: tuple[str, int]) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)  # noqa: FBT003
    made.bind((STRANGER, 0))
    made.connect_ex(target)
    return made


def _is_open(each: socket.socket) -> bool:
    try:
        return bool(each.recv(1024))
    except BlockingIOError:
        return True
    except OSError:
        return False
