"""Why a command can't go on, in a sentence for the user, and the exit codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

FAILED = 1
"""Exit code of a command of which nothing was done."""

SOME_FAILED = 3
"""Exit code if some of several things failed, and others are done."""

REJECTED = 4
"""Exit code of `speaker verify --exit-code` for another voice."""

STOPPED = 130
"""Exit code after Ctrl-C, as shells have it."""


class CommandError(Exception):
    """A command can't go on; the message says why and what to do."""


class Stopped(Exception):  # noqa: N818  a wish and no error
    """The user has stopped the command; the message says how to go on."""


def end(done: int, failed: int) -> None:
    """Ends the command with the exit code for so many things done and failed; not if none failed.

    Raises:
        typer.Exit: with SOME_FAILED, or FAILED if nothing is done.
    """
    if failed:
        raise typer.Exit(SOME_FAILED if done else FAILED)


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Names the extra to install when an import of the block finds a package missing.

    Commands import what only they need in their own functions. So the other commands start fast,
    and work where those packages are not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise CommandError(
            f"this command needs {error.name}, which is not installed: "
            f"pip install 'audiosearch[{name}]'"
        ) from error
