"""Envoy's behaviour when a REST upstream breaks off, with one that does so on request."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.new_secrets import write as write_secrets
from tests.deploy.envoy import LISTENERS, Envoy
from tools.servers.ports import free_ports
from tools.servers.processes import until


class Breaking(BaseHTTPRequestHandler):
    """Is healthy, and breaks off everything else before it answers."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self) -> None:
        """Answers probes alone."""
        if self.path == "/healthz":
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.asked.append(f"{self.command} {self.path}")
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_POST = do_GET  # noqa: N815  the name that http.server looks for

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def asked() -> Iterator[tuple[int, list[str]]]:
    """The port of such a server, and the requests that it got."""
    seen: list[str] = []
    handler = type("Handler", (Breaking,), {"asked": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], seen
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def envoy(tmp_path: Path, asked: tuple[int, list[str]]) -> Iterator[Envoy]:
    """An Envoy before it, with nobody behind the other clusters."""
    write_secrets(tmp_path)
    nobody = {name: free_ports(1) for name in (*LISTENERS, "gateway")}
    running = Envoy(tmp_path, {**nobody, "gateway_rest": [asked[0]]}, tmp_path)
    running.start()
    until(lambda: bool(running.healthy("gateway_rest")))
    yield running
    running.stop()


def test_reading_is_tried_again_and_writing_is_not(
    envoy: Envoy, asked: tuple[int, list[str]]
) -> None:
    """A GET is sent again, a POST once."""
    for method in ("GET", "POST"):
        connection = http.client.HTTPConnection(envoy.target("public"), timeout=30)
        connection.request(method, "/v1/libraries")
        assert connection.getresponse().status == 503
    assert asked[1].count("GET /v1/libraries") > 1
    assert asked[1].count("POST /v1/libraries") == 1
