"""Checks every call of a client: its key, and the right that the RPC needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc

from gateway.access.keyring import Keyring, bearer
from gateway.access.rates import Rates
from gateway.access.rights import EVERY, Caller, authorize, caller, quota
from gateway.access.rules import RULES, Rule
from serving.caller import Proxies, address_of, by_address, by_key
from serving.caller import caller as shared_by
from serving.telemetry import key_id

FORWARDED_KEY = "x-forwarded-for"


class Guard:
    """Lets a call through to the servicer only if its key has the right that the RPC needs.

    Health and reflection are not checked: probes have no key, and the contract is public.
    """

    def __init__(self, keyring: Keyring, proxies: Proxies | None = None) -> None:
        """Checks against the keys of `keyring`, and believes `proxies` about addresses."""
        self._keyring = keyring
        self._proxies = proxies or Proxies("")
        self._rates = Rates()

    def identify(self, details: grpc.HandlerCallDetails, peer: str) -> str:
        """The caller of a gRPC call, as in `know`."""
        sent = list(details.invocation_metadata or ())
        forwarded = [str(value) for name, value in sent if name == FORWARDED_KEY]
        return self.know(dict(sent).get("authorization"), address_of(peer), forwarded)

    def admit(self, details: grpc.HandlerCallDetails, request: Any) -> Any:
        """Checks a gRPC call like `check`."""
        return self.check(details.method, request)

    def know(self, header: str | bytes | None, address: str, forwarded: Sequence[str] = ()) -> str:
        """The caller as `serving.caller` names it, kept for the rights, the shares and the log.

        Args:
            header: value of `authorization`, if it was sent.
            address: address of the connection.
            forwarded: values of `x-forwarded-for`.

        Raises:
            ServiceError: KEY_MISSING, KEY_INVALID, GATEWAY_BUSY if it calls above its rate.
        """
        who = self._keyring.authenticate(bearer(header))
        self._rates.take(who)
        caller.set(who)
        quota.set(who.quota())
        key_id.set(who.id)
        found = self._proxies.address(address, forwarded)
        shared_by.set(by_key(who.id) if who.id else by_address(found))
        return shared_by.get()

    def check(self, method: str, request: Any) -> Any:
        """Checks a request, or a stream of requests, of the caller known, on any transport.

        Args:
            method: `/package.Service/Method`; a method without a rule is never run.
            request: a message, or an iterator of messages.

        Returns:
            The request to go on with.

        Raises:
            ServiceError: RIGHT_MISSING, FIELD_INVALID.
        """
        rule, who = RULES[method], caller.get()
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
