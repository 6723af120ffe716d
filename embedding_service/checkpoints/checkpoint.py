"""Chooses the weights: those set, PaddleSpeech's cached or downloaded ones, or the bundled ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from embedding_service.checkpoints import official as official_checkpoint
from embedding_service.checkpoints.archive import CheckpointError, Weights, read_checkpoint
from embedding_service.checkpoints.official import DownloadError, Official

if TYPE_CHECKING:
    from embedding_service.settings import EmbeddingSettings

BUNDLED_NAME = "ecapatdnn_small-16k"
BUNDLED_FOLDER = Path(__file__).parents[1] / "bundled"
_MAX_NAME_LENGTH = 64
log = structlog.get_logger()


class Source(Enum):
    """Origin of the weights."""

    SETTING = "setting"
    CACHE = "cache"
    DOWNLOAD = "download"
    BUNDLED = "bundled"


@dataclass(frozen=True)
class Checkpoint:
    """Weights with their name and origin."""

    name: str
    source: Source
    weights: Weights


def choose(settings: EmbeddingSettings) -> Checkpoint:
    """Finds the checkpoint that these settings ask for, with PaddleSpeech's list and cache.

    Raises:
        CheckpointError: The checkpoint that was set is broken, or PaddleSpeech is missing.
    """
    official, home = official_checkpoint.listed(), official_checkpoint.home()
    return find(settings.checkpoint, official, home, offline=settings.offline)


def find(
    setting: Path | None,
    official: Official,
    home: Path,
    *,
    offline: bool = False,
    bundled: Path = BUNDLED_FOLDER,
    reach_seconds: float = 10,
) -> Checkpoint:
    """Finds a checkpoint: the one set, else the cached, the downloaded or the bundled one.

    Args:
        setting: Folder or archive that was set. A broken one is an error; no other is tried.
        official: The official checkpoint.
        home: PaddleSpeech's own folder.
        offline: True to skip the download.
        bundled: Folder of the bundled checkpoint.
        reach_seconds: Longest wait for the official address to answer.

    Raises:
        CheckpointError: The checkpoint is broken, or none is left to try.
    """
    if setting is not None:
        return _from_setting(setting, official)
    archive = official_checkpoint.cached(official, home)
    source = Source.CACHE
    why = "AUDIOSEARCH_OFFLINE is set and PaddleSpeech's cache has no official checkpoint"
    if archive is None and not offline:
        source = Source.DOWNLOAD
        try:
            archive = official_checkpoint.download(official, home, reach_seconds)
        except DownloadError as error:
            why = str(error)
    if archive is not None:
        return Checkpoint(official.tag, source, read_checkpoint(archive))
    _warn(why, official)
    return Checkpoint(BUNDLED_NAME, Source.BUNDLED, read_checkpoint(bundled))


def _from_setting(path: Path, official: Official) -> Checkpoint:
    try:
        weights = read_checkpoint(path)
        name = _name(path, official)
    except (CheckpointError, OSError) as error:
        raise CheckpointError(f"AUDIOSEARCH_CHECKPOINT: {error}") from error
    return Checkpoint(name, Source.SETTING, weights)


def _name(path: Path, official: Official) -> str:
    """Returns the name of a checkpoint: its file's, or the official name for the official one."""
    if path.is_file() and official_checkpoint.md5_of(path) == official.md5:
        return official.tag
    stem = re.sub(r"\.(tar\.gz|tgz|tar)$", "", path.resolve().name.lower())
    if path.is_dir() and stem == official.stem.lower():
        return official.tag
    name = re.sub(r"[^a-z0-9_-]+", "-", stem).strip("-")[:_MAX_NAME_LENGTH]
    return name or "checkpoint"


def _warn(why: str, official: Official) -> None:
    message = (
        f"the small bundled model is used, because {why}. It is good for trying things out, but "
        "less accurate than the official model, and embeddings of the two can't be compared. To "
        f"get the official model, make {official.url} reachable, or download it elsewhere and name "
        "the file in AUDIOSEARCH_CHECKPOINT"
    )
    log.warning(message)
