"""The limits of fields, which stand in the contracts as options of the fields."""

from __future__ import annotations

import re
from functools import cache

from audiosearch.gateway.v1.speakers_pb2 import EnrollSpeakerRequest
from audiosearch.limits.v1 import limits_pb2
from audiosearch.limits.v1.limits_pb2 import Limits
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Characters that no line has."""


@cache
def limits(field: FieldDescriptor) -> Limits:
    """Returns the limits of a field; empty ones if it has none."""
    found: Limits = field.GetOptions().Extensions[limits_pb2.limits]
    return found


def cut(message: type[Message], field: str, text: str) -> str:
    """Returns what the field of that name may hold of a text: its start, control characters blank.

    Characters that a text of any form may have stay in fields that are no line.
    """
    limit = of(message, field)
    plain = CONTROL.sub(" ", text) if limit.form == Limits.FORM_LINE else text
    return plain[: limit.max_length]


def of(message: Message | type[Message], field: str) -> Limits:
    """Returns the limits of the field of that name."""
    return limits(message.DESCRIPTOR.fields_by_name[field])


MAX_RECORDINGS = of(EnrollSpeakerRequest, "recording").max_items
"""Recordings of one enrollment."""
