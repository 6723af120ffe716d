"""The limits of fields, which stand in the contracts as options of the fields."""

from __future__ import annotations

from functools import cache

from audiosearch.gateway.v1.speakers_pb2 import EnrollSpeakerRequest
from audiosearch.limits.v1 import limits_pb2
from audiosearch.limits.v1.limits_pb2 import Limits
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message


@cache
def limits(field: FieldDescriptor) -> Limits:
    """Returns the limits of a field; empty ones if it has none."""
    found: Limits = field.GetOptions().Extensions[limits_pb2.limits]
    return found


def cut(message: type[Message], field: str, text: str) -> str:
    """Returns the start of a text, as much as the field of that name may hold."""
    return text[: of(message, field).max_length]


def of(message: Message | type[Message], field: str) -> Limits:
    """Returns the limits of the field of that name."""
    return limits(message.DESCRIPTOR.fields_by_name[field])


MAX_RECORDINGS = of(EnrollSpeakerRequest, "recording").max_items
"""Recordings of one enrollment."""
