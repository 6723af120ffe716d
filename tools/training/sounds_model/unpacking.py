"""Fetches Debian's packages of sounds and unpacks what is in them; installs nothing."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

from tools.training.sounds_model.soundfont import write_samples
from tools.training.sounds_model.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

SUFFIXES = frozenset({".wav", ".ogg", ".oga", ".flac", ".aif", ".aiff", ".mp3"})
"""Endings of the files of sound that are read, in small letters."""

_ARCHIVES = frozenset({".zip", ".pk3", ".wz"})


class PackageError(Exception):
    """A package cannot be fetched or unpacked. The message says which, and why."""


def fetch_all(folder: Path, report: Callable[[str], None]) -> None:
    """Fetches and unpacks every package into a folder of its own below `folder`.

    Needs `apt-get` and `dpkg-deb`, as on Debian 12, and 4 GB of room. A package whose folder is
    there is not fetched again.

    Raises:
        PackageError: A package cannot be had.
    """
    for source in SOURCES:
        target = folder / source.package
        if target.is_dir():
            continue
        report(f"fetching {source.package}")
        unfinished = folder / f"{source.package}.part"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _run(["apt-get", "download", source.package], unfinished)
        for archive in list(unfinished.glob("*.deb")):
            _run(["dpkg-deb", "--extract", archive.name, "."], unfinished)
            archive.unlink()
        open_archives(unfinished)
        unfinished.replace(target)


def open_archives(folder: Path) -> None:
    """Unpacks the archives of games and the sound fonts below a folder, beside each file."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    for path in files:
        if path.suffix.lower() in _ARCHIVES:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(path.parent, _sounds(archive.namelist()))
            path.unlink()
        elif path.suffix.lower() == ".sf2":
            write_samples(path, path.with_suffix(""))
            path.unlink()


def sound_files(folder: Path) -> list[str]:
    """Returns the files of sound below a folder, relative to it, in order; music is left out."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        path.as_posix()
        for path in paths
        if path.suffix.lower() in SUFFIXES and "music" not in [part.lower() for part in path.parts]
    )


def _sounds(names: Iterable[str]) -> list[str]:
    endings = tuple(SUFFIXES)
    return [name for name in names if name.lower().endswith(endings)]


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603  fixed commands, names from a list in this package
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        message = f"{' '.join(command)} failed: {said.strip()}"
        raise PackageError(message) from error
