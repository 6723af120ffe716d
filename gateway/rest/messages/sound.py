"""Recordings that come with a request: one as the body itself, or some in a form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from google.protobuf.message import Message
from starlette.requests import Request

from gateway.rest.messages.json import parse
from gateway.rest.messages.multipart import Allowed, File, Form, read_form
from gateway.rest.messages.query import Query
from serving.errors import Reason, ServiceError

CONFIG = "config"
"""Field of a form that holds a message in JSON."""


@dataclass
class Sound:
    """Recordings, and what is told with them."""

    pieces: AsyncIterator[File | bytes]
    """The head of each recording and its bytes behind it, as they arrive; to be read once. None of
    the bytes are empty."""
    query: Query
    values: Mapping[str, list[str]]
    config: str = ""
    file_name: str = ""
    """What the sender calls the first one; may be empty."""

    @property
    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the one recording; to be read once."""
        return (piece async for piece in self.pieces if isinstance(piece, bytes))

    def configure(self, message: Message) -> None:
        """Puts what is told into `message`; FIELD_INVALID if it does not fit."""
        if self.config:
            parse(self.config, message, CONFIG)
        self.query.fill(self.values, message)


async def read_sound(request: Request, query: Query, most: int = 1) -> Sound:
    """Reads a request up to the first byte of its first recording.

    Args:
        request: with a form whose files are in the field `audio`, or with any other body, which is
            one recording.
        query: the parameters that may come with it, in the query or as fields of the form.
        most: files that a form may have.

    Raises:
        ServiceError: FIELD_INVALID, as `read_form` and where a parameter comes twice.
    """
    values, kind = query.values(request), request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/"):
        return Sound(_body(request), query, values)
    allowed = Allowed((CONFIG, *query.fields), query.lists, files=most)
    form = await read_form(kind, request.stream(), allowed)
    for name in form.fields.keys() & values.keys():
        raise misplaced(name, "comes in the query and in the form")
    fields = {name: given for name, given in form.fields.items() if name != CONFIG}
    (config,) = form.fields.get(CONFIG, [""])
    return Sound(read_files(form), query, {**values, **fields}, config, form.first.name)


async def _body(request: Request) -> AsyncIterator[File | bytes]:
    yield File()
    async for piece in request.stream():
        if piece:
            yield piece


async def read_files(form: Form) -> AsyncIterator[File | bytes]:
    """As `Form.pieces`, none of them empty; FIELD_INVALID where a field comes behind a file."""
    async for piece in form.pieces():
        if piece:
            yield piece
    for name in form.later:
        raise misplaced(name, "must stand before the files in the form")


def misplaced(name: str, why: str) -> ServiceError:
    """FIELD_INVALID of a parameter or a field that is not where it should be."""
    return ServiceError(Reason.FIELD_INVALID, f"{name}: {why}", {"field": name})
