"""The parts of the gateway for the routes, and their way to its RPCs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
from starlette.requests import Request

from gateway.access.guard import FORWARDED_KEY, Guard
from gateway.access.keyring import bearer
from gateway.access.rules import RULES
from gateway.health.health import Health
from gateway.settings import GatewaySettings
from serving.contracts import Servicers

_PATHS = {path.rpartition("/")[2]: path for path in RULES}
# No RPC of the gateway looks at it: what travels with a call is in context variables.
_CONTEXT = cast("grpc.aio.ServicerContext", None)


def credentials(request: Request) -> str | None:
    """The key of a request as the value of `authorization`; `x-api-key` takes its place.

    An `authorization` of another scheme may be for a proxy in front, so it hides no `x-api-key`.
    """
    header, key = request.headers.get("authorization"), request.headers.get("x-api-key")
    return f"Bearer {key}" if key and bearer(header) is None else header


@dataclass(frozen=True)
class Parts:
    """The gateway as seen by the routes."""

    settings: GatewaySettings
    guard: Guard
    servicers: Servicers
    health: Health
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the gateway is told to stop, so that long streams end."""

    async def ask(self, request: Request, rpc: str, message: Any) -> Any:
        """Checks the caller's right and calls an RPC that gives one answer.

        Args:
            request: the HTTP request, for its key.
            rpc: name of the RPC, such as `GetLibrary`.
            message: its request, or an asynchronous iterator of them.

        Raises:
            ServiceError: as the RPC does.
        """
        method, admitted = self._admit(request, rpc, message)
        return await method(admitted, _CONTEXT)

    def stream(self, request: Request, rpc: str, message: Any) -> AsyncGenerator[Any, None]:
        """As `ask`, for an RPC that gives a stream; close it to cancel the call."""
        method, admitted = self._admit(request, rpc, message)
        return cast("AsyncGenerator[Any, None]", method(admitted, _CONTEXT))

    async def stopping(self, seconds: float) -> bool:
        """True if the gateway is told to stop, now or within so many seconds."""
        try:
            await asyncio.wait_for(self.draining.wait(), seconds)
        except (TimeoutError, asyncio.TimeoutError):
            return False
        return True

    def check(self, request: Request, rpc: str, message: Any) -> Any:
        """Checks the caller's right to call an RPC; gives the message to call it with."""
        self.identify(request)
        return self.guard.check(_PATHS[rpc], message)

    def identify(self, request: Request) -> None:
        """Finds the caller of a request; KEY_MISSING or KEY_INVALID if there is none."""
        address = request.client.host if request.client else ""
        forwarded = request.headers.getlist(FORWARDED_KEY)
        self.guard.know(credentials(request), address, forwarded)

    def _admit(self, request: Request, rpc: str, message: Any) -> tuple[Any, Any]:
        servicer = self.servicers.of(_PATHS[rpc].split("/")[1])
        return getattr(servicer, rpc), self.check(request, rpc, message)
