"""A proxy before the gateway that holds requests back, and cuts answers off as bad networks do."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

SECONDS = 60
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
NONE = re.compile("(?!)")


class Proxy:
    """The rules of a proxy; requests are named by method and path, as in `POST /v1/libraries`."""

    def __init__(self, gateway: str) -> None:
        """Passes everything on to a gateway's host and port at first."""
        self.gateway = gateway
        self.url = ""
        self.seen: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._held, self._admitted, self._open = NONE, threading.Semaphore(0), threading.Event()
        self._cut, self._cuts = NONE, 0

    def hold(self, pattern: str, *, after: int) -> None:
        """Keeps the requests of a pattern, but for the first ones, until `release`."""
        self._held, self._admitted = re.compile(pattern), threading.Semaphore(after)

    def release(self) -> None:
        """Lets all go on that are held."""
        self._open.set()

    def cut(self, pattern: str, *, times: int) -> None:
        """Sends back half the answer to each request of a pattern, so often; then all of it."""
        self._cut, self._cuts = re.compile(pattern), times

    def wait(self, request: str) -> None:
        """Returns when a request may go on."""
        if self._held.search(request) and not self._admitted.acquire(blocking=False):
            self._open.wait(SECONDS)

    def cuts(self, request: str) -> bool:
        """Counts a request, and says if its answer is to be cut off."""
        with self._lock:
            self.seen[request] += 1
            return bool(self._cut.search(request)) and self.seen[request] <= self._cuts


def _handler(rules: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = SECONDS

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            name = f"{self.command} {self.path}"
            rules.wait(name)
            connection = HTTPConnection(rules.gateway, timeout=SECONDS)
            try:
                connection.request(self.command, self.path, body, dict(self.headers))
                self._answer(connection.getresponse(), name)
            except (OSError, HTTPException):
                self.close_connection = True  # the gateway is away: so is the proxy
            finally:
                connection.close()

        do_GET = do_POST = do_PATCH = do_DELETE = pass_on  # noqa: N815  names of http.server

        def _answer(self, response: HTTPResponse, name: str) -> None:
            content = response.read()
            self.send_response(response.status, response.reason)
            for header, value in response.getheaders():
                if header.lower() not in HOP_BY_HOP:
                    self.send_header(header, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.close_connection = rules.cuts(name)
            self.wfile.write(content[: len(content) // 2] if self.close_connection else content)

        def log_message(self, *_: object) -> None:
            """Says nothing: the test says what it saw."""

    return Handler


@contextmanager
def proxy(url: str) -> Iterator[Proxy]:
    """Runs a proxy before the gateway at `url`."""
    rules = Proxy(str(urlsplit(url).netloc))
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(rules)) as server:
        rules.url = f"http://127.0.0.1:{server.server_port}"
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield rules
        finally:
            rules.release()
            server.shutdown()
