"""Which right each RPC of the gateway needs, and to which library: one line for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.access.rights import Right
from serving.names import (
    check_library,
    library_of_calibration,
    library_of_map,
    split_clip,
    split_speaker,
)

GATEWAY = "/audiosearch.gateway.v1.GatewayService/"
OPERATIONS = "/google.longrunning.Operations/"


@dataclass(frozen=True)
class Rule:
    """A right to the library that the request names.

    Where `library` is None the request names none: any key may call, and the servicer shows or
    touches only what `right` allows, if the rule has one.
    """

    right: Right | None = None
    library: Callable[[Any], str] | None = None


def _library(path: str) -> Callable[[Any], str]:
    """Reads the name of a library from the field at `path`."""
    return lambda request: check_library(_field(request, path), path)


def _of_clip(path: str) -> Callable[[Any], str]:
    """Reads the library of the clip that the field at `path` names."""
    return lambda request: split_clip(_field(request, path), path)[0]


def _of_speaker(path: str) -> Callable[[Any], str]:
    """Reads the library of the speaker that the field at `path` names."""
    return lambda request: split_speaker(_field(request, path), path)[0]


def _of_calibration(path: str) -> Callable[[Any], str]:
    """Reads the library of the calibration that the field at `path` names."""
    return lambda request: library_of_calibration(_field(request, path), path)


def _of_map(path: str) -> Callable[[Any], str]:
    """Reads the library of the map that the field at `path` names."""
    return lambda request: library_of_map(_field(request, path), path)


def _new(request: Any) -> str:
    return check_library(f"libraries/{request.library_id}", "library_id")


def _field(request: Any, path: str) -> str:
    for part in path.split("."):
        request = getattr(request, part)
    return str(request)


_READ, _WRITE, _MANAGE = Right.read, Right.write, Right.manage

RULES: Mapping[str, Rule] = {
    GATEWAY + "CreateLibrary": Rule(_MANAGE, _new),
    GATEWAY + "GetLibrary": Rule(_READ, _library("name")),
    GATEWAY + "ListLibraries": Rule(_READ),
    GATEWAY + "UpdateLibrary": Rule(_MANAGE, _library("library.name")),
    GATEWAY + "DeleteLibrary": Rule(_MANAGE, _library("name")),
    GATEWAY + "UploadClip": Rule(_WRITE, _library("config.parent")),
    GATEWAY + "ImportClips": Rule(_WRITE, _library("parent")),
    GATEWAY + "GetClip": Rule(_READ, _of_clip("name")),
    GATEWAY + "ListClips": Rule(_READ, _library("parent")),
    GATEWAY + "UpdateClip": Rule(_WRITE, _of_clip("clip.name")),
    GATEWAY + "DeleteClip": Rule(_WRITE, _of_clip("name")),
    GATEWAY + "DownloadAudio": Rule(_READ, _of_clip("name")),
    GATEWAY + "SearchClips": Rule(_READ, _library("config.parent")),
    GATEWAY + "StreamSearchClips": Rule(_READ, _library("config.search.parent")),
    GATEWAY + "EnrollSpeaker": Rule(_WRITE, _library("config.parent")),
    GATEWAY + "GetSpeaker": Rule(_READ, _of_speaker("name")),
    GATEWAY + "ListSpeakers": Rule(_READ, _library("parent")),
    GATEWAY + "UpdateSpeaker": Rule(_WRITE, _of_speaker("speaker.name")),
    GATEWAY + "RemoveEnrollments": Rule(_WRITE, _of_speaker("name")),
    GATEWAY + "DeleteSpeaker": Rule(_WRITE, _of_speaker("name")),
    GATEWAY + "VerifySpeaker": Rule(_READ, _of_speaker("config.name")),
    GATEWAY + "IdentifySpeaker": Rule(_READ, _library("config.parent")),
    GATEWAY + "CalibrateLibrary": Rule(_MANAGE, _library("name")),
    GATEWAY + "GetCalibration": Rule(_READ, _of_calibration("name")),
    GATEWAY + "UpdateCalibration": Rule(_MANAGE, _of_calibration("calibration.name")),
    GATEWAY + "DeleteCalibration": Rule(_MANAGE, _of_calibration("name")),
    GATEWAY + "GetLibraryMap": Rule(_READ, _of_map("name")),
    GATEWAY + "GetStatus": Rule(_READ),
    GATEWAY + "EmbedAudio": Rule(),
    GATEWAY + "GetModel": Rule(),
    GATEWAY + "ListModels": Rule(),
    OPERATIONS + "GetOperation": Rule(_READ),
    OPERATIONS + "ListOperations": Rule(_READ),
    OPERATIONS + "WaitOperation": Rule(_READ),
    OPERATIONS + "CancelOperation": Rule(_WRITE),
    OPERATIONS + "DeleteOperation": Rule(_WRITE),
}
