"""Builds the gRPC stubs before the packages are collected. All else is in pyproject.toml."""

from __future__ import annotations

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).parent / "protos"))

from generate import generate


class BuildWithStubs(build_py):
    """Extends `build_py` by the generation of the stubs."""

    def run(self) -> None:
        """Generates the stubs, then builds."""
        generate(typed=False)  # the plugin for types is not installed during a build
        super().run()


setup(cmdclass={"build_py": BuildWithStubs})
