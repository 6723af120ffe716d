"""Builds the gRPC stubs before the packages are collected; all else is in pyproject.toml."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).parent / "protos"))

from generate import generate


class BuildWithStubs(build_py):
    """`build_py`, with the stubs made first."""

    def run(self) -> None:
        """Generates, then builds."""
        generate(typed=False)  # the plugin for types is not there while building
        super().run()


setup(cmdclass={"build_py": BuildWithStubs})
