"""PaddleSpeech's official checkpoints: their addresses, their places on disk, their download."""

from __future__ import annotations

import os
import queue
import runpy
import tempfile
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from embedding_service.checkpoints.archive import CheckpointError, find_root, unpack
from embedding_service.checkpoints.wanted import OFFICIAL

INSTALL = "pip install paddlepaddle==3.3.1 && pip install --no-deps paddlespeech==1.5.0"
"""The way to run other models than the bundled ones."""

_PROGRESS_STEP = 10
log = structlog.get_logger()


class NoPaddleSpeechError(CheckpointError):
    """PaddleSpeech is not installed, which its checkpoints need. The message says how it is."""


class DownloadError(Exception):
    """An official checkpoint can't be downloaded. The message says why."""


class UnreachableError(DownloadError):
    """The address of an official checkpoint does not answer."""


@dataclass(frozen=True)
class Official:
    """An official checkpoint as PaddleSpeech lists it.

    Attributes:
        tag: PaddleSpeech's name of the model.
        version: Its version there.
        url: Address of the archive.
        md5: Hash of the archive, hexadecimal.
    """

    tag: str
    version: str
    url: str
    md5: str

    @property
    def host(self) -> str:
        """Host and port of the address."""
        return urlsplit(self.url).netloc

    @property
    def stem(self) -> str:
        """Name of the archive without its endings."""
        return self.url.rsplit("/", 1)[-1].removesuffix(".tar.gz")

    def folder(self, home: Path) -> Path:
        """Returns the folder in which PaddleSpeech keeps the archive and its contents."""
        return home / "models" / self.tag / self.version

    def archive(self, home: Path) -> Path:
        """Returns the path at which PaddleSpeech keeps the archive."""
        return self.folder(home) / self.url.rsplit("/", 1)[-1]


def listed(tag: str) -> Official:
    """Reads address and hash of a checkpoint from the installed PaddleSpeech.

    Runs that one file only: importing its package needs all packages of the command line.

    Args:
        tag: One of `TAGS`.

    Raises:
        NoPaddleSpeechError: PaddleSpeech is not installed.
    """
    package = find_spec("paddlespeech")
    if package is None or not package.submodule_search_locations:
        raise NoPaddleSpeechError(f"PaddleSpeech is missing: {INSTALL}")
    file = Path(package.submodule_search_locations[0]) / "resource" / "pretrained_models.py"
    versions = runpy.run_path(str(file))[OFFICIAL[tag]][tag]
    version = list(versions)[-1]
    return Official(tag, version, versions[version]["url"], versions[version]["md5"])


def home() -> Path:
    """Returns PaddleSpeech's own folder: PPSPEECH_HOME, or .paddlespeech in the user's home."""
    return Path(os.environ.get("PPSPEECH_HOME") or Path.home() / ".paddlespeech")


def md5_of(file: Path) -> str:
    """Returns the MD5 hash of a file, hexadecimal."""
    import pooch  # noqa: PLC0415  heavy: only where there is an official checkpoint

    return str(pooch.file_hash(str(file), alg="md5"))


def cached(official: Official, place: Path) -> Path | None:
    """Finds the checkpoint in PaddleSpeech's cache.

    Trusts only an archive of the right hash, as PaddleSpeech does. The folder unpacked beside it
    is not used: an unpacking that was stopped leaves it incomplete.

    Returns:
        The archive, or None when it is missing or has another hash.
    """
    archive = official.archive(place)
    return archive if archive.is_file() and md5_of(archive) == official.md5 else None


def download(
    official: Official, place: Path, reach_seconds: float = 10, stall_seconds: float = 30
) -> Path:
    """Downloads the checkpoint into PaddleSpeech's cache, as PaddleSpeech lays it out.

    Args:
        official: The checkpoint to download.
        place: PaddleSpeech's own folder.
        reach_seconds: Longest wait for the address to answer.
        stall_seconds: Longest wait for the next bytes.

    Returns:
        The archive. It appears only when it is complete and its hash is right.

    Raises:
        UnreachableError: The address can't be reached.
        DownloadError: It stops half way or sends other data, or the disk is full.
    """
    import pooch  # noqa: PLC0415  heavy: only where something is downloaded
    import requests  # noqa: PLC0415  the same

    archive = official.archive(place)
    _reach(official.url, reach_seconds)
    log.info("checkpoint.download", url=official.url, to=str(archive))
    fetch = pooch.HTTPDownloader(progressbar=_Progress(), timeout=(reach_seconds, stall_seconds))
    try:
        archive.unlink(missing_ok=True)
        pooch.retrieve(
            official.url, f"md5:{official.md5}", archive.name, archive.parent, downloader=fetch
        )
        _unpack_beside(archive)
    except (requests.RequestException, OSError) as error:
        raise DownloadError(f"the download of {official.url} failed: {error}") from error
    except (ValueError, CheckpointError) as error:
        raise DownloadError(
            f"{official.url} sent something other than the checkpoint: {error}"
        ) from error
    return archive


def _unpack_beside(archive: Path) -> None:
    """Unpacks, in one step, into the folder that PaddleSpeech looks in: it finds the files too."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        fresh = Path(folder) / "fresh"
        fresh.mkdir()
        unpack(archive, fresh)
        root, _ = find_root(fresh)
        # PaddleSpeech's rule: the archive's only folder, else the name without its last ending.
        target = archive.parent / (root.name if root != fresh else archive.stem)
        if not target.exists():
            root.rename(target)


def _reach(url: str, seconds: float) -> None:
    """Checks that an address answers. Uses a thread, since a name look-up has no time limit."""
    import requests  # noqa: PLC0415  heavy: only where something is downloaded

    answer: queue.SimpleQueue[str] = queue.SimpleQueue()

    def ask() -> None:
        try:
            with requests.get(url, stream=True, timeout=seconds) as response:
                response.raise_for_status()
        except requests.RequestException as error:
            inner = error.args[0] if error.args else None
            answer.put(str(getattr(inner, "reason", error)))
        else:
            answer.put("")

    threading.Thread(target=ask, daemon=True, name="reach").start()
    try:
        problem = answer.get(timeout=seconds)
    except queue.Empty:
        problem = f"no answer within {seconds:g} s"
    if problem:
        raise UnreachableError(f"its address can't be reached ({problem})")


class _Progress:
    """Logs the progress of a download at every tenth of it."""

    def __init__(self) -> None:
        self.total = 0
        self._done = 0
        self._said = 0

    def update(self, size: int) -> None:
        self._done = min(self._done + size, self.total)
        percent = 100 * self._done // self.total if self.total else 0
        if percent >= self._said + _PROGRESS_STEP:
            self._said = percent
            log.info("checkpoint.download", percent=percent, megabytes=round(self.total / 1e6, 1))

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """Does nothing; pooch calls it at the end."""
