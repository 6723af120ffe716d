"""Checks every call of a client: who it is, and whether it has the right that the RPC needs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc

from gateway.keyring import Keyring, bearer
from gateway.rights import EVERY, Caller, authorize, caller
from gateway.rules import RULES, Rule
from serving.server import OURS, wrapped
from serving.telemetry import key_id


class Guard(grpc.aio.ServerInterceptor):
    """Lets a call through to the servicer once its key has the right that the RPC needs.

    Health and reflection are open: probes have no key, and the contract is no secret.
    """

    def __init__(self, keyring: Keyring) -> None:
        """Takes the keys."""
        self._keyring = keyring

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        """Wraps the handlers of our own methods; one without a rule is never run."""
        handler = await continuation(details)
        if handler is None or not details.method.startswith(OURS):
            return handler
        sent = bearer(dict(details.invocation_metadata or ()).get("authorization"))
        return wrapped(handler, partial(self._checked, sent, RULES[details.method]))

    @contextlib.asynccontextmanager
    async def _checked(
        self, token: str | None, rule: Rule, request: Any, _context: grpc.aio.ServicerContext
    ) -> AsyncIterator[Any]:
        who = self._keyring.authenticate(token)
        caller.set(who)
        key_id.set(who.id)
        if rule.library is None or rule.right is None or who.may(EVERY, rule.right):
            yield request
        elif hasattr(request, "DESCRIPTOR"):
            authorize(who, rule.library(request), rule.right)
            yield request
        else:
            yield _stream(who, rule, request)


async def _stream(who: Caller, rule: Rule, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The messages of a stream, checked where they name a library: in their config."""
    async for request in requests:
        if request.WhichOneof("request") == "config" and rule.library and rule.right:
            authorize(who, rule.library(request), rule.right)
        yield request
