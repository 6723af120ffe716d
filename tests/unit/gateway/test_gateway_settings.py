"""When the gateway needs keys: off on loopback, required elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.access import key_file
from gateway.settings import GatewaySettings, origins

ELSEWHERE = ["0.0.0.0", "::", "[::]", "192.0.2.1", "gateway.example"]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A file of keys."""
    key_file.change(tmp_path / "keys", lambda _keys: None)
    return tmp_path / "keys"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1", "[::1]"])
def test_on_loopback_no_keys_are_needed(host: str, keys: Path) -> None:
    """But they are checked where there are some."""
    assert GatewaySettings(host=host).keyring is None
    assert GatewaySettings(host=host, keyring=keys).keyring == keys
    assert not GatewaySettings(host=host).exposure


@pytest.mark.parametrize("host", ELSEWHERE)
def test_elsewhere_the_gateway_starts_with_keys_or_not_at_all(host: str, keys: Path) -> None:
    """The error names the variable and both ways out."""
    with pytest.raises(ValidationError, match=r"AUDIOSEARCH_KEYRING.*key create.*ANONYMOUS=true"):
        GatewaySettings(host=host)
    assert "unencrypted" in GatewaySettings(host=host, keyring=keys).exposure
    assert "everything" in GatewaySettings(host=host, allow_anonymous=True).exposure


def test_keys_and_no_keys_is_a_contradiction(keys: Path) -> None:
    """Nobody should believe that keys are checked when they aren't."""
    with pytest.raises(ValidationError, match="exclude each other"):
        GatewaySettings(keyring=keys, allow_anonymous=True)


def test_a_file_of_keys_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """Missing or damaged."""
    with pytest.raises(ValidationError, match="No such file"):
        GatewaySettings(keyring=tmp_path / "gone")
    (tmp_path / "text").write_text("no keys")
    with pytest.raises(ValidationError, match="line 1"):
        GatewaySettings(keyring=tmp_path / "text")


def test_rest_can_be_off_and_takes_no_vague_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    """`none` turns it off, empty means the default; each origin is written out."""
    for value, port in [("none", None), ("", 8002), ("0", 0)]:
        monkeypatch.setenv("AUDIOSEARCH_REST_PORT", value)
        assert GatewaySettings().rest_port == port
    listed = "https://a.example, http://[::1]:3000"
    assert origins(GatewaySettings(cors_origins=listed).cors_origins) == listed.split(", ")
    for value in ("*", "a.example", "https://a.example/", "https://*.example"):
        with pytest.raises(ValidationError, match="no origin"):
            GatewaySettings(cors_origins=value)
