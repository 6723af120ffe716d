"""`pip install audiosearch[cli]`: the command line by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.installs.conftest import Environment

SERVERS = {"fastapi", "numpy", "sqlalchemy", "structlog", "pymilvus", "cryptography"}


def test_it_brings_no_server(cli: Environment) -> None:
    """Typer and rich beside what the client brings."""
    packages = cli.packages()
    assert {"grpcio", "rich", "typer"} <= packages
    assert not packages & SERVERS


def test_it_imports_and_searches(cli: Environment, target: str, sounds: Path) -> None:
    """Against a stack that runs elsewhere."""

    def ask(*arguments: str | Path) -> str:
        code, out, said = cli.audiosearch(*arguments, AUDIOSEARCH_TARGET=target)
        assert code == 0, said
        return out

    ask("library", "create", "typed")
    ask("import", sounds, "--library", "typed")
    query = sounds / "sword_clash_1.wav"
    answer = json.loads(ask("search", query, "--library", "typed", "-k", "1", "--json"))
    assert answer["matches"][0]["clip"]["displayName"] == query.name


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("serve",), "stack"),
        (("evaluate", "typed", "--by", "label"), "evaluation"),
        (("calibration", "show", "typed", "--output", "figures"), "evaluation"),
    ],
)
def test_commands_that_need_more_say_what(
    cli: Environment, arguments: tuple[str, ...], extra: str
) -> None:
    """One sentence that names the extra; no trace."""
    code, out, said = cli.audiosearch(*arguments)
    assert (code, out) == (1, "")
    assert said.count("\n") == 1
    assert f"pip install 'audiosearch[{extra}]'" in said


def test_keys_are_made_without_the_gateways_packages(cli: Environment, tmp_path: Path) -> None:
    """The command shares the gateway's code for them, and that needs little."""
    file = tmp_path / "keys"
    code, out, said = cli.audiosearch("key", "create", "me", "--read", "typed", "--file", file)
    assert code == 0, said
    assert out.startswith("audiosearch_")
    assert "read typed" in cli.audiosearch("key", "list", "--file", file)[1]


@pytest.mark.parametrize("command", ["serve", "evaluate"])
def test_commands_that_need_more_explain_themselves(cli: Environment, command: str) -> None:
    """Their help needs nothing."""
    code, out, _ = cli.audiosearch(command, "--help")
    assert code == 0
    assert "Usage" in out
