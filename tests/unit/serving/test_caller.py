"""The caller that shares are counted for: by key, by address, behind proxies."""

from __future__ import annotations

import pytest

from serving.caller import CALLER_KEY, Proxies, address_of, passed_on


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:40000", "127.0.0.1"),
        ("ipv6:%5B::1%5D:40000", "::1"),
        ("ipv6:[2001:DB8::0:1]:1", "2001:db8::1"),
        ("ipv6:[::ffff:10.0.0.1]:1", "10.0.0.1"),
        ("unix:/run/some.sock", "unix:/run/some.sock"),
    ],
)
def test_the_connections_of_one_machine_are_one_caller(peer: str, address: str) -> None:
    """The port is left out, and each address has one spelling."""
    assert address_of(peer) == address


def test_a_service_behind_the_gateway_takes_the_callers_name_from_it() -> None:
    """A name that can't be logged does not count, and without one the address does."""
    peer = "ipv4:10.0.0.9:1"
    assert passed_on([(CALLER_KEY, "key:12")], peer) == "key:12"
    assert passed_on([(CALLER_KEY, "x" * 200)], peer) == "peer:10.0.0.9"
    assert passed_on(None, peer) == "peer:10.0.0.9"


def test_only_a_proxy_that_is_trusted_is_believed_about_an_address() -> None:
    """Every caller can send the header. A proxy adds the address that it saw at the end."""
    proxies = Proxies("10.0.0.0/8, ::1")
    assert proxies.address("10.0.0.9", ["6.6.6.6, 203.0.113.7"]) == "203.0.113.7"
    assert proxies.address("::1", ["6.6.6.6", "203.0.113.7,10.0.0.1"]) == "203.0.113.7"
    assert proxies.address("203.0.113.7", ["6.6.6.6"]) == "203.0.113.7"
    assert proxies.address("10.0.0.9", []) == "10.0.0.9"
    assert Proxies("").address("10.0.0.9", ["6.6.6.6"]) == "10.0.0.9"
    with pytest.raises(ValueError, match="neither an address nor a network"):
        Proxies("10.0.0.0/8, gateway")
