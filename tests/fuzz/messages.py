"""Raw messages on every RPC: random bytes, messages of the contract with strange values, both."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.fuzz.bad_audio import bad_audio
from tests.fuzz.calls import Method, call, methods
from tests.fuzz.mutations import mutate
from tests.fuzz.outcomes import DEADLINE, Input
from tests.fuzz.target import DOOMED, LIBRARY, Target

DEPTH = 4
NUMBERS = (0, 1, -1, 2, 10, 1000, 2**31 - 1, -(2**31), 2**32 - 1, 2**62, 2**63 - 1, -(2**63))
REALS = (0.0, -1.0, 0.5, 1e38, -1e38, float("nan"), float("inf"), 1e-40)
TEXTS = (
    *("", " ", "*", "default", "ann", "a" * 6000, "\0", "a\nb", "../../etc/passwd", "libraries/"),
    *("libraries//clips/", "Ω" * 500, "\U0001f600", "' OR 1=1 --", "%00", "clip.labels.a=b"),
    *("libraries/absent", "libraries/fuzz/clips/absent", "0", "-", "a" * 64, "a/b/c/d/e/f"),
)
REMOVES = ("Delete", "Drop", "BeginLibrary", "Purge")
_SIGNED = {FieldDescriptor.CPPTYPE_INT32: 32, FieldDescriptor.CPPTYPE_INT64: 64}
_UNSIGNED = {FieldDescriptor.CPPTYPE_UINT32: 32, FieldDescriptor.CPPTYPE_UINT64: 64}


def make(draw: random.Random, target: Target, name: str) -> Input:
    """A call of one method, mostly with one message."""
    method = draw.choice(methods())
    count = draw.choice((1, 1, 2, 5)) if method.descriptor.client_streaming else 1
    ways, packed = list[str](), list[bytes]()
    for _ in range(count if draw.random() < 0.95 else draw.choice((0, 2))):
        way, message = _message(draw, target, method)
        ways.append(way)
        packed.append(message)
    cut_off = method.waits or draw.random() < 0.05
    seconds = draw.choice((0.02, 0.3, 1.0)) if cut_off else DEADLINE
    return Input(
        f"{method.service} {method.path}: {'; '.join(ways) or 'no message'}",
        b"\n--\n".join(packed),
        partial(call, target, method, packed, seconds, name, cut_off=cut_off),
        seconds,
    )


def _message(draw: random.Random, target: Target, method: Method) -> tuple[str, bytes]:
    kind = draw.random()
    if kind < 0.05:
        return "random bytes", draw.randbytes(draw.choice((1, 2, 20, 2000)))
    if kind < 0.07:
        return "nested", _nested(draw)
    if kind < 0.075:
        return "5 MiB", b"\x0a\x80\x80\xc0\x02" + bytes(5 * 2**20)
    message = GetMessageClass(method.descriptor.input_type)()
    Filling(draw, target, method.descriptor.name).fill(message)
    packed = message.SerializeToString()
    if kind < 0.85:
        return "strange values", packed
    way, changed = mutate(draw, packed)
    return f"strange values, {way}", changed


def _nested(draw: random.Random) -> bytes:
    """Messages in messages, deeper than any reader goes."""
    packed, tag = b"", draw.randrange(1, 16) << 3 | 2
    for _ in range(draw.choice((50, 150, 400))):
        size, length = len(packed), b""
        while size >= 128:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        packed = bytes([tag]) + length + bytes([size]) + packed
    return packed


class Filling:
    """Sets the fields of one message: to what the method takes, and to all else."""

    def __init__(self, draw: random.Random, target: Target, method: str) -> None:
        """Draws how strange the message will be."""
        self._draw = draw
        self._target = target
        self._strange = draw.choice((0.0, 0.02, 0.1, 0.6))
        self._left_out = draw.choice((0.1, 0.5, 0.8))
        self._clips = [name for name in target.names if "/clips/" in name]
        self._library = f"libraries/{DOOMED if method.startswith(REMOVES) else LIBRARY}"
        speaker = [f"libraries/{LIBRARY}/speakers/ann"]
        self._by_word = {
            "ImportJob": [f"importJobs/{job}" for job in target.jobs],
            "Operation": [f"operations/{job}" for job in target.jobs],
            "ImportProgress": [f"importJobs/{job}" for job in target.jobs],
            "Map": [f"libraries/{LIBRARY}/map"],
            "Duplicates": [f"libraries/{LIBRARY}/duplicates"],
            "Calibration": [f"libraries/{LIBRARY}/calibration"],
            "Speaker": speaker,
            "Enrollment": speaker,
            "Voiceprint": speaker,
            "Clip": self._clips,
            "Audio": self._clips,
            "Model": [target.model],
            "Library": [self._library],
            "Migration": [self._library],
            "Index": [self._library],
        }
        self._method = method

    def fill(self, message: Message, depth: int = DEPTH) -> None:
        """Sets some fields of a message and of those in it."""
        for field in message.DESCRIPTOR.fields:
            named = field.name in {"name", "parent", "library", "config", "index_id"}
            left_out = self._strange if named else self._left_out
            if self._draw.random() < left_out or (field.message_type and depth == 0):
                continue
            if field.message_type and field.message_type.GetOptions().map_entry:
                self._fill_map(message, field)
            elif field.message_type:
                self._fill_messages(message, field, depth)
            elif field.is_repeated:
                count = self._draw.choice((0, 1, 2, 192, 1100) if self._is_strange() else (1, 2))
                getattr(message, field.name).extend(self._value(field) for _ in range(count))
            else:
                setattr(message, field.name, self._value(field))

    def _is_strange(self) -> bool:
        return self._draw.random() < self._strange

    def _fill_messages(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        if field.is_repeated:
            many = 30 if depth == DEPTH else 2
            for _ in range(self._draw.choice((0, 1, 3, many) if self._is_strange() else (1, 2))):
                self.fill(getattr(message, field.name).add(), depth - 1)
        else:
            getattr(message, field.name).SetInParent()
            self.fill(getattr(message, field.name), depth - 1)

    def _fill_map(self, message: Message, field: FieldDescriptor) -> None:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for _ in range(self._draw.choice((0, 1, 3, 100) if self._is_strange() else (1,))):
            entry = self._value(key)
            if value.message_type:
                self.fill(getattr(message, field.name)[entry], 0)
            else:
                getattr(message, field.name)[entry] = self._value(value)

    def _value(self, field: FieldDescriptor) -> Any:
        return self._strange_value(field) if self._is_strange() else self._good_value(field)

    def _good_value(self, field: FieldDescriptor) -> Any:
        if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            return True
        if field.type == FieldDescriptor.TYPE_BYTES:
            return bad_audio(self._draw)[1]
        if field.cpp_type != FieldDescriptor.CPPTYPE_STRING:
            return 1
        if field.name == "name":
            return self._draw.choice(self._names(field.containing_type.name))
        ids = [name.rpartition("/")[2] for name in self._clips]
        by_name = {
            "parent": [self._library],
            "library": [self._library],
            "library_id": [self._library.rpartition("/")[2]],
            "only_speaker": self._by_word["Speaker"],
            "import_job": self._by_word["ImportJob"],
            "index_id": self._target.indexes,
            "clip": self._clips,
            "clips": self._clips,
            "model": [self._target.model],
            "folder": [str(self._target.folder)],
            "page_token": [""],
            "id": ids,
            "ids": ids,
            "clip_id": ids,
            "clip_ids": ids,
        }
        return self._draw.choice(by_name.get(field.name, ["ann", "x"]))

    def _names(self, kind: str) -> list[str]:
        """Names of the kind that a message is of, or else a method is about."""
        if kind in self._by_word:
            return self._by_word[kind]
        return next((names for word, names in self._by_word.items() if word in self._method), ["x"])

    def _strange_value(self, field: FieldDescriptor) -> Any:
        draw, kind = self._draw, field.cpp_type
        if bits := _SIGNED.get(kind):
            return _wrapped(draw, bits) - 2 ** (bits - 1)
        if bits := _UNSIGNED.get(kind):
            return _wrapped(draw, bits)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return draw.randbytes(draw.choice((0, 1, 16, 768, 5000)))
        if kind == FieldDescriptor.CPPTYPE_STRING:
            known = [*self._target.names, *self._target.indexes, LIBRARY]
            return draw.choice(known if draw.random() < 0.4 else TEXTS)
        others = {
            FieldDescriptor.CPPTYPE_BOOL: (False, True),
            FieldDescriptor.CPPTYPE_ENUM: (0, 1, 2, 3, 99, 2**31 - 1, -1),
        }
        return draw.choice(others.get(kind, (*REALS, draw.random())))


def _wrapped(draw: random.Random, bits: int) -> int:
    """A number of so many bits, as an unsigned one."""
    number = draw.choice((*NUMBERS, 1, 2, 5, draw.getrandbits(16)))
    return (number + 2 ** (bits - 1)) % 2**bits
