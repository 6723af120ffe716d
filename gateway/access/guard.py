"""Checks every call of a client: its key, and the right that the RPC needs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc

from gateway.access.keyring import Keyring, bearer
from gateway.access.rights import EVERY, Caller, authorize, caller
from gateway.access.rules import RULES, Rule
from serving.telemetry import key_id


class Guard:
    """Lets a call through to the servicer only if its key has the right that the RPC needs.

    Health and reflection are not checked: probes have no key, and the contract is public.
    """

    def __init__(self, keyring: Keyring) -> None:
        """Checks against the keys of `keyring`."""
        self._keyring = keyring

    def admit(self, details: grpc.HandlerCallDetails, request: Any) -> Any:
        """Checks a gRPC call like `check`."""
        header = dict(details.invocation_metadata or ()).get("authorization")
        return self.check(details.method, header, request)

    def identify(self, header: str | bytes | None) -> Caller:
        """The caller by the value of `authorization`. It is kept for the rights and the log.

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
            method: `/package.Service/Method`; a method without a rule is never run.
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
    """The messages of a stream. Each config is checked, because it names a library."""
    async for request in requests:
        if request.WhichOneof("request") == "config" and rule.library and rule.right:
            authorize(who, rule.library(request), rule.right)
        yield request
