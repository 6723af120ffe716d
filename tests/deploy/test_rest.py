"""The route to REST and the web client, with a small HTTP server where the gateway's is to be."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.deploy.deployment import Deployment


class Echo(BaseHTTPRequestHandler):
    """Answers what it was asked, and breaks off where it is told to."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self) -> None:
        """Tells method, path and length of the body."""
        self.asked.append(f"{self.command} {self.path}")
        size = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.path == "/v1/broken":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        body = json.dumps({"asked": f"{self.command} {self.path}", "bytes": size}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  the name that http.server looks for

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def rest(port: int) -> Iterator[list[str]]:
    """Runs the server; gives the list of what it was asked."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (Echo,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(deployment: Deployment, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of a request to the public port."""
    connection = http.client.HTTPConnection(deployment.envoy.target("public"), timeout=30)
    connection.request(method, path, body=body)
    reply = connection.getresponse()
    return reply.status, reply.read()


def test_rest_and_pages_share_the_port(deployment: Deployment) -> None:
    """`/`, `/v1/...` with its query, and uploads larger than any gRPC message, plain and by TLS."""
    large = bytes(6 * 2**20)
    with rest(deployment.rest):
        for method, path, body in [
            ("GET", "/", b""),
            ("GET", "/v1/libraries?page_size=3", b""),
            ("POST", "/v1/libraries/a/clips", large),
        ]:
            status, answer = ask(deployment, method, path, body)
            assert status == 200
            assert json.loads(answer) == {"asked": f"{method} {path}", "bytes": len(body)}
        trusted = ssl.create_default_context(cafile=str(deployment.secrets / "tls.crt"))
        port = deployment.envoy.ports["public_tls"]
        secure = http.client.HTTPSConnection("localhost", port, timeout=30, context=trusted)
        secure.request("GET", "/v1/libraries")
        assert secure.getresponse().status == 200


def test_reading_is_tried_again_and_writing_is_not(deployment: Deployment) -> None:
    """An upstream that breaks off: a GET is sent again, a POST once."""
    with rest(deployment.rest) as asked:
        assert ask(deployment, "GET", "/v1/broken")[0] == 503
        assert ask(deployment, "POST", "/v1/broken")[0] == 503
    assert asked.count("GET /v1/broken") > 1
    assert asked.count("POST /v1/broken") == 1


@pytest.mark.parametrize("path", ["/v1/a%2F..%2Fb", "/v1/a%5Cb"])
def test_slashes_in_disguise_are_refused(deployment: Deployment, path: str) -> None:
    """They would mean different things to Envoy and to what is behind it."""
    assert ask(deployment, "GET", path)[0] == 400
