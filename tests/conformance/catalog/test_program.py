"""The program: its help, its settings, its signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from catalog_service.settings import CatalogSettings
from tools.servers.catalog import Program

HUSH = "no log shows me"


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    return subprocess.run(
        [sys.executable, "-m", "catalog_service", *arguments],
        timeout=60,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_tells_every_setting() -> None:
    """Each variable with its default; no password is shown."""
    told = run("--help", MYSQL_PWD=HUSH)
    assert told.returncode == 0
    for variable in (
        "AUDIOSEARCH_CATALOG_PORT",
        "AUDIOSEARCH_DATA_DIR",
        "UPLOAD_PATH",
        "MYSQL_HOST",
        "MYSQL_PORT",
        "MYSQL_USER",
        "MYSQL_PWD",
        "MYSQL_DB",
        "AUDIOSEARCH_MAX_AUDIO_BYTES",
    ):
        assert variable in told.stdout
    assert HUSH not in told.stdout


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MYSQL_PORT", "x"),
        ("MYSQL_PORT", "70000"),
        ("MYSQL_DB", "a`; DROP"),
        ("MYSQL_DB", "../x"),
        ("AUDIOSEARCH_CATALOG_PORT", "-1"),
        ("AUDIOSEARCH_MAX_AUDIO_BYTES", "0"),
        ("AUDIOSEARCH_CATALOG_POOL_SIZE", "0"),
        ("AUDIOSEARCH_CATALOG_STATEMENT_SECONDS", "nan"),
    ],
)
def test_a_bad_setting_is_named(variable: str, value: str) -> None:
    """The program ends at once with code 2 and one line for it."""
    told = run(**{variable: value})
    assert told.returncode == 2
    assert variable in told.stderr
    assert "Traceback" not in told.stderr


async def test_sigterm_ends_it_well(tmp_path: Path) -> None:
    """Exit code 0, no upload folder left, and the data is there the next time."""
    settings = CatalogSettings(data_dir=tmp_path, mysql_host=None)
    program = Program(settings)
    async with program.client() as catalog:
        library = await catalog.library()
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(30) == 0
    assert not list((settings.audio_folder / ".incoming").iterdir())
    again = Program(settings)
    async with again.client() as catalog:
        assert (await catalog.stubs.libraries.GetLibrary(library)).uid == library.uid
    again.kill()


def test_a_password_is_never_logged(tmp_path: Path) -> None:
    """Neither when the server is not there nor in any other line."""
    settings = CatalogSettings(data_dir=tmp_path, mysql_host="127.0.0.1", mysql_port=1)
    program = Program(settings, MYSQL_PWD=HUSH)
    program.process.send_signal(signal.SIGTERM)
    program.process.wait(30)
    assert program.log
    assert HUSH not in "".join(program.log)
