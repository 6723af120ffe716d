"""All commands together, and the exit codes of failures; `problems` has the other codes."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from audiosearch_cli import (
    calibrating,
    enrolling,
    evaluating,
    keys,
    recognizing,
    searching,
    serving,
    speakers,
)
from audiosearch_cli.backups import commands as backups
from audiosearch_cli.bulk import commands as bulk
from audiosearch_cli.clips import commands as clips
from audiosearch_cli.clips import trash
from audiosearch_cli.imports import commands as imports
from audiosearch_cli.libraries import commands as libraries
from audiosearch_cli.libraries import mapping, models
from audiosearch_cli.libraries.checking import check
from audiosearch_cli.output import add_timeout, complain, say
from audiosearch_cli.problems import FAILED, STOPPED, CommandError, Stopped
from audiosearch_cli.system import operations
from audiosearch_cli.system.status import status
from audiosearch_cli.vectors import commands as vectors
from serving.errors import ServiceError

app = typer.Typer(
    name="audiosearch",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Audio similarity search: find the sounds most like a sound.",
)
app.add_typer(libraries.app, name="library")
app.add_typer(clips.app, name="clip")
app.add_typer(trash.app, name="trash")
app.add_typer(speakers.app, name="speaker")
app.add_typer(calibrating.app, name="calibration")
app.add_typer(vectors.app, name="vectors")
app.add_typer(keys.app, name="key")
app.add_typer(backups.app, name="backup")
app.add_typer(bulk.app, name="bulk")
app.add_typer(models.app, name="model")
app.add_typer(operations.app, name="operation")
speakers.app.command("enroll")(enrolling.enroll)
speakers.app.command("verify")(recognizing.verify)
speakers.app.command("identify")(recognizing.identify)
app.command("serve")(serving.serve)
app.command("import")(imports.import_path)
app.command("evaluate")(evaluating.evaluate)
app.command("calibrate")(calibrating.calibrate)
app.command("search")(searching.search)
app.command("embed")(searching.embed)
app.command("status")(status)
app.command("map")(mapping.library_map)
app.command("models")(models.list_models)
app.command("check")(check)
add_timeout(app)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"audiosearch {version('audiosearch')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and end."
        ),
    ] = False,
) -> None:
    """Takes the options that stand before a command."""


def main() -> None:
    """Runs the command that the arguments name."""
    try:
        app()
    except ServiceError as error:
        complain(f"{error.reason.value}: {error.message}")
    except (CommandError, OSError) as error:
        complain(str(error))
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except Stopped as stopped:
        complain(str(stopped), "stopped")
        sys.exit(STOPPED)
    sys.exit(FAILED)
