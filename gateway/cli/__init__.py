"""The command line `audiosearch`, a client of the gateway."""

from gateway.cli.app import main

__all__ = ["main"]
