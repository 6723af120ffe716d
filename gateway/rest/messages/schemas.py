"""JSON schemas of messages in protobuf's JSON mapping, made from their descriptors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from audiosearch.limits.v1.limits_pb2 import Limits
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pool import Default

from gateway.rest.messages.comments import comments
from serving import channels, limits, names

Schema = dict[str, Any]
_Field = FieldDescriptor
PLACE = "#/components/schemas/"
LIBRARY = SPEAKER = f"^{names.CHOSEN_ID}$"
CLIP_NAME = f"^{names.CLIP}$"
SPEAKER_NAME = f"^{names.SPEAKER}$"
_IMMUTABLE = field_behavior_pb2.FieldBehavior.Value("IMMUTABLE")
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
_CHANNEL = {
    "anyOf": [
        {"type": "string", "enum": list(channels.NAMES)},
        {"type": "integer", "minimum": 0, "maximum": channels.MOST},
    ]
}
_LINE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_NAMES: dict[int, str] = {
    Limits.FORM_CHOSEN_ID: names.CHOSEN_ID,
    Limits.FORM_CLIP: names.CLIP,
    Limits.FORM_SPEAKER: names.SPEAKER,
    Limits.FORM_IMPORT_JOB: names.IMPORT_JOB,
}
_BOUNDS: dict[str, Literal["minimum", "maximum", "exclusive_minimum", "exclusive_maximum"]] = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "exclusiveMaximum": "exclusive_maximum",
}
_FOREIGN: dict[str, Schema] = {
    "google.longrunning.ListOperationsRequest.filter": {"maxLength": 0},
    "google.longrunning.ListOperationsRequest.page_size": {"minimum": 0},
}
"""Limits of fields whose contract is not ours."""
EXAMPLES: dict[str, Any] = {
    "Library.display_name": "Field recordings",
    "CreateLibraryRequest.library_id": "demo",
    "Clip.display_name": "bronze_bell_1.wav",
    "Clip.label": "bell",
    "Clip.speaker": "Ann",
    "ListClipsRequest.page_size": 100,
    "ListClipsRequest.order_by": "duration desc",
    "ClipFilter.label": "bell",
    "ClipFilter.display_name_prefix": "bronze_",
    "CountValuesRequest.field": "label",
    "SearchConfig.k": 10,
    "SearchConfig.min_score": 0.5,
    "StreamSearchClipsConfig.words": "dog barking",
    "ImportClipsRequest.folder": "/data/imports/sounds",
    "EnrollSpeakerConfig.allow_other_voice": True,
    "EmbedAudioConfig.model": "models/sounds",
    "EmbedAudioConfig.max_tags": 5,
    "Query.display_name": "a new bell.wav",
}
"""By message and field. Each is right where the rest of a request is."""


def reference(message: Any) -> Schema:
    """A reference to the schema of a message, by its descriptor."""
    known = _WELL_KNOWN.get(message.full_name)
    return dict(known) if known else {"$ref": PLACE + message.full_name}


def of_field(field: FieldDescriptor) -> Schema:
    """The schema of a field's value."""
    if field.message_type and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        limit = limits.limits(field)
        return {
            "type": "object",
            "additionalProperties": {**of_field(value), **_at_most("maxLength", limit.max_length)},
            **_at_most("maxProperties", limit.max_items),
            **described(field),
        }
    one = _of_one(field)
    schema = {"type": "array", "items": one, **_entries(field)} if field.is_repeated else one
    if _OUTPUT_ONLY in _behaviour(field):
        schema["readOnly"] = True
    return {**schema, **described(field)}


def described(field: FieldDescriptor) -> Schema:
    """The comment of a field in its contract, and an example of its value, as keys of a schema."""
    told: Schema = {}
    if comment := comments().get(field.full_name):
        told["description"] = comment
    if example := EXAMPLES.get(field.full_name.rpartition(".v1.")[2]):
        told["examples"] = [example]
    return told


def is_channel(field: FieldDescriptor) -> bool:
    """True if the field is the number of a channel, which a parameter may also name in words."""
    return field.name == "channel" and field.type == _Field.TYPE_UINT32


def is_object(field: FieldDescriptor) -> bool:
    """True if a parameter holds the field as a JSON object."""
    message = field.message_type
    return message is not None and message.full_name not in _WELL_KNOWN


def of_parameter(field: FieldDescriptor) -> Schema:
    """The schema of a parameter, in the query or in a form, for a field."""
    return _CHANNEL if is_channel(field) else of_field(field)


def _at_most(key: str, limit: int) -> Schema:
    return {key: limit} if limit else {}


def _entries(field: FieldDescriptor) -> Schema:
    """The keys of a list's schema: fewest and most entries."""
    limit = limits.limits(field)
    return {**_at_most("minItems", limit.min_items), **_at_most("maxItems", limit.max_items)}


def _limited(field: FieldDescriptor) -> Schema:
    """The keys of a schema that the limits of the field make."""
    if _IMMUTABLE in _behaviour(field):  # no route reads it, so none refuses it
        return {}
    limit = limits.limits(field)
    schema = _at_most("maxLength", limit.max_length)
    if limit.form == Limits.FORM_LINE:
        schema["pattern"] = _LINE
    if form := _NAMES.get(limit.form):
        # Every text of a list is a name; elsewhere an empty text means that the field is not set.
        may_be_empty = not (field.is_repeated or is_required(field))
        schema["pattern"] = f"^({form})?$" if may_be_empty else f"^{form}$"
    for key, name in _BOUNDS.items():
        if limit.HasField(name):
            bound = getattr(limit, name)
            schema[key] = int(bound) if bound.is_integer() else bound
    return schema


def is_required(field: FieldDescriptor) -> bool:
    """True if the contract requires the field."""
    return _REQUIRED in _behaviour(field)


def _behaviour(field: FieldDescriptor) -> Sequence[int]:
    found: Sequence[int] = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return found


def wrong_enum(field: FieldDescriptor, value: Any) -> str:
    """Says that a value is no name of the field's enum; empty if it is, or the field has none."""
    if not field.enum_type or value in (known := list(field.enum_type.values_by_name)):
        return ""
    return f"{str(value)[:100]!r} is none of {', '.join(known)}"


def _of_one(field: FieldDescriptor) -> Schema:
    if field.message_type:
        return reference(field.message_type)
    if field.enum_type:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    return {**_SCALARS[field.type], **_limited(field), **_FOREIGN.get(field.full_name, {})}


def of_message(message: Descriptor) -> Schema:
    """The schema of a message. Unknown fields are refused."""
    about = comments().get(message.full_name)
    return {
        "type": "object",
        "title": message.name,
        **({"description": about} if about else {}),
        "properties": {field.json_name: of_field(field) for field in message.fields},
        "additionalProperties": False,
    }


def of_body(message: Any) -> Schema:
    """The schema of a message in a request body, where null stands for a field's default."""
    schema = of_message(message)
    for field in message.fields:
        if _OUTPUT_ONLY not in _behaviour(field):
            schema["properties"][field.json_name] = {"anyOf": [_in_body(field), {"type": "null"}]}
    return schema


def _in_body(field: FieldDescriptor) -> Schema:
    message = field.message_type
    if message is None or not is_object(field) or message.GetOptions().map_entry:
        return of_field(field)
    one = of_body(message)
    return {"type": "array", "items": one, **_entries(field)} if field.is_repeated else one


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
