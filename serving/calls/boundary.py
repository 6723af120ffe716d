"""Gives each call its id, caller, deadline, place and log line, and each failure its status."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from serving.call import Call, take_call
from serving.caller import caller, passed_on
from serving.calls.messages import Held, Incoming, in_time
from serving.calls.probes import Probes
from serving.calls.refusal import end
from serving.calls.shares import Shares
from serving.errors import Reason, ServiceError
from serving.monitoring.tracing import PARENT_KEY
from serving.telemetry import REQUEST_ID_KEY

OURS = ("/audiosearch.", "/google.longrunning.")


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


@dataclass(frozen=True)
class Limits:
    """The limits of a server's calls."""

    call_seconds: float
    """For calls whose own deadline is later or missing."""
    idle_seconds: float
    """Longest that nothing may move on a stream."""
    message_bytes: int
    places: Shares
    """Calls at a time."""
    budget: Shares
    """Bytes of messages at a time."""
    busy: Reason
    """The reason to refuse a call for which there is no place."""
    probes: Probes


class Boundary(grpc.aio.ServerInterceptor):
    """Wraps the handlers of all methods. Those of our own services get all of it."""

    def __init__(self, limits: Limits, gate: Gate) -> None:
        """Sets the limits and the checks."""
        self._limits = limits
        self._gate = gate

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        """A handler that takes packed messages. No message is received before it runs."""
        handler = await continuation(details)
        if handler is None:
            return None
        if not details.method.startswith(OURS):
            return self._limits.probes.wrap(handler)
        kind = (
            "stream" if handler.request_streaming else "unary",
            "stream" if handler.response_streaming else "unary",
        )
        inner = getattr(handler, "_".join(kind))

        async def answer(_packed: Any, context: grpc.aio.ServicerContext) -> Any:
            async with self._call(details, context) as call:
                with self._place(call, handler, details, context) as messages:
                    return await inner(await self._request(handler, details, messages), context)
            return await end(context, call)

        async def stream(_packed: Any, context: grpc.aio.ServicerContext) -> None:
            async with self._call(details, context) as call:
                with self._place(call, handler, details, context) as messages:
                    request = await self._request(handler, details, messages)
                    responses = inner(request, context)
                    del request
                    async with contextlib.aclosing(responses):
                        # Written, not yielded: the deadline ends a call whose reader has stopped.
                        async for response in responses:
                            await self._write(context, response)
            await end(context, call)

        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(stream, None, handler.response_serializer)
        return grpc.stream_unary_rpc_method_handler(answer, None, handler.response_serializer)

    async def _request(
        self, handler: Any, details: grpc.HandlerCallDetails, messages: Incoming
    ) -> Any:
        if handler.request_streaming:
            return self._gate.admit(details, messages.all())
        return self._gate.admit(details, await messages.only(self._limits.message_bytes))

    async def _write(self, context: grpc.aio.ServicerContext, response: Any) -> None:
        seconds = self._limits.idle_seconds
        try:
            await in_time(context.write(response), seconds, f"nothing was read for {seconds:g} s")
        except grpc.aio.InternalError:  # the reader went away while the message waited to be sent
            raise asyncio.CancelledError from None

    def _call(
        self, details: grpc.HandlerCallDetails, context: grpc.aio.ServicerContext
    ) -> contextlib.AbstractAsyncContextManager[Call]:
        sent, most = dict(details.invocation_metadata or ()), self._limits.call_seconds
        limit = min(context.time_remaining() or most, most)
        return take_call(details.method, sent.get(REQUEST_ID_KEY), limit, sent.get(PARENT_KEY))

    @contextlib.contextmanager
    def _place(
        self,
        call: Call,
        handler: Any,
        details: grpc.HandlerCallDetails,
        context: grpc.aio.ServicerContext,
    ) -> Iterator[Incoming]:
        """A place among the calls of the caller, whose key is looked at before."""
        call.peer = context.peer()
        # The gateway's own loops have no id of a user's call to pass on.
        sent_id = dict(details.invocation_metadata or ()).get(REQUEST_ID_KEY)
        call.routine = isinstance(self._gate, OpenGate) and not sent_id
        who, limits = self._gate.identify(details, context.peer()), self._limits
        caller.set(who)
        if not limits.places.take(who, 1):
            message = f"{limits.places.most - limits.places.free} calls run already; try again soon"
            raise ServiceError(limits.busy, message)
        try:
            with Held(limits.budget, who, limits.busy) as held:
                yield Incoming(
                    call, context, handler.request_deserializer, held, limits.idle_seconds
                )
        finally:
            limits.places.give_back(who, 1)
