"""Which right each RPC of the gateway needs, and to which library: one line for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.access.rights import Right
from serving.names import (
    check_library,
    library_of_calibration,
    library_of_duplicates,
    library_of_map,
    library_of_query,
    split_clip,
    split_speaker,
)


@dataclass(frozen=True)
class Rule:
    """A right to the library that the request names.

    A `library` of None is for requests that name no library. Any key may make them, and the
    servicer returns or changes only what `right` allows, if the rule has one.
    """

    right: Right | None = None
    library: Callable[[Any], str] | None = None


def _library(path: str) -> Callable[[Any], str]:
    """Reads the name of a library from the field at `path`."""
    return lambda request: check_library(_field(request, path), path)


def _of_clip(path: str) -> Callable[[Any], str]:
    """Reads the library of the clip that the field at `path` names."""
    return lambda request: split_clip(_field(request, path), path)[0]


def _of_query(path: str) -> Callable[[Any], str]:
    """Reads the library of the query that the field at `path` names."""
    return lambda request: library_of_query(_field(request, path), path)


def _of_speaker(path: str) -> Callable[[Any], str]:
    """Reads the library of the speaker that the field at `path` names."""
    return lambda request: split_speaker(_field(request, path), path)[0]


def _of_calibration(path: str) -> Callable[[Any], str]:
    """Reads the library of the calibration that the field at `path` names."""
    return lambda request: library_of_calibration(_field(request, path), path)


def _of_map(path: str) -> Callable[[Any], str]:
    """Reads the library of the map that the field at `path` names."""
    return lambda request: library_of_map(_field(request, path), path)


def _of_duplicates(path: str) -> Callable[[Any], str]:
    """Reads the library of the duplicates that the field at `path` names."""
    return lambda request: library_of_duplicates(_field(request, path), path)


def _new(request: Any) -> str:
    return check_library(f"libraries/{request.library_id}", "library_id")


def _field(request: Any, path: str) -> str:
    for part in path.split("."):
        request = getattr(request, part)
    return str(request)


_READ, _WRITE, _MANAGE = Right.read, Right.write, Right.manage

_SERVICES: Mapping[str, Mapping[str, Rule]] = {
    "audiosearch.gateway.v1.LibraryService": {
        "CreateLibrary": Rule(_MANAGE, _new),
        "GetLibrary": Rule(_READ, _library("name")),
        "ListLibraries": Rule(_READ),
        "UpdateLibrary": Rule(_MANAGE, _library("library.name")),
        "MigrateLibrary": Rule(_MANAGE, _library("name")),
        "DeleteLibrary": Rule(_MANAGE, _library("name")),
        "GetLibraryMap": Rule(_READ, _of_map("name")),
        "GetDuplicates": Rule(_READ, _of_duplicates("name")),
    },
    "audiosearch.gateway.v1.ClipService": {
        "UploadClip": Rule(_WRITE, _library("config.parent")),
        "UploadVectors": Rule(_WRITE, _library("parent")),
        "ImportClips": Rule(_WRITE, _library("parent")),
        "ListReferences": Rule(_WRITE, _library("parent")),
        "GetClip": Rule(_READ, _of_clip("name")),
        "GetPeaks": Rule(_READ, _of_clip("name")),
        "ListClips": Rule(_READ, _library("parent")),
        "CountValues": Rule(_READ, _library("parent")),
        "TagClip": Rule(_READ, _of_clip("name")),
        "UpdateClip": Rule(_WRITE, _of_clip("clip.name")),
        "DeleteClip": Rule(_WRITE, _of_clip("name")),
        "RestoreClip": Rule(_WRITE, _of_clip("name")),
        "DownloadAudio": Rule(_READ, _of_clip("name")),
    },
    "audiosearch.gateway.v1.SearchService": {
        "SearchClips": Rule(_READ, _library("config.parent")),
        "BatchSearchClips": Rule(_READ),
        "CreateQuery": Rule(_WRITE, _library("config.parent")),
        "GetQuery": Rule(_READ, _of_query("name")),
        "DownloadQuery": Rule(_READ, _of_query("name")),
        "StreamSearchClips": Rule(_READ, _library("config.search.parent")),
    },
    "audiosearch.gateway.v1.SpeakerService": {
        "EnrollSpeaker": Rule(_WRITE, _library("config.parent")),
        "GetSpeaker": Rule(_READ, _of_speaker("name")),
        "ListSpeakers": Rule(_READ, _library("parent")),
        "UpdateSpeaker": Rule(_WRITE, _of_speaker("speaker.name")),
        "RemoveEnrollments": Rule(_WRITE, _of_speaker("name")),
        "DeleteSpeaker": Rule(_WRITE, _of_speaker("name")),
        "VerifySpeaker": Rule(_READ, _of_speaker("config.name")),
        "IdentifySpeaker": Rule(_READ, _library("config.parent")),
    },
    "audiosearch.gateway.v1.CalibrationService": {
        "CalibrateLibrary": Rule(_MANAGE, _library("name")),
        "GetCalibration": Rule(_READ, _of_calibration("name")),
        "UpdateCalibration": Rule(_MANAGE, _of_calibration("calibration.name")),
        "DeleteCalibration": Rule(_MANAGE, _of_calibration("name")),
    },
    "audiosearch.gateway.v1.ModelService": {
        "GetModel": Rule(),
        "ListModels": Rule(),
        "EmbedAudio": Rule(),
        "StreamEmbeddings": Rule(),
    },
    "audiosearch.gateway.v1.StatusService": {
        "GetStatus": Rule(_READ),
    },
    "google.longrunning.Operations": {
        "GetOperation": Rule(_READ),
        "ListOperations": Rule(_READ),
        "WaitOperation": Rule(_READ),
        "CancelOperation": Rule(_WRITE),
        "DeleteOperation": Rule(_WRITE),
    },
}

RULES: Mapping[str, Rule] = {
    f"/{service}/{rpc}": rule for service, rules in _SERVICES.items() for rpc, rule in rules.items()
}
"""By the path of each RPC, `/package.Service/Method`."""
