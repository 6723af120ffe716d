"""Answers Prometheus at `/metrics`, on a port of its own."""

from __future__ import annotations

import contextlib
import importlib.metadata
import socket
import threading
from collections.abc import Iterator
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import make_wsgi_app

from serving.monitoring import metrics

MOST = 8
"""Scrapes at a time; more are closed at once."""

SECONDS = 5.0
"""Longest that a scraper may send or read nothing."""

_LOOK_SECONDS = 0.1
"""Longest that the end of a service waits for its exporter."""

log = structlog.get_logger()


class _Handler(WSGIRequestHandler):
    """One scrape."""

    timeout = SECONDS

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  the library's name
        """Logs no scrapes."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each of a few scrapes."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Has all places free."""
        self._places = threading.BoundedSemaphore(MOST)
        super().__init__(*arguments, **named)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answers in a thread if there is a place."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Gives the place back at the end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Passes over a scraper that went away."""


class _ServerV6(_Server):
    """The same over IPv6."""

    address_family = socket.AF_INET6


@contextlib.contextmanager
def exported(service: str, host: str, port: int | None) -> Iterator[int]:
    """Exports the metrics of a service during the block, unless the port is None.

    Gives the block the port; 0 if there is none.

    Raises:
        SystemExit: the port is taken, or the address is not this machine's.
    """
    if port is None:
        yield 0
        return
    metrics.BUILD.labels(service, importlib.metadata.version("audiosearch")).set(1)
    name = host.strip("[]")
    kind = _ServerV6 if ":" in name else _Server
    try:
        server = make_server(name, port, make_wsgi_app(metrics.registry(service)), kind, _Handler)
    except OSError as error:
        raise SystemExit(
            f"can't listen on {host}:{port} for metrics: is the port taken? "
            "AUDIOSEARCH_METRICS_PORT names another"
        ) from error
    threading.Thread(
        target=server.serve_forever, args=(_LOOK_SECONDS,), name="metrics", daemon=True
    ).start()
    log.info("listening.metrics", host=host, port=server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
