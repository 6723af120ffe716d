"""Why a command can't go on, in a sentence for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class CommandError(Exception):
    """A command can't go on; the message says why and what to do."""


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
