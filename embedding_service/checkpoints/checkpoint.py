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
from embedding_service.checkpoints.official import (
    INSTALL,
    DownloadError,
    NoPaddleSpeechError,
    Official,
    UnreachableError,
)
from embedding_service.checkpoints.wanted import BUNDLED, OFFICIAL, PURPOSES, Wanted, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedding_service.settings import EmbeddingSettings

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


class NoCheckpointError(CheckpointError):
    """There is no checkpoint of a model on this machine, and none was downloaded."""


def choose(settings: EmbeddingSettings) -> Iterator[Checkpoint]:
    """Finds the checkpoints that these settings ask for, in their order.

    A model of the default list that can't be found is left out with a warning.

    Raises:
        CheckpointError: A checkpoint is broken, one that was asked for is missing, or PaddleSpeech
            is missing.
    """
    asked = "models" in settings.model_fields_set
    unreached: dict[str, str] = {}
    for wanted in parse(settings.models):
        try:
            found = _find(wanted, settings, unreached)
        except NoCheckpointError as error:
            if asked:
                raise CheckpointError(f"AUDIOSEARCH_MODELS: {wanted.name}: {error}") from error
            message = f"no model for {wanted.name} runs: {error}"
            log.warning(message)
        else:
            yield found


def _find(wanted: Wanted, settings: EmbeddingSettings, unreached: dict[str, str]) -> Checkpoint:
    name = wanted.name
    if wanted.path is not None:
        try:
            return Checkpoint(name, Source.SETTING, read_checkpoint(wanted.path))
        except (CheckpointError, OSError) as error:
            raise CheckpointError(f"AUDIOSEARCH_MODELS: {name}: {error}") from error
    if name in BUNDLED:
        return _bundled(name, BUNDLED[name])
    home = official_checkpoint.home()
    if name in OFFICIAL:
        listed = official_checkpoint.listed(name)
        return find(None, listed, home, offline=settings.offline, unreached=unreached)
    choice = PURPOSES[name]
    setting = settings.checkpoint if name == "voices" else None
    try:
        listed = official_checkpoint.listed(choice.official)
    except NoPaddleSpeechError:
        if setting is not None:
            raise
        why, advice = "PaddleSpeech is not installed", f"To get the official model: {INSTALL}"
        return _small(choice.bundled, BUNDLED[choice.bundled], why, advice)
    return find(
        setting,
        listed,
        home,
        offline=settings.offline,
        bundled=BUNDLED[choice.bundled],
        bundled_name=choice.bundled,
        unreached=unreached,
    )


def find(
    setting: Path | None,
    official: Official,
    home: Path,
    *,
    offline: bool = False,
    bundled: Path | None = None,
    bundled_name: str = PURPOSES["voices"].bundled,
    reach_seconds: float = 10,
    unreached: dict[str, str] | None = None,
) -> Checkpoint:
    """Finds a checkpoint: the one set, else the cached, the downloaded or the bundled one.

    Args:
        setting: Folder or archive that was set. A broken one is an error; no other is tried.
        official: The official checkpoint.
        home: PaddleSpeech's own folder.
        offline: True to skip the download.
        bundled: Folder of the bundled checkpoint; None if it is not wanted.
        bundled_name: Its name.
        reach_seconds: Longest wait for the official address to answer.
        unreached: Hosts that did not answer at this start, with the reason: none is waited for
            twice.

    Raises:
        CheckpointError: The checkpoint is broken.
        NoCheckpointError: None is left to try.
    """
    if setting is not None:
        return _from_setting(setting, official)
    unreached = {} if unreached is None else unreached
    archive = official_checkpoint.cached(official, home)
    source = Source.CACHE
    why = "AUDIOSEARCH_OFFLINE is set and PaddleSpeech's cache has no official checkpoint"
    if archive is None and not offline and official.host in unreached:
        why = unreached[official.host]
    elif archive is None and not offline:
        source = Source.DOWNLOAD
        try:
            archive = official_checkpoint.download(official, home, reach_seconds)
        except UnreachableError as error:
            why = unreached[official.host] = str(error)
        except DownloadError as error:
            why = str(error)
    if archive is not None:
        return Checkpoint(official.tag, source, read_checkpoint(archive))
    if bundled is None or not bundled.is_dir():
        raise NoCheckpointError(f"there is no checkpoint, because {why}. {_advice(official)}")
    return _small(bundled_name, bundled, why, _advice(official))


def _small(name: str, folder: Path, why: str, advice: str) -> Checkpoint:
    """A bundled checkpoint in the place of an official one."""
    message = (
        f"the small bundled model {name} is used, because {why}. It is good for trying "
        "things out, but less accurate than the official model, and embeddings of the two can't be "
        f"compared. {advice}"
    )
    log.warning(message)
    return _bundled(name, folder)


def _bundled(name: str, folder: Path) -> Checkpoint:
    if not folder.is_dir():
        raise NoCheckpointError(f"{folder} is missing in this installation")
    return Checkpoint(name, Source.BUNDLED, read_checkpoint(folder))


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


def _advice(official: Official) -> str:
    setting = (
        "AUDIOSEARCH_CHECKPOINT"
        if official.tag == PURPOSES["voices"].official
        else f"AUDIOSEARCH_MODELS, as {official.tag}=FILE"
    )
    return (
        f"To get the official model, make {official.url} reachable, or download it elsewhere and "
        f"name the file in {setting}"
    )
