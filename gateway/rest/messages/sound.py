"""Recordings in a request: one as the body itself, or several in a form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from audiosearch.catalog.v1.clip_pb2 import Clip
from google.protobuf.message import Message
from starlette.requests import Request

from gateway.rest.messages.json import parse
from gateway.rest.messages.multipart import Allowed, File, Form, read_form
from gateway.rest.messages.query import Query
from serving import limits
from serving.audio_size import too_large
from serving.errors import Reason, ServiceError

CONFIG = "config"
"""The field of a form with a message in JSON."""
FORM_BYTES = 2**20
"""Bytes of a form at most besides its files."""


@dataclass
class Sound:
    """Recordings, and the parameters sent with them."""

    pieces: AsyncIterator[File | bytes]
    """The head of each recording, followed by its bytes as they arrive, none of them empty. They
    can be read once."""
    query: Query
    values: Mapping[str, list[str]]
    config: str = ""
    file_name: str = ""
    """The first recording's name by the sender; may be empty."""

    @property
    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the only recording. They can be read once."""
        return (piece async for piece in self.pieces if isinstance(piece, bytes))

    def configure(self, message: Message) -> None:
        """Puts the parameters into `message`; FIELD_INVALID if they do not fit."""
        if self.config:
            parse(self.config, message, CONFIG)
        self.query.fill(self.values, message)


async def read_sound(request: Request, query: Query, most: int = 1) -> Sound:
    """Reads a request up to the first byte of its first recording.

    Args:
        request: with a form whose files are in the field `audio`, or with one recording as body.
        query: parameters that may come in the query or as fields of the form.
        most: files in a form at most.

    Raises:
        ServiceError: FIELD_INVALID as in `read_form`, or if a parameter comes twice; AUDIO_TOO_LONG
            if the body is announced larger than recordings may be.
    """
    values, kind = query.values(request), request.headers.get("content-type", "")
    is_form = kind.lower().startswith("multipart/")
    _check_size(request, most, FORM_BYTES if is_form else 0)
    if not is_form:
        return Sound(_body(request), query, values)
    allowed = Allowed((CONFIG, *query.fields), query.lists, files=most)
    form = await read_form(kind, request.stream(), allowed)
    for name in form.fields.keys() & values.keys():
        raise misplaced(name, "comes in the query and in the form")
    fields = {name: given for name, given in form.fields.items() if name != CONFIG}
    (config,) = form.fields.get(CONFIG, [""])
    return Sound(read_files(form), query, {**values, **fields}, config, form.first.name)


def _check_size(request: Request, most: int, around: int) -> None:
    """Refuses a body, before it comes, that is announced larger than its recordings may be."""
    limit: int = request.app.state.max_audio_bytes
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most * limit + around:
        raise too_large(limit, int(length) if most == 1 else None)


def display_name(file_name: str) -> str:
    """The display name of an upload: its file's name, or else its time."""
    now = f"upload of {datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    return limits.cut(Clip, "display_name", file_name or now)


async def _body(request: Request) -> AsyncIterator[File | bytes]:
    yield File()
    async for piece in request.stream():
        if piece:
            yield piece


async def read_files(form: Form) -> AsyncIterator[File | bytes]:
    """The non-empty pieces of `Form.pieces`; FIELD_INVALID if a field comes after a file."""
    async for piece in form.pieces():
        if piece:
            yield piece
    for name in form.later:
        raise misplaced(name, "must stand before the files in the form")


def misplaced(name: str, why: str) -> ServiceError:
    """The FIELD_INVALID error of a misplaced parameter or field."""
    return ServiceError(Reason.FIELD_INVALID, f"{name}: {why}", {"field": name})
