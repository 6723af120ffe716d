"""Stubs of the services behind the gateway, whose calls end in time and raise ServiceError."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf.descriptor import MethodDescriptor

from serving.caller import BACKGROUND, CALLER_KEY, caller
from serving.client_streams import converse, send
from serving.contracts import Contract
from serving.errors import Reason, ServiceError
from serving.monitoring import tracing
from serving.peers.peer import MARGIN, OpenCall, Peer
from serving.peers.stall import Stall
from serving.telemetry import REQUEST_ID_KEY, remaining, request_id


@dataclass(frozen=True)
class Limits:
    """Longest times of calls to another service, in seconds."""

    call: float
    stream: float
    """Limit of a stream, which takes as long as its sender."""
    stall: float
    """Longest that the service may move nothing on a stream."""


class Stub:
    """A generated stub whose calls carry deadline and request id and raise ServiceError."""

    def __init__(self, contract: Contract, peer: Peer, limits: Limits) -> None:
        """Wraps the stub of `contract`, which `peer` has; no call takes longer than `limits`."""
        self._contract = contract
        self._peer = peer
        self._limits = limits
        self._channel = peer.channel
        self._stub = contract.stub(peer.channel)
        for method in contract.service.methods:
            setattr(self, method.name, self._wrap(method))

    def _current(self, name: str) -> Callable[..., Any]:
        """A method of the stub of the peer's present channel."""
        if self._channel is not self._peer.channel:
            self._channel = self._peer.channel
            self._stub = self._contract.stub(self._channel)
        return cast("Callable[..., Any]", getattr(self._stub, name))

    def _wrap(self, descriptor: MethodDescriptor) -> Callable[..., Any]:
        def method(*request: Any, **outgoing: Any) -> Any:
            return self._current(descriptor.name)(*request, **outgoing)

        if descriptor.server_streaming and descriptor.client_streaming:
            return lambda requests: self._converse(method, requests)
        if descriptor.server_streaming:
            return lambda request: self._receive(method, request)
        if descriptor.client_streaming:
            return lambda requests: self._send(method, requests)
        return lambda request: self._ask(method, request)

    def _outgoing(self, limit: float) -> dict[str, Any]:
        left = remaining()
        if left is not None and left <= MARGIN:
            raise ServiceError(
                Reason.DEADLINE_EXCEEDED, "the deadline is over; allow the call more time"
            )
        told = (
            (REQUEST_ID_KEY, request_id.get()),
            (CALLER_KEY, caller.get() or BACKGROUND),
            *tracing.outgoing(),
        )
        return {
            "timeout": limit if left is None else min(left - MARGIN, limit),
            "metadata": tuple((name, value) for name, value in told if value),
        }

    def _stall(self, opened: OpenCall, *, writes: bool, reads: bool) -> Stall:
        error = self._peer.stalled(self._limits.stall)
        return Stall(self._limits.stall, lambda: opened.give_up(error), writes=writes, reads=reads)

    async def _ask(self, method: Callable[..., Any], request: Any) -> Any:
        outgoing = self._outgoing(self._limits.call)
        with self._peer.opened(lambda: method(request, **outgoing)) as opened:
            answer = await opened.call
        self._peer.answered()
        return answer

    async def _send(self, method: Callable[..., Any], requests: AsyncIterator[Any]) -> Any:
        outgoing = self._outgoing(self._limits.stream)
        with self._peer.opened(lambda: method(**outgoing)) as opened:
            stall = self._stall(opened, writes=True, reads=False)
            answer = await send(opened.call, requests, stall)
        self._peer.answered()
        return answer

    async def _receive(self, method: Callable[..., Any], request: Any) -> AsyncIterator[Any]:
        outgoing = self._outgoing(self._limits.stream)
        with self._peer.opened(lambda: method(request, **outgoing)) as opened:
            stall = self._stall(opened, writes=False, reads=True)
            responses = aiter(opened.call)
            while True:
                with stall.reading():
                    response = await anext(responses, None)
                if response is None:
                    return
                self._peer.answered()
                yield response

    async def _converse(
        self, method: Callable[..., Any], requests: AsyncIterator[Any]
    ) -> AsyncIterator[Any]:
        outgoing = self._outgoing(self._limits.stream)
        with self._peer.opened(lambda: method(**outgoing)) as opened:
            stall = self._stall(opened, writes=True, reads=True)
            talk = converse(opened.call, requests, stall)
            async with contextlib.aclosing(talk) as responses:
                async for response in responses:
                    self._peer.answered()
                    yield response
