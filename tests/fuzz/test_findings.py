"""The harness of `make fuzz` finds what it is to find."""

from __future__ import annotations

import http.server
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from serving.errors import Reason, ServiceError
from tests.fuzz import messages
from tests.fuzz.calls import call, methods
from tests.fuzz.outcomes import Outcome
from tests.fuzz.target import Target
from tests.fuzz.wire import Request, exchange


class Ends(grpc.GenericRpcHandler):
    """Ends every call as it was told to."""

    def __init__(self) -> None:
        """Answers, until it is told otherwise."""
        self.error: Exception | None = None

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """A handler of any method."""

        def end(_requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            if isinstance(self.error, ServiceError):
                context.abort_with_status(self.error.to_status())
            if self.error:
                raise self.error
            yield b""

        return grpc.stream_stream_rpc_method_handler(end)


@pytest.fixture
def ends() -> Iterator[tuple[Ends, Target]]:
    """A server, and a target of which it is all."""
    handler = Ends()
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield handler, Target(SimpleNamespace(), None, {"gateway": channel}, None)  # type: ignore[arg-type]
    server.stop(None).wait()


def outcome(target: Target) -> Outcome:
    """The end of a call to the server."""
    return call(target, methods()[0], [b""], 30, "x", cut_off=False)


def test_a_call_that_crashes_is_a_fault(ends: tuple[Ends, Target]) -> None:
    """Also a code that nobody may see, and one without a reason; a typed error is none."""
    handler, target = ends
    assert not outcome(target).fault
    handler.error = RuntimeError("crash")
    assert outcome(target).fault.startswith("UNKNOWN")
    handler.error = ServiceError(Reason.INTERNAL, "crash")
    assert outcome(target).fault.startswith("INTERNAL")
    handler.error = ServiceError(Reason.CLIP_NOT_FOUND, "none")
    assert outcome(target) == Outcome("NOT_FOUND", "CLIP_NOT_FOUND")


def test_a_status_of_500_is_a_fault() -> None:
    """Also an error without a reason, where one is promised."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(500 if self.path == "/crash" else 404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def fault(path: bytes, *, typed: bool) -> str:
            request = Request("GET", path, b"x")
            address = ("127.0.0.1", server.server_port)
            return exchange(address, request, typed=typed, seconds=30, events=False).fault

        assert fault(b"/crash", typed=False).startswith("500")
        assert fault(b"/none", typed=True).startswith("404 without a reason")
        assert not fault(b"/none", typed=False)
        server.shutdown()


def test_an_input_can_be_sent_again() -> None:
    """The same seed and index give the same bytes."""
    target = Target(SimpleNamespace(), None, {}, None)  # type: ignore[arg-type]
    target.names, target.indexes = ["libraries/fuzz", "libraries/fuzz/clips/a"], ["i"]

    def data(seed: str) -> list[bytes]:
        return [messages.make(random.Random(f"{seed}:{n}"), target, "x").data for n in range(50)]

    assert data("1") == data("1") != data("2")
