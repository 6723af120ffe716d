"""The command line `audiosearch`, a client of the gateway."""

from audiosearch_cli.app import main

__all__ = ["main"]
