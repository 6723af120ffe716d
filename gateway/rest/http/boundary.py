"""Gives each request its id, deadline and log line, and each failure its answer."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.rest.http.exchange import Exchange
from gateway.rest.http.streaming import HEAD
from serving.call import Call, take_call
from serving.calls.shares import Shares
from serving.errors import Reason, ServiceError
from serving.monitoring import metrics
from serving.monitoring.tracing import PARENT_KEY
from serving.telemetry import REQUEST_ID_KEY, request_id

PROBE = "/healthz"
"""The path of probes. As with gRPC's health, their looks are neither logged nor limited."""


_VERBS = {"DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"}
PLACE = "place"
"""Key in a request's state for its Place."""


class Place:
    """The place of one request among those of its caller, who has three quarters at most."""

    def __init__(self, shares: Shares) -> None:
        """Takes none before the caller is known."""
        self._shares = shares
        self._caller: str | None = None

    def take(self, caller: str) -> None:
        """Takes the place, if it has not been taken yet; GATEWAY_BUSY if the caller has enough."""
        if self._caller is not None:
            return
        if not self._shares.take(caller, 1):
            message = "too many of your requests run already; try again in a moment"
            raise ServiceError(Reason.GATEWAY_BUSY, message)
        self._caller = caller

    def leave(self) -> None:
        """Gives it back."""
        if self._caller is not None:
            self._shares.give_back(self._caller, 1)


class Boundary:
    """The boundary between the HTTP server and the routes, as `serving.calls` has it for gRPC."""

    def __init__(self, app: ASGIApp, max_call_seconds: float, max_concurrent_calls: int) -> None:
        """Wraps `app`."""
        self._app = app
        self._seconds = max_call_seconds
        self._most = max_concurrent_calls
        self._running = 0
        self._shares = Shares(max_concurrent_calls)
        metrics.watch_calls("rest", max_concurrent_calls, lambda: self._running)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope, place = _as_get(scope), Place(self._shares)
        if scope["path"] == PROBE and scope["method"] == "GET":
            await self._app(scope, receive, send)
            return
        scope["state"][PLACE] = place
        exchange = Exchange(scope, receive, _identified(send))
        self._running += 1
        try:
            await self._answer(scope, exchange)
        finally:
            self._running -= 1
            place.leave()
        await exchange.finish()

    async def _answer(self, scope: Scope, exchange: Exchange) -> None:
        headers, verb = Headers(scope=scope), _verb(scope)
        sent_id = headers.get(REQUEST_ID_KEY)
        try:
            parent = headers.get(PARENT_KEY)
            async with take_call(verb, sent_id, self._seconds, parent) as call:
                await self._run(call, scope, exchange)
            if call.failure:
                await exchange.fail(call.failure)
        except asyncio.CancelledError:
            if not exchange.gone:
                exchange.lingers = False
                stopping = ServiceError(Reason.GATEWAY_UNAVAILABLE, "the gateway stops; try again")
                await exchange.fail(stopping)

    async def _run(self, call: Call, scope: Scope, exchange: Exchange) -> None:
        try:
            self._make_room()
            _check_framing(Headers(scope=scope), exchange)
            _check_encoding(Headers(scope=scope))
            async with exchange.watched():
                await self._app(scope, exchange.receive, exchange.send)
        finally:
            # Only the route is logged, not the exact path, and it is known only now.
            route = getattr(scope.get("route"), "path_format", None)
            call.method = f"{_verb(scope)} {route or '(no route)'}"
            call.about, call.received = _about(scope), exchange.received
            call.peer = "{}:{}".format(*scope.get("client") or ("", ""))

    def _make_room(self) -> None:
        if self._running > self._most:
            message = f"{self._most} requests run already; try again in a moment"
            raise ServiceError(Reason.GATEWAY_BUSY, message)


def _verb(scope: Scope) -> str:
    """The method for logs and metrics. A caller may make up any word."""
    return scope["method"] if scope["method"] in _VERBS else "(other)"


def _check_framing(headers: Headers, exchange: Exchange) -> None:
    if "transfer-encoding" in headers and "content-length" in headers:
        # Proxies may read another length (RFC 9112, 6.1), so nothing behind the head is believed.
        exchange.lingers = False
        message = "content-length and transfer-encoding exclude each other; send one of them"
        raise ServiceError(Reason.FIELD_INVALID, message, {"field": "content-length"})


def _check_encoding(headers: Headers) -> None:
    encoding = headers.get("content-encoding", "").strip()
    if encoding.lower() not in ("", "identity"):
        raise ServiceError(
            Reason.ENCODING_UNSUPPORTED,
            f"content-encoding: {encoding[:100]!r} is not read; send the body as it is",
        )


def _about(scope: Scope) -> dict[str, str]:
    """The names of what a request is about, by its path."""
    ids = scope.get("path_params", {})
    library = f"libraries/{ids['library']}" if "library" in ids else ""
    told = {"library": library} if library else {}
    return told | {
        kind: f"{library}/{kind}s/{ids[kind]}" for kind in ("clip", "speaker") if kind in ids
    }


def _as_get(scope: Scope) -> Scope:
    """A copy of `scope`, with GET for HEAD: the answer is the same, without its body."""
    head = scope["method"] == "HEAD"
    method = "GET" if head else scope["method"]
    return {**scope, "method": method, "state": {**scope["state"], HEAD: head}}


def _identified(send: Send) -> Send:
    """A `send` that adds the request's id to the headers of the answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)[REQUEST_ID_KEY] = request_id.get()
        await send(message)

    return sending
