"""Messages of the contracts as JSON, in protobuf's own mapping."""

from __future__ import annotations

import asyncio
import json
from typing import Any, TypeVar

from google.api import field_behavior_pb2
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.rest.messages.schemas import wrong_enum
from serving.errors import Reason, ServiceError

LARGE_BYTES = 16 * 1024
MAX_BODY_BYTES = 1024 * 1024
_FIXED = frozenset(
    map(field_behavior_pb2.FieldBehavior.Value, ("IDENTIFIER", "IMMUTABLE", "OUTPUT_ONLY"))
)
MessageT = TypeVar("MessageT", bound=Message)
ModelT = TypeVar("ModelT", bound=BaseModel)


def to_json(message: Message) -> bytes:
    """A message on one line, including fields with their default value."""
    text = json_format.MessageToJson(
        message, indent=None, ensure_ascii=False, always_print_fields_with_no_presence=True
    )
    return text.encode()


class Answer(Response):
    """A message as the answer of a call. A large one is serialised in a thread.

    A list of 1,000 clips would block all other calls for a tenth of a second.
    """

    media_type = "application/json"

    def __init__(self, message: Message) -> None:
        """Answers with `message`."""
        self._message = message
        self.status_code = 200
        self.background = None
        self.init_headers({"cache-control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serialises and sends the message."""
        if self._message.ByteSize() > LARGE_BYTES:
            self.body = await asyncio.to_thread(to_json, self._message)
        else:
            self.body = to_json(self._message)
        self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def answer(message: Message) -> Answer:
    """A message as the answer of a call."""
    return Answer(message)


def parse(text: str | bytes, message: MessageT, field: str = "body") -> MessageT:
    """Merges JSON into `message`; FIELD_INVALID if it does not fit."""
    try:
        tree = json.loads(text, object_pairs_hook=_object)
        _check_enums(_checked(tree), message.DESCRIPTOR)
        json_format.ParseDict(tree, message)
    except (json_format.ParseError, ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ServiceError(
            Reason.FIELD_INVALID, f"{field}: {why[:300]}", {"field": field}
        ) from error
    return message


def parse_model(body: bytes, model: type[ModelT]) -> ModelT:
    """Reads JSON that is not a message of the contracts; FIELD_INVALID if it does not fit."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "body"
        message = f"{field}: {first['msg']}"
        raise ServiceError(Reason.FIELD_INVALID, message, {"field": field}) from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("an object has a name twice")
    return found


def _checked(tree: Any) -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise ValueError("it must be an object, {...}")  # noqa: TRY004  as all that is wrong in it
    return tree


def _check_enums(tree: Any, message: Any) -> None:
    """Raises ValueError for an enum's value that is no name of it: protobuf also takes numbers."""
    for field in message.fields:
        value = tree.get(field.json_name, tree.get(field.name))
        for each in value if isinstance(value, list) else [value]:
            if each is None:
                continue
            if why := wrong_enum(field, each):
                raise ValueError(f"{field.json_name}: {why}")
            if field.message_type and isinstance(each, dict):
                _check_enums(each, field.message_type)


async def read_body(request: Request) -> bytes:
    """The JSON body of a request; BODY_TOO_LARGE above 1 MiB."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise ServiceError(
                Reason.BODY_TOO_LARGE, f"the body is larger than {MAX_BODY_BYTES:,} bytes"
            )
    return bytes(body)


async def parse_body(request: Request, message: MessageT) -> MessageT:
    """Reads the body of a request into `message`. No body counts as an empty object."""
    return parse(await read_body(request) or b"{}", message)


async def parse_change(request: Request, resource: Message, mask: FieldMask) -> None:
    """Reads the body of a request that changes a resource.

    If the mask is empty, it is set to the changeable fields that the body names. Other fields of
    the body are ignored, because clients often send the whole resource.
    """
    body = await read_body(request) or b"{}"
    parse(body, resource)
    names = json.loads(body).keys()
    if not mask.paths:
        mask.paths.extend(
            field.name
            for field in resource.DESCRIPTOR.fields
            if names & {field.name, field.json_name} and not _is_fixed(field)
        )


def _is_fixed(field: Any) -> bool:
    return not _FIXED.isdisjoint(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])
