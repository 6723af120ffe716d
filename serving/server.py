"""Runs a gRPC server: health, reflection, limits, the boundary around each call, shutdown."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from serving.calls.boundary import Boundary, Gate, Limits, OpenGate
from serving.calls.connections import QuietLoop, grpc_options, raise_file_limit
from serving.calls.probes import Probes
from serving.calls.shares import Shares
from serving.errors import Reason
from serving.monitoring import metrics
from serving.monitoring.exporter import exported
from serving.monitoring.tracing import traced
from serving.peers import keepalive
from serving.settings import LOG_FORMAT, ServerSettings
from serving.telemetry import configure
from serving.tls.renewal import server_credentials

HEALTH_INTERVAL = 1.0
HEALTH_LIMIT = 3.0
MAX_ANSWER_BYTES = 64 * 2**20
LIVENESS = "liveness"
"""Name whose health is SERVING while the process answers, whatever is missing behind it.

A probe that restarts processes asks for it: a restart brings no store back.
"""

log = structlog.get_logger()

Check = Callable[[], Awaitable[None]]
Register = Callable[[grpc.aio.Server], None]


async def _watch(check: Check, servicer: health.aio.HealthServicer, names: Sequence[str]) -> None:
    """Keeps the health status current: SERVING only while the last check passed."""
    state, status = None, health_pb2.HealthCheckResponse
    while True:
        try:
            await asyncio.wait_for(check(), HEALTH_LIMIT)
            now, why = status.SERVING, ""
        except Exception as error:  # noqa: BLE001  whatever fails here means: not healthy
            now, why = status.NOT_SERVING, str(error) or f"no answer within {HEALTH_LIMIT:.0f} s"
        if now != state:
            log.info("health", status=status.ServingStatus.Name(now), why=why)
        state = now
        metrics.SERVING.set(now == status.SERVING)
        for name in ("", *names):
            await servicer.set(name, now)
        await asyncio.sleep(HEALTH_INTERVAL)


def _build(settings: ServerSettings, gate: Gate, busy: Reason) -> grpc.aio.Server:
    places = Shares(settings.max_concurrent_calls)
    metrics.watch_calls("grpc", places.most, lambda: places.most - places.free)
    limits = Limits(
        call_seconds=settings.max_call_seconds,
        idle_seconds=settings.idle_seconds,
        message_bytes=settings.max_message_bytes,
        places=places,
        budget=Shares(settings.max_buffered_bytes),
        busy=busy,
        probes=Probes(busy),
    )
    # No `maximum_concurrent_rpcs`: it counts probes, and refuses without a reason.
    return grpc.aio.server(
        interceptors=[Boundary(limits, gate)],
        options=[
            ("grpc.so_reuseport", 0),  # a second service on the port fails instead of sharing it
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_send_message_length", MAX_ANSWER_BYTES),
            *grpc_options(settings.max_connections),
            *keepalive.OF_SERVER,
        ],
    )


def _bind(server: grpc.aio.Server, settings: ServerSettings) -> int:
    address = f"{settings.host}:{settings.port}"
    credentials = server_credentials(settings.server_tls)
    try:
        if credentials:
            return int(server.add_secure_port(address, credentials))
        return int(server.add_insecure_port(address))
    except RuntimeError as error:
        raise SystemExit(f"can't listen on {address}: is the port taken?") from error


async def serve(
    settings: ServerSettings,
    names: Sequence[str],
    register: Register,
    check: Check,
    stop: asyncio.Event | None = None,
    ready: Callable[[int], None] | None = None,
    gate: Gate | None = None,
    busy: Reason = Reason.GATEWAY_BUSY,
) -> None:
    """Serves until SIGTERM, SIGINT or `stop`, then drains.

    Args:
        settings: address, limits and times.
        names: full names of the services that `register` adds, for health and reflection.
        register: adds the servicers.
        check: raises while a dependency is missing; the message names it.
        stop: ends serving when set.
        ready: called with the port once it is listening.
        gate: checks each call before its servicer; without one the gateway is believed.
        busy: the reason to refuse a call when too many run.
    """
    stop = stop or asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server, servicer = _build(settings, gate or OpenGate(), busy), health.aio.HealthServicer()
    register(server)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflected = [*names, health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(reflected, server)
    port = _bind(server, settings)
    for name in ("", *names):
        await servicer.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)  # not checked yet
    await servicer.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    watcher = asyncio.create_task(_watch(check, servicer, names))
    log.info("listening", host=settings.host, port=port, tls=bool(settings.tls_cert))
    if settings.exposure:
        log.warning("exposed", why=settings.exposure)
    if ready:
        ready(port)
    await stop.wait()
    log.info("draining", seconds=settings.drain_seconds)
    watcher.cancel()
    metrics.SERVING.set(0)
    await servicer.enter_graceful_shutdown()
    await asyncio.sleep(settings.drain_seconds)
    await server.stop(settings.grace_seconds)
    log.info("stopped")


def run(
    service: str, settings: ServerSettings, main: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Sets up logging and runs a service's coroutine `main` to its end."""
    configure(service, settings.log_level, settings.log_format)
    raise_file_limit()

    async def quietly() -> None:
        asyncio.get_running_loop().set_exception_handler(QuietLoop())
        await main()

    try:
        with (
            exported(service, settings.metrics_host, settings.metrics_port),
            traced(service, settings.otlp_endpoint),
        ):
            asyncio.run(quietly())
    except SystemExit as end:
        if os.environ.get(LOG_FORMAT) != "json" or not isinstance(end.code, str):
            raise
        log.error("start.refused", why=end.code)  # noqa: TRY400  a sentence is enough
        raise SystemExit(1) from None
    except Exception as error:  # a boundary: the log has why the process ends
        log.exception("crashed")
        raise SystemExit(1) from error
