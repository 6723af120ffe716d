"""Typed settings from the environment."""

from __future__ import annotations

import pytest
from pydantic import Field, SecretStr, ValidationError

from catalog_service.settings import CatalogSettings
from embedding_service.settings import EmbeddingSettings
from gateway.settings import GatewaySettings
from index_service.settings import IndexSettings
from serving.settings import ServerSettings, describe, load

KINDS = [EmbeddingSettings, IndexSettings, CatalogSettings, GatewaySettings]


class Example(ServerSettings):
    """An example."""

    width: int = Field(3, ge=1, alias="EXAMPLE_WIDTH", description="how wide")
    password: SecretStr | None = Field(
        None, min_length=8, alias="EXAMPLE_PASSWORD", description="kept"
    )


def test_every_bad_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each in a line of its own, with what was given; code 2."""
    monkeypatch.setattr("sys.argv", ["example"])
    monkeypatch.setenv("EXAMPLE_WIDTH", "wide")
    monkeypatch.setenv("AUDIOSEARCH_MAX_CALL_SECONDS", "-1")
    with pytest.raises(SystemExit) as raised:
        load(Example, "example")
    assert raised.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert any("EXAMPLE_WIDTH" in line and "'wide'" in line for line in lines)
    assert any("AUDIOSEARCH_MAX_CALL_SECONDS" in line for line in lines)


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when it is not set."""
    monkeypatch.setattr("sys.argv", ["example"])
    monkeypatch.setenv("EXAMPLE_WIDTH", "")
    assert load(Example, "example").width == 3


def test_a_secret_is_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a bad one that is complained of, nor a good one beside a bad setting."""
    monkeypatch.setattr("sys.argv", ["example"])
    for password in ("hunter2", "long enough and hidden"):
        monkeypatch.setenv("EXAMPLE_PASSWORD", password)
        monkeypatch.setenv("EXAMPLE_WIDTH", "wide")
        with pytest.raises(SystemExit):
            load(Example, "example")
        with pytest.raises(ValidationError) as raised:
            Example()
        shown = capsys.readouterr().err + str(raised.value) + repr(raised.value)
        assert password not in shown
        assert "EXAMPLE_WIDTH" in shown
    assert password not in repr(Example(EXAMPLE_WIDTH=1))


def test_settings_cannot_be_changed() -> None:
    """They are frozen."""
    with pytest.raises(ValidationError):
        Example().width = 4


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_is_described(kind: type[ServerSettings]) -> None:
    """By `--help`, with its variable."""
    listed = describe(kind)
    for name, field in kind.model_fields.items():
        assert (field.alias or name.upper()) in listed
        assert field.description
