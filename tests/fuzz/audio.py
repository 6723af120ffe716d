"""Mutated audio of every container, and bombs, on every RPC that takes audio."""

from __future__ import annotations

import functools
import random

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.fuzz.bad_audio import bad_audio
from tests.fuzz.calls import Method, call, methods
from tests.fuzz.messages import Filling
from tests.fuzz.outcomes import DEADLINE, Input
from tests.fuzz.target import LIBRARY, Target

CHUNK = 64 * 1024
CHUNK_FIELD = "audio_chunk"
NAMED = {
    "parent": f"libraries/{LIBRARY}",
    "library": f"libraries/{LIBRARY}",
    "name": f"libraries/{LIBRARY}/speakers/ann",
    "speaker_id": "ann",
    "k": 3,
}
"""Values of fields with which the call itself is right."""

SEARCH = ("search",)
"""Messages in the first one that have such fields."""


@functools.cache
def takers() -> tuple[Method, ...]:
    """The methods that take audio in pieces, of the gateway and of the embedding service."""
    return tuple(
        method for method in methods() if CHUNK_FIELD in method.descriptor.input_type.fields_by_name
    )


def make(draw: random.Random, target: Target, name: str) -> Input:
    """A call of one of them, with a file that is not as it should be."""
    method = draw.choice(takers())
    what, data = bad_audio(draw)
    packed = _messages(draw, target, method, data)
    cut_off = draw.random() < 0.05
    seconds = draw.choice((0.05, 0.3)) if cut_off else DEADLINE
    return Input(
        f"{method.service} {method.path}: {what}",
        data,
        functools.partial(call, target, method, packed, seconds, name, cut_off=cut_off),
        seconds,
    )


def _messages(draw: random.Random, target: Target, method: Method, data: bytes) -> list[bytes]:
    kind = GetMessageClass(method.descriptor.input_type)
    first = kind()
    first.config.SetInParent()
    if draw.random() < 0.1:
        Filling(draw, target, method.descriptor.name).fill(first.config, 1)
    _name(first.config)
    messages = [first]
    if "recording" in method.descriptor.input_type.fields_by_name:
        messages.append(kind(recording={}))
    pieces = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    messages += [kind(audio_chunk=piece) for piece in pieces]
    return [message.SerializeToString() for message in messages]


def _name(message: Message) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.name in NAMED and not field.message_type:
            setattr(message, field.name, NAMED[field.name])
        elif field.name in SEARCH:
            _name(getattr(message, field.name))
