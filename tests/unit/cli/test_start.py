"""What the command line imports when it starts: little, and nothing that Windows lacks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from audiosearch_cli.app import app
from typer.main import get_command

LISTED = "import audiosearch_cli.app, sys; print(*sys.modules)"
POSIX = "import sys; sys.modules.update(fcntl=None, resource=None, pwd=None, termios=None);"
HEAVY = {"fastapi", "matplotlib", "numpy", "pandas", "scipy", "sqlalchemy", "uvicorn"}


def test_it_starts_without_what_only_servers_need() -> None:
    """Nor is anything imported that POSIX alone has, by it or by the Python client."""
    code = f"{POSIX} import audiosearch_client.api.asynchronous"
    subprocess.run([sys.executable, "-c", code], check=True)
    done = subprocess.run(
        [sys.executable, "-c", POSIX + LISTED], check=True, capture_output=True, text=True
    )
    imported = set(done.stdout.split())
    assert "grpc" in imported
    assert not imported & HEAVY


def test_windows_is_told_where_the_services_run() -> None:
    """Before one of them is started; POSIX alone has what they are built on."""
    code = f"{POSIX} import os; os.name = 'nt'; from deploy import parts; print(parts.missing())"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "WSL 2" in done.stdout


def test_arguments_are_named_in_one_style() -> None:
    """Each option of a name has the same short one with it wherever it stands."""
    short = {"--output": "-o", "--library": "-l", "--yes": "-y", "--help": "-h"}
    told = 0
    for command in _commands(get_command(app)):
        for option in command.params:
            for name, letter in short.items():
                if name in option.opts:
                    assert letter in option.opts, f"{command.name} {name}"
                    told += 1
    assert told > 20


def test_every_command_prints_json() -> None:
    """Scripts read any of them."""
    commands = list(_commands(get_command(app)))
    assert len(commands) > 40
    assert not [each.name for each in commands if not _options(each) & {"--json"}]


def _options(command: Any) -> set[str]:
    return {name for option in command.params for name in option.opts}


def _commands(command: Any) -> Iterator[Any]:
    for each in getattr(command, "commands", {}).values():
        yield from _commands(each)
    if not hasattr(command, "commands"):
        yield command
