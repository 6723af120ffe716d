"""The library, the clip and the speaker that the message of a call names."""

from __future__ import annotations

import re
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from serving import names

_FIELDS = ("name", "parent", "library", "clip", "clip_name", "speaker")
_ABOUT = {
    kind: re.compile(rf"({grammar})(/.*)?", re.DOTALL)
    for kind, grammar in (
        ("library", names.LIBRARY),
        ("clip", names.CLIP),
        ("speaker", names.SPEAKER),
    )
}


def about(message: Message) -> dict[str, str]:
    """The names of library, clip and speaker that a message or a part of it has."""
    found: dict[str, str] = {}
    for part, field in _fields(message.DESCRIPTOR):
        if part and not message.HasField(part):
            continue
        value = getattr(getattr(message, part) if part else message, field)
        for kind, grammar in _ABOUT.items() if value else ():
            if kind not in found and (match := grammar.fullmatch(value)):
                found[kind] = match[1]
    return found


@cache
def _fields(kind: Descriptor) -> tuple[tuple[str, str], ...]:
    """The fields of a kind of message, and of its parts, that may hold such names."""
    own = [("", field) for field in _FIELDS if _is_text(kind, field)]
    parts = [
        (part.name, field)
        for part in kind.fields
        if part.message_type and not part.is_repeated
        for field in _FIELDS
        if _is_text(part.message_type, field)
    ]
    return (*own, *parts)


def _is_text(kind: Descriptor, name: str) -> bool:
    field = kind.fields_by_name.get(name)
    return bool(field and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated)
