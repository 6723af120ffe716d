"""Checks every call of a client: who it is, and whether it has the right that the RPC needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from gateway.access.keyring import Keyring, bearer
from gateway.access.rights import EVERY, Caller, authorize, caller
from gateway.access.rules import RULES, Rule
from serving.telemetry import key_id


class Guard:
    """Lets a call through to the servicer once its key has the right that the RPC needs.

    Health and reflection don't come here: probes have no key, and the contract is no secret.
    """

    def __init__(self, keyring: Keyring) -> None:
        """Takes the keys."""
        self._keyring = keyring

    def admit(self, details: grpc.HandlerCallDetails, request: Any) -> Any:
        """As `check`, for a gRPC call."""
        header = dict(details.invocation_metadata or ()).get("authorization")
        return self.check(details.method, header, request)

    def identify(self, header: str | bytes | None) -> Caller:
        """Who calls, by the value of `authorization`, noted for the rights and for the log.

        Raises:
            ServiceError: KEY_MISSING, KEY_INVALID.
        """
        who = self._keyring.authenticate(bearer(header))
        caller.set(who)
        key_id.set(who.id)
        return who

    def check(self, method: str, header: str | bytes | None, request: Any) -> Any:
        """Checks a request, or a stream of requests, on any transport.

        Args:
            method: `/package.Service/Method`; without a rule it is never run.
            header: value of `authorization`, if it was sent.
            request: a message, or an iterator of messages.

        Returns:
            The request to go on with.

        Raises:
            ServiceError: KEY_MISSING, KEY_INVALID, RIGHT_MISSING, FIELD_INVALID.
        """
        rule, who = RULES[method], self.identify(header)
        if rule.library is None or rule.right is None or who.may(EVERY, rule.right):
            return request
        if not hasattr(request, "DESCRIPTOR"):
            return _stream(who, rule, request)
        authorize(who, rule.library(request), rule.right)
        return request


async def _stream(who: Caller, rule: Rule, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """The messages of a stream, checked where they name a library: in their config."""
    async for request in requests:
        if request.WhichOneof("request") == "config" and rule.library and rule.right:
            authorize(who, rule.library(request), rule.right)
        yield request
