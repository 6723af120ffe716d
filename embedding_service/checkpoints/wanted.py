"""The models that AUDIOSEARCH_MODELS asks for, and the checkpoints that are known by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

OFFICIAL = {
    "ecapatdnn_voxceleb12-16k": "vector_dynamic_pretrained_models",
    "panns_cnn14-32k": "cls_dynamic_pretrained_models",
    "panns_cnn10-32k": "cls_dynamic_pretrained_models",
    "panns_cnn6-32k": "cls_dynamic_pretrained_models",
}
"""PaddleSpeech's names of official checkpoints, each with the table of its resources."""

_FOLDER = Path(__file__).parents[1] / "bundled"
BUNDLED = {"ecapatdnn_small-16k": _FOLDER / "voices", "panns_small-32k": _FOLDER / "sounds"}
"""Folders of the checkpoints that come with Audiosearch, by name."""


@dataclass(frozen=True)
class Choice:
    """The checkpoints of a purpose: the official one, or else the bundled one."""

    official: str
    bundled: str


PURPOSES = {
    "voices": Choice("ecapatdnn_voxceleb12-16k", "ecapatdnn_small-16k"),
    "sounds": Choice("panns_cnn10-32k", "panns_small-32k"),
}

_OWN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Wanted:
    """A model that is asked for.

    Attributes:
        name: A purpose, or the name of a checkpoint.
        path: Folder or archive of the checkpoint, if it is one's own.
    """

    name: str
    path: Path | None = None


def parse(text: str) -> list[Wanted]:
    """Reads the value of AUDIOSEARCH_MODELS.

    Raises:
        ValueError: It names no model, one twice, or one that is not known.
    """
    wanted = [_entry(part.strip()) for part in text.split(",") if part.strip()]
    if not wanted:
        raise ValueError("AUDIOSEARCH_MODELS names no model")
    names = [one.name for one in wanted]
    for name in names:
        if names.count(name) > 1:
            message = f"AUDIOSEARCH_MODELS names {name} twice"
            raise ValueError(message)
    return wanted


def _entry(text: str) -> Wanted:
    name, separator, path = (part.strip() for part in text.partition("="))
    if not separator and (name in PURPOSES or name in OFFICIAL or name in BUNDLED):
        return Wanted(name)
    if not separator:
        known = ", ".join((*PURPOSES, *OFFICIAL, *BUNDLED))
        message = f"AUDIOSEARCH_MODELS: {name!r} is not known; name {known} or NAME=PATH"
        raise ValueError(message)
    if not _OWN.fullmatch(name) or name in PURPOSES or name == "default":
        message = (
            f"AUDIOSEARCH_MODELS: {name!r} can't be the name of a checkpoint: a name has up to 64 "
            "small letters, digits, - and _, and is no purpose"
        )
        raise ValueError(message)
    if not path:
        message = f"AUDIOSEARCH_MODELS: {text!r} lacks the path of the checkpoint"
        raise ValueError(message)
    return Wanted(name, Path(path))
