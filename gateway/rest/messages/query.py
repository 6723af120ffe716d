"""Query parameters as fields of messages, as google.api.http maps them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from starlette.requests import Request

from gateway.rest.messages.schemas import is_channel, is_object, wrong_enum
from serving import channels
from serving.errors import Reason, ServiceError

MessageT = TypeVar("MessageT", bound=Message)


class Query:
    """The parameters of a route, each for one field of a request message."""

    def __init__(self, message: type[Message], *paths: str, **renamed: str) -> None:
        """Maps parameters to fields.

        Args:
            message: the request message with the fields.
            paths: fields by their JSON names, such as `filter.label`; the parameter has that name.
            renamed: fields whose parameter has another name.
        """
        paths_of = {**{path: path for path in paths}, **renamed}
        self.fields: dict[str, FieldDescriptor] = {
            name: _find(cast("Descriptor", message.DESCRIPTOR), path)
            for name, path in paths_of.items()
        }
        """The field of each parameter."""
        self.lists = {name for name, field in self.fields.items() if field.is_repeated}
        """Parameters that may come more than once."""
        self._paths = paths_of

    def read(self, request: Request, message: MessageT) -> MessageT:
        """Puts the parameters of a request into `message`, like `fill`."""
        return self.fill(self.values(request), message)

    def values(self, request: Request) -> dict[str, list[str]]:
        """The parameters of a request; FIELD_INVALID if one that is no list comes twice."""
        return _gathered(request, self.lists)

    def fill(self, values: Mapping[str, Sequence[str]], message: MessageT) -> MessageT:
        """Puts values into `message`.

        Raises:
            ServiceError: FIELD_INVALID, with the parameter's name, if it is unknown or its value
                does not fit.
        """
        for name, given in values.items():
            if name not in self._paths:
                known = ", ".join(self._paths) or "none"
                raise _invalid(name, f"there is no such parameter; known are {known}")
            self._put(name, given, message)
        return message

    def _put(self, name: str, given: Sequence[str], message: Message) -> None:
        read = [_value(name, each, self.fields[name]) for each in given]
        tree: Any = read if name in self.lists else read[0]
        for part in reversed(self._paths[name].split(".")):
            tree = {part: tree}
        try:
            json_format.ParseDict(tree, message)
        except (json_format.ParseError, ValueError) as error:
            shown = ", ".join(given)[:100]
            raise _invalid(name, f"{shown!r} does not fit: {str(error)[:200]}") from error


def pairs(request: Request) -> dict[str, str]:
    """The parameters of a request; FIELD_INVALID if one comes twice."""
    return {name: values[0] for name, values in _gathered(request).items()}


def _gathered(request: Request, lists: Collection[str] = ()) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        if name in found and name not in lists:
            raise _invalid(name, "the parameter comes twice")
        found.setdefault(name, []).append(value)
    return found


def refuse_others(request: Request, known: Iterable[str] = ()) -> None:
    """Raises FIELD_INVALID if a request has an unknown parameter."""
    for name in pairs(request):
        if name not in known:
            raise _invalid(name, "there is no such parameter")


def _find(message: Descriptor, path: str) -> FieldDescriptor:
    first, _, rest = path.partition(".")
    (field,) = [each for each in message.fields if each.json_name == first]
    return _find(cast("Descriptor", field.message_type), rest) if rest else field


def _value(name: str, value: str, field: FieldDescriptor) -> Any:
    if why := wrong_enum(field, value):
        raise _invalid(name, why)
    if is_channel(field):
        return channels.number_of(value)
    if is_object(field):
        return _object(name, value)
    if field.type != FieldDescriptor.TYPE_BOOL:
        return value
    if value not in ("true", "false"):
        raise _invalid(name, f"{value[:100]!r} is neither true nor false")
    return value == "true"


def _object(name: str, value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise _invalid(name, f"{value[:100]!r} is no JSON object: {str(error)[:100]}") from error


def _invalid(name: str, why: str) -> ServiceError:
    return ServiceError(Reason.FIELD_INVALID, f"{name[:100]}: {why}", {"field": name[:100]})
