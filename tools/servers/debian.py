"""Finds programs of Debian packages, and installs missing ones if that is allowed."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

INSTALL_SECONDS = 600


class MissingError(RuntimeError):
    """A program is missing and can't be installed. The message says why."""


def program(name: str) -> str:
    """Returns the path of a program: beside this Python, on the PATH, or in Debian's sbin."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else _found(name) or name


def _found(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def require(programs: Mapping[str, str], *libraries: str) -> None:
    """Installs the packages of missing programs, and then `libraries` with them.

    Args:
        programs: Names of programs, each with its package.
        libraries: Packages to install together with the programs.

    Raises:
        MissingError: The packages can't be installed here.
    """
    # Looked for under the lock: a program can be there before its package is set up.
    with (Path(tempfile.gettempdir()) / "audiosearch-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [package for program, package in programs.items() if not _found(program)]
        if missing:
            _install(*missing, *libraries)


def _install(*packages: str) -> None:
    wanted = " ".join(packages)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise MissingError(f"these packages are missing and can't be installed here: {wanted}")
    try:
        _update_lists()
        _apt_get("install", "-y", "-qq", "--no-install-recommends", *packages)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"apt-get can't install {wanted}: {error}") from error


@functools.cache
def _update_lists() -> None:
    """Updates the lists of packages, once for each run."""
    _apt_get("update", "-qq")


def _apt_get(*arguments: str) -> None:
    subprocess.run(
        [program("apt-get"), *arguments],
        check=True,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        timeout=INSTALL_SECONDS,
    )
