"""Runs a gRPC server: health, reflection, limits, the boundary around each call, shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from serving.call import take_call
from serving.caller import caller, passed_on
from serving.settings import ServerSettings
from serving.telemetry import REQUEST_ID_KEY, configure

OURS = ("/audiosearch.", "/google.longrunning.")
HEALTH_INTERVAL = 1.0
HEALTH_LIMIT = 3.0
MAX_ANSWER_BYTES = 64 * 2**20
log = structlog.get_logger()

Check = Callable[[], Awaitable[None]]
Register = Callable[[grpc.aio.Server], None]


class Gate(Protocol):
    """The checks that each call of our own services passes before its servicer."""

    def identify(self, details: grpc.HandlerCallDetails, peer: str) -> str:
        """The caller of a call, by its metadata and the address of its connection.

        No message has been read yet. Raises ServiceError if the caller may not call at all.
        """

    def admit(self, details: grpc.HandlerCallDetails, request: Any) -> Any:
        """The request, or the stream of requests, for the servicer.

        Raises ServiceError if the caller may not make this one.
        """


class OpenGate:
    """The gate of the services behind the gateway, which believe it and check nothing."""

    def identify(self, details: grpc.HandlerCallDetails, peer: str) -> str:
        """The caller that the gateway names."""
        return passed_on(details.invocation_metadata, peer)

    def admit(self, _details: grpc.HandlerCallDetails, request: Any) -> Any:
        """The request as it is."""
        return request


class Boundary(grpc.aio.ServerInterceptor):
    """Gives each call its request id, deadline and log line, and each failure its status."""

    def __init__(self, max_call_seconds: float, gate: Gate) -> None:
        """Sets the limit for calls whose own deadline is later or missing, and the checks."""
        self._limit = max_call_seconds
        self._gate = gate

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        """Wraps the handlers of our own methods, but not those of health and reflection."""
        handler = await continuation(details)
        if handler is None or not details.method.startswith(OURS):
            return handler
        kind = (
            "stream" if handler.request_streaming else "unary",
            "stream" if handler.response_streaming else "unary",
        )
        inner = getattr(handler, "_".join(kind))

        async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
            async with self._call(details, context):
                return await inner(self._gate.admit(details, request), context)

        async def stream(request: Any, context: grpc.aio.ServicerContext) -> None:
            async with (
                self._call(details, context),
                contextlib.aclosing(
                    inner(self._gate.admit(details, request), context)
                ) as responses,
            ):
                # Written, not yielded: the deadline also ends a call whose reader has stopped.
                async for response in responses:
                    await _write(context, response)

        make = getattr(grpc, "_".join(kind) + "_rpc_method_handler")
        return make(
            stream if handler.response_streaming else answer,
            handler.request_deserializer,
            handler.response_serializer,
        )

    @contextlib.asynccontextmanager
    async def _call(
        self, details: grpc.HandlerCallDetails, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[None]:
        sent_id = dict(details.invocation_metadata or ()).get(REQUEST_ID_KEY)
        limit = min(context.time_remaining() or self._limit, self._limit)
        async with take_call(details.method, sent_id, limit) as call:
            caller.set(self._gate.identify(details, context.peer()))
            yield
        if call.failure:
            status = call.failure.to_status()
            trailers = (*status.trailing_metadata, (REQUEST_ID_KEY, call.request_id))
            await context.abort(status.code, status.details, trailers)


async def _write(context: grpc.aio.ServicerContext, response: Any) -> None:
    try:
        await context.write(response)
    except grpc.aio.InternalError:  # the reader went away while the message waited to be sent
        raise asyncio.CancelledError from None


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
        for name in ("", *names):
            await servicer.set(name, now)
        await asyncio.sleep(HEALTH_INTERVAL)


def _build(settings: ServerSettings, gate: Gate) -> grpc.aio.Server:
    return grpc.aio.server(
        interceptors=[Boundary(settings.max_call_seconds, gate)],
        maximum_concurrent_rpcs=settings.max_concurrent_calls,
        options=[
            ("grpc.so_reuseport", 0),  # a second service on the port fails instead of sharing it
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_send_message_length", MAX_ANSWER_BYTES),
        ],
    )


def _bind(server: grpc.aio.Server, settings: ServerSettings) -> int:
    address, credentials = f"{settings.host}:{settings.port}", settings.server_tls.server()
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
    """
    stop = stop or asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server, servicer = _build(settings, gate or OpenGate()), health.aio.HealthServicer()
    register(server)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflected = [*names, health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(reflected, server)
    port = _bind(server, settings)
    for name in ("", *names):
        await servicer.set(name, health_pb2.HealthCheckResponse.NOT_SERVING)  # not checked yet
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
    await servicer.enter_graceful_shutdown()
    await asyncio.sleep(settings.drain_seconds)
    await server.stop(settings.grace_seconds)
    log.info("stopped")


def run(
    service: str, settings: ServerSettings, main: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    """Sets up logging and runs a service's coroutine `main` to its end."""
    configure(service, settings.log_level, settings.log_format)
    asyncio.run(main())
