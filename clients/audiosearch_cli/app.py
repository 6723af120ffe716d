"""All commands together. Exit codes: 0 on success, 1 on a failed request, 2 on wrong usage."""

from __future__ import annotations

import sys

import typer

from audiosearch_cli import (
    calibrating,
    clips,
    enrolling,
    evaluating,
    importing,
    keys,
    recognizing,
    searching,
    serving,
    speakers,
)
from audiosearch_cli.backups import commands as backups
from audiosearch_cli.libraries import commands as libraries
from audiosearch_cli.libraries import models
from audiosearch_cli.libraries.checking import check
from audiosearch_cli.output import add_timeout, complain
from audiosearch_cli.problems import CommandError
from audiosearch_cli.vectors import commands as vectors
from gateway.access.key_file import KeyFileError
from serving.errors import ServiceError

app = typer.Typer(
    name="audiosearch",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Audio similarity search: find the sounds most like a sound.",
)
app.add_typer(libraries.app, name="library")
app.add_typer(clips.app, name="clip")
app.add_typer(speakers.app, name="speaker")
app.add_typer(calibrating.app, name="calibration")
app.add_typer(vectors.app, name="vectors")
app.add_typer(keys.app, name="key")
app.add_typer(backups.app, name="backup")
app.add_typer(models.app, name="model")
speakers.app.command("enroll")(enrolling.enroll)
speakers.app.command("verify")(recognizing.verify)
speakers.app.command("identify")(recognizing.identify)
app.command("serve")(serving.serve)
app.command("import")(importing.import_path)
app.command("evaluate")(evaluating.evaluate)
app.command("calibrate")(calibrating.calibrate)
app.command("search")(searching.search)
app.command("embed")(searching.embed)
app.command("models")(models.list_models)
app.command("check")(check)
add_timeout(app)


def main() -> None:
    """Runs the command that the arguments name."""
    try:
        app()
    except ServiceError as error:
        complain(f"{error.reason.value}: {error.message}")
    except (CommandError, KeyFileError, OSError) as error:
        complain(str(error))
    except KeyboardInterrupt:
        complain("interrupted")
    sys.exit(1)
