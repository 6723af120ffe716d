"""The command line `audiosearch`, a client of the gateway."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command that the arguments name.

    The wheel of the Python client brings the command, too, but not the packages that draw it.
    """
    try:
        from audiosearch_cli import app  # noqa: PLC0415  to say so where they are missing
    except ModuleNotFoundError as error:
        sys.exit(f"audiosearch: {error.name} is not installed: pip install 'audiosearch[cli]'")
    app.main()


__all__ = ["main"]
