"""Runs the HTTP server beside the gRPC server, on the same event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import cast

import structlog
import uvicorn

from gateway.rest.app import build
from gateway.rest.http.connection import HEAD_BYTES, Connection
from gateway.rest.parts import Parts
from serving.calls.connections import affordable
from serving.calls.shares import Shares
from serving.tls import renewal

KEEP_ALIVE_SECONDS = 30

BACKLOG = 128
"""Connections that wait to be accepted. asyncio tries to accept so many at once."""

log = structlog.get_logger()


class _Server(uvicorn.Server):
    """uvicorn's server, but signals are left to the gateway."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures no signals."""
        yield


@contextlib.asynccontextmanager
async def rest(
    parts: Parts, stop: asyncio.Event, ready: Callable[[int], None] | None = None
) -> AsyncIterator[None]:
    """Serves REST during the block, if the settings want it; drains when `stop` is set.

    Args:
        parts: of the gateway, for the routes.
        stop: set when the gateway is told to stop.
        ready: called with the port once it is listening.

    Raises:
        SystemExit: if the port is taken.
    """
    settings = parts.settings
    if settings.rest_port is None:
        yield
        return
    listener = _listen(settings.host, settings.rest_port)
    server = _Server(_config(parts))
    server.config.load()
    tasks = [
        asyncio.create_task(server.serve([listener])),
        asyncio.create_task(_drain(server, parts, stop)),
    ]
    following = asyncio.create_task(renewal.follow(settings.server_tls, partial(_renew, server)))
    port = listener.getsockname()[1]
    log.info("listening.rest", host=settings.host, port=port, tls=bool(settings.tls_cert))
    if ready:
        ready(port)
    try:
        yield
    finally:
        stop.set()
        following.cancel()
        await asyncio.gather(*tasks)


def _renew(server: uvicorn.Server) -> None:
    """New connections get the certificate as it is now."""
    config = server.config
    if config.ssl and config.ssl_certfile:
        config.ssl.load_cert_chain(config.ssl_certfile, config.ssl_keyfile)


async def _drain(server: uvicorn.Server, parts: Parts, stop: asyncio.Event) -> None:
    await stop.wait()
    parts.draining.set()
    await asyncio.sleep(parts.settings.drain_seconds)
    server.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    name = host.strip("[]")
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    try:
        return socket.create_server(
            (name, port), family=family, backlog=BACKLOG, dualstack_ipv6=name == "::"
        )
    except OSError as error:
        raise SystemExit(
            f"can't listen on {host}:{port} for REST: is the port taken? "
            "AUDIOSEARCH_REST_PORT names another"
        ) from error


def _config(parts: Parts) -> uvicorn.Config:
    room = Shares(affordable(parts.settings.max_connections))
    return uvicorn.Config(
        build(parts),
        http=cast("type[asyncio.Protocol]", partial(Connection, room=room)),
        backlog=BACKLOG,
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, int(parts.settings.grace_seconds)),
        reset_contextvars=True,
        ssl_certfile=parts.settings.tls_cert,
        ssl_keyfile=parts.settings.tls_key,
    )
