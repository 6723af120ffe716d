"""JSON schemas of messages in protobuf's JSON mapping, made from their descriptors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default

from serving import names

Schema = dict[str, Any]
_Field = FieldDescriptor
PLACE = "#/components/schemas/"
LIBRARY = SPEAKER = f"^{names.CHOSEN_ID}$"
CLIP_NAME = f"^{names.CLIP}$"
SPEAKER_NAME = f"^{names.SPEAKER}$"
_OUTPUT_ONLY = field_behavior_pb2.FieldBehavior.Value("OUTPUT_ONLY")
_REQUIRED = field_behavior_pb2.FieldBehavior.Value("REQUIRED")

_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string", "pattern": r"^([A-Za-z.]+(,[A-Za-z.]+)*|\*)?$"},
    "google.protobuf.Empty": {"type": "object", "additionalProperties": False},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "additionalProperties": True,
    },
}
_INTEGER = {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}
_LONG = {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"}
_SCALARS: dict[int, Schema] = {
    _Field.TYPE_BOOL: {"type": "boolean"},
    _Field.TYPE_BYTES: {"type": "string", "format": "byte"},
    _Field.TYPE_DOUBLE: {"type": "number", "format": "double"},
    _Field.TYPE_FLOAT: {"type": "number", "format": "float"},
    _Field.TYPE_INT32: _INTEGER,
    _Field.TYPE_INT64: _LONG,
    _Field.TYPE_STRING: {"type": "string"},
    _Field.TYPE_UINT32: {**_INTEGER, "minimum": 0, "maximum": 2**32 - 1},
    _Field.TYPE_UINT64: {**_LONG, "pattern": "^[0-9]{1,20}$"},
}
_TEXT = {"maxLength": 255, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}
_REQUEST_ID = {**_TEXT, "maxLength": 64}
_PAGE_SIZE = {"minimum": 0}
_POSITIVE = {"exclusiveMinimum": 0}
_SHARE = {"exclusiveMinimum": 0, "exclusiveMaximum": 1}
_LIMITS: dict[str, Schema] = {
    "audiosearch.catalog.v1.Clip.display_name": _TEXT,
    "audiosearch.catalog.v1.Clip.label": _TEXT,
    "audiosearch.catalog.v1.Clip.speaker": _TEXT,
    "audiosearch.catalog.v1.ClipFilter.enrolled_speaker": {"pattern": f"^$|{SPEAKER_NAME}"},
    "audiosearch.catalog.v1.ClipFilter.import_job": {"pattern": f"^({names.IMPORT_JOB})?$"},
    "audiosearch.catalog.v1.CreateLibraryRequest.library_id": {"pattern": LIBRARY},
    "audiosearch.catalog.v1.CreateLibraryRequest.request_id": _REQUEST_ID,
    "audiosearch.catalog.v1.DetectionCosts.cost_false_alarm": _POSITIVE,
    "audiosearch.catalog.v1.DetectionCosts.cost_miss": _POSITIVE,
    "audiosearch.catalog.v1.DetectionCosts.p_target": _SHARE,
    "audiosearch.catalog.v1.Library.display_name": _TEXT,
    "audiosearch.catalog.v1.ListClipsRequest.page_size": _PAGE_SIZE,
    "audiosearch.catalog.v1.ListLibrariesRequest.page_size": _PAGE_SIZE,
    "audiosearch.catalog.v1.ListSpeakersRequest.page_size": _PAGE_SIZE,
    "audiosearch.catalog.v1.OperatingPoint.max_false_alarm_rate": _SHARE,
    "audiosearch.catalog.v1.RemoveEnrollmentsRequest.clips": {"pattern": CLIP_NAME},
    "audiosearch.catalog.v1.Speaker.display_name": _TEXT,
    "audiosearch.embedding.v1.PcmFormat.channels": {"minimum": 0, "maximum": 64},
    "audiosearch.embedding.v1.PcmFormat.sample_rate": {"minimum": 1000, "maximum": 384_000},
    "audiosearch.gateway.v1.CalibrateLibraryRequest.enrollment_clip_count": {
        "minimum": 0,
        "maximum": 100,
    },
    "audiosearch.gateway.v1.CalibrateLibraryRequest.max_clip_count": {
        "minimum": 0,
        "maximum": 20_000,
    },
    "audiosearch.gateway.v1.IdentifySpeakerConfig.candidates": {"pattern": SPEAKER_NAME},
    "audiosearch.gateway.v1.IdentifySpeakerConfig.k": {"minimum": 1, "maximum": 100},
    "audiosearch.gateway.v1.ImportClipsRequest.label": _TEXT,
    "audiosearch.gateway.v1.ImportClipsRequest.request_id": _REQUEST_ID,
    "audiosearch.gateway.v1.SearchConfig.k": {"minimum": 1, "maximum": 1000},
    "audiosearch.gateway.v1.SearchConfig.min_score": {"minimum": -1, "maximum": 1},
    "audiosearch.gateway.v1.UploadClipConfig.request_id": _REQUEST_ID,
    "google.longrunning.ListOperationsRequest.filter": {"maxLength": 0},
    "google.longrunning.ListOperationsRequest.page_size": _PAGE_SIZE,
}
"""Limits that the services check and the descriptors don't contain."""


