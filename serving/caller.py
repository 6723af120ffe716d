"""The caller of a call: the one that shares of places, bytes and work are counted for.

The gateway knows a caller by its key, or by its address where no keys are checked. It tells the
services behind it, so that these share by the same callers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from functools import lru_cache
from urllib.parse import unquote

CALLER_KEY = "x-audiosearch-caller"
"""Metadata by which the gateway names the caller to the services behind it."""

BACKGROUND = "service"
"""The caller whose work nobody waits for: what the gateway does by itself, such as imports."""

_MAX_LENGTH = 128

caller: ContextVar[str] = ContextVar("caller", default="")
"""The caller that this task works for, `key:ID` or `peer:ADDRESS`; empty for the gateway's own."""


def by_key(key_id: str) -> str:
    """The caller that came with a key."""
    return f"key:{key_id}"


def by_address(address: str) -> str:
    """The caller without a key, at an address."""
    return f"peer:{address}"


@lru_cache(maxsize=4096)
def address_of(peer: str) -> str:
    """The address in a peer of gRPC, such as `ipv4:127.0.0.1:40000`; all of `peer` if it has none.

    Ports are left out: the connections of one machine are one caller.
    """
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return peer
    return plain(rest.rpartition(":")[0])


def plain(address: str) -> str:
    """An address in one spelling: no brackets, no zone, and IPv4 also where it came by IPv6."""
    try:
        found = ipaddress.ip_address(address.strip("[] ").partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def passed_on(metadata: Iterable[tuple[str, str | bytes]] | None, peer: str) -> str:
    """The caller of a call to a service behind the gateway: the one that the gateway names."""
    named = dict(metadata or ()).get(CALLER_KEY)
    if isinstance(named, str) and 0 < len(named) <= _MAX_LENGTH and named.isprintable():
        return named
    return by_address(address_of(peer))


class Proxies:
    """The proxies that are believed about the address that a call comes from."""

    def __init__(self, networks: str) -> None:
        """Takes addresses and networks, such as `10.0.0.0/8`, separated by commas.

        Raises:
            ValueError: One of them is none; the message says so.
        """
        parts = [part.strip() for part in networks.split(",") if part.strip()]
        self._networks = [_network(part) for part in parts]

    def address(self, address: str, forwarded: Sequence[str]) -> str:
        """The caller's address.

        Args:
            address: the address of the connection.
            forwarded: values of the header `x-forwarded-for`, to which each proxy adds the address
                that it saw. The last entry that is not itself a proxy's is the caller's.
        """
        seen = [entry for value in forwarded for entry in value.split(",") if entry.strip()]
        found = plain(address)
        while seen and self._trusts(found):
            found = plain(seen.pop().strip())
        return found[:_MAX_LENGTH]

    def _trusts(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is neither an address nor a network: write 10.0.0.1 or 10.0.0.0/8"
        ) from None
