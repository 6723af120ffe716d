"""A recording that comes with a request: as the body itself, or in a form."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from google.protobuf.message import Message
from starlette.requests import Request

from gateway.rest.json import parse
from gateway.rest.multipart import Form, read_form
from gateway.rest.query import Query, pairs
from serving.errors import Reason, ServiceError

CONFIG = "config"
"""Field of a form that holds a message in JSON."""


@dataclass
class Sound:
    """A recording, and what is told with it."""

    chunks: AsyncIterator[bytes]
    """Its bytes as they arrive; to be read once. None of them is empty."""
    query: Query
    values: Mapping[str, str]
    config: str = ""
    file_name: str = ""
    """What the sender calls it; may be empty."""

    def configure(self, message: Message) -> None:
        """Puts what is told into `message`; FIELD_INVALID if it does not fit."""
        if self.config:
            parse(self.config, message, CONFIG)
        self.query.fill(self.values, message)


async def read_sound(request: Request, query: Query) -> Sound:
    """Reads a request up to the first byte of its recording.

    Args:
        request: with a form whose file is in the field `audio`, or with any other body.
        query: the parameters that may come with it, in the query or as fields of the form.

    Raises:
        ServiceError: FIELD_INVALID, as `read_form` and where a parameter comes twice.
    """
    values, kind = pairs(request), request.headers.get("content-type", "")
    body = _filled(request.stream())
    if not kind.lower().startswith("multipart/"):
        return Sound(body, query, values)
    form = await read_form(kind, body, names=(CONFIG, *query.fields))
    for name in form.fields.keys() & values.keys():
        raise _misplaced(name, "comes in the query and in the form")
    fields = {name: value for name, value in form.fields.items() if name != CONFIG}
    config = form.fields.get(CONFIG, "")
    return Sound(_file(form), query, {**values, **fields}, config, form.file_name)


async def _filled(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        if piece:
            yield piece


async def _file(form: Form) -> AsyncIterator[bytes]:
    async for chunk in _filled(form.chunks()):
        yield chunk
    for name in form.later:
        raise _misplaced(name, "must stand before the file in the form")


def _misplaced(name: str, why: str) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, f"{name}: {why}", {"field": name})