def reference(message: Any) -> Schema:
    """A reference to the schema of a message, by its descriptor."""
    known = _WELL_KNOWN.get(message.full_name)
    return dict(known) if known else {"$ref": PLACE + message.full_name}


def of_field(field: FieldDescriptor) -> Schema:
    """The schema of a field's value."""
    if field.message_type and field.message_type.GetOptions().map_entry:
        return {
            "type": "object",
            "additionalProperties": of_field(field.message_type.fields_by_name["value"]),
        }
    one = _of_one(field)
    schema = {"type": "array", "items": one} if field.is_repeated else one
    return {**schema, "readOnly": True} if _OUTPUT_ONLY in _behaviour(field) else schema


def is_required(field: FieldDescriptor) -> bool:
    """True if the contract requires the field."""
    return _REQUIRED in _behaviour(field)


def _behaviour(field: FieldDescriptor) -> Sequence[int]:
    found: Sequence[int] = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return found


def _of_one(field: FieldDescriptor) -> Schema:
    if field.message_type:
        return reference(field.message_type)
    if field.enum_type:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    return {**_SCALARS[field.type], **_LIMITS.get(field.full_name, {})}


def of_message(message: Descriptor) -> Schema:
    """The schema of a message. Unknown fields are refused."""
    return {
        "type": "object",
        "title": message.name,
        "properties": {field.json_name: of_field(field) for field in message.fields},
        "additionalProperties": False,
    }


def of_body(message: Any) -> Schema:
    """The schema of a message in a request body, where null stands for a field's default."""
    schema = of_message(message)
    for name, each in schema["properties"].items():
        if not each.get("readOnly"):
            schema["properties"][name] = {"anyOf": [each, {"type": "null"}]}
    return schema


def components(document: Any) -> dict[str, Schema]:
    """The schemas of all messages that a document refers to, directly or indirectly."""
    found: dict[str, Schema] = {}
    left = list(_references(document))
    find: Callable[[str], Descriptor] = Default().FindMessageTypeByName
    while left:
        name = left.pop().removeprefix(PLACE)
        if name not in found and "." in name:
            found[name] = of_message(find(name))
            left += _references(found[name])
    return dict(sorted(found.items()))


def _references(document: Any) -> Iterator[str]:
    if isinstance(document, list):
        for each in document:
            yield from _references(each)
    elif isinstance(document, dict):
        if isinstance(place := document.get("$ref"), str):
            yield place
        yield from _references(list(document.values()))
