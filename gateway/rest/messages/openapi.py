"""The OpenAPI description of the routes."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from google.protobuf.message import Message

from gateway.rest.messages.comments import of_rpc
from gateway.rest.messages.query import Query
from gateway.rest.messages.schemas import (
    LIBRARY,
    PLACE,
    SPEAKER,
    Schema,
    components,
    described,
    is_required,
    of_body,
    of_parameter,
    reference,
)
from gateway.rest.parts import Parts
from serving.names import GIVEN_ID

AUDIO = "audio"
"""A value of `body` for a recording, by itself or in a form."""

BINARY: Schema = {"type": "string", "format": "binary"}
"""The schema of a file."""

_EVENT: Schema = {
    "type": "object",
    "description": "one event of the stream",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
_ERROR: Schema = {
    "description": "google.rpc.Status, with the reason in its details",
    "content": {"application/json": {"schema": {"$ref": PLACE + "Error"}}},
}
_ERROR_SCHEMA: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "status", "details"],
            "properties": {
                "code": {"type": "integer", "description": "the HTTP status"},
                "message": {"type": "string", "description": "a sentence that says what to do"},
                "status": {"type": "string", "description": "name of the google.rpc.Code"},
                "details": {
                    "type": "array",
                    "description": "one google.rpc.ErrorInfo",
                    "items": {
                        "type": "object",
                        "required": ["@type", "reason", "domain", "metadata"],
                        "properties": {
                            "@type": {"type": "string"},
                            "reason": {"type": "string"},
                            "domain": {"type": "string"},
                            "metadata": {
                                "type": "object",
                                "additionalProperties": {"type": "string"},
                            },
                        },
                    },
                },
            },
        }
    },
}
_PATHS: dict[str, str] = {
    "library": LIBRARY,
    "clip": f"^{GIVEN_ID}$",
    "speaker": SPEAKER,
    "operation": f"^{GIVEN_ID}$",
}


_ABOUT = {
    "library": "The library's id, such as `demo`: `libraries/demo` without its first part.",
    "clip": "The clip's id: the last part of its name, as lists and searches answer it.",
    "speaker": "The speaker's short name, such as `ann`.",
}


def document(
    query: Query | None = None,
    body: type[Message] | str | Schema | None = None,
    answer: type[Message] | None = None,
    events: type[Message] | None = None,
) -> dict[str, Any]:
    """The arguments that describe a route to FastAPI.

    Args:
        query: its parameters.
        body: the message in its body, or AUDIO, or the content of the body.
        answer: the message in its answer.
        events: the message in its server-sent events, instead of an answer.
    """
    extra: Schema = {}
    if query:
        extra["parameters"] = _parameters(query)
    if body == AUDIO and query:
        extra["requestBody"] = {"content": sounds(query, BINARY)}
    elif isinstance(body, dict):
        extra["requestBody"] = {"content": body}
    elif isinstance(body, type):
        schema = of_body(body.DESCRIPTOR)
        extra["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    content: Schema = {}
    if answer:
        content["application/json"] = {"schema": reference(answer.DESCRIPTOR)}
    if events:
        data = reference(events.DESCRIPTOR)
        content["text/event-stream"] = {"schema": _EVENT, "x-data": data}
    return _route({200: {"description": "OK", "content": content}}, extra)


def _parameters(query: Query) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "query",
            "required": is_required(field),
            "schema": of_parameter(field),
            **{key: it for key, it in described(field).items() if key == "description"},
        }
        for name, field in query.fields.items()
    ]


def document_audio(query: Query | None = None, *, ranges: bool = True) -> dict[str, Any]:
    """The arguments of `document` for a route that sends audio, also `ranges` of it."""
    sound = {"*/*": {"schema": BINARY}}
    if not ranges:
        return _route({200: {"description": "the audio as it came in", "content": sound}}, {})
    headers = [
        {"name": name, "in": "header", "schema": {"type": "string"}}
        for name in ("range", "if-range", "if-none-match")
    ]
    return _route(
        {
            200: {"description": "the audio as it came in", "content": sound},
            206: {"description": "the range that was asked for", "content": sound},
            304: {"description": "unchanged"},
            307: {
                "description": "it is at `location`, in an object store, if the operator allows it"
            },
        },
        {"parameters": (_parameters(query) if query else []) + headers},
    )


def _route(responses: dict[int | str, Schema], extra: Schema) -> dict[str, Any]:
    return {
        "responses": {**responses, "default": _ERROR},
        "response_class": Response,
        "openapi_extra": extra,
    }


def sounds(query: Query, files: Schema) -> Schema:
    """The content of a body: a recording, or a form with `files` in its field `audio`."""
    fields = {name: of_parameter(field) for name, field in query.fields.items()}
    form = {**fields, "config": {"type": "string"}, AUDIO: files}
    return {
        "multipart/form-data": {
            "schema": {"type": "object", "properties": form, "required": [AUDIO]}
        },
        "application/octet-stream": {"schema": BINARY},
    }


def operation_id(route: APIRoute) -> str:
    """The name of an operation, such as `listLibraries`."""
    first, *others = route.name.split("_")
    return first + "".join(word.capitalize() for word in others)


def describe(app: FastAPI, *, keys: bool) -> Schema:
    """The OpenAPI document of the current routes of `app`."""
    found = get_openapi(title=app.title, version=app.version, routes=app.routes)
    for path in found["paths"].values():
        for operation in path.values():
            _name_parameters(operation)
            _tell(operation)
    found["components"] = {"schemas": {**components(found["paths"]), "Error": _ERROR_SCHEMA}}
    if keys:
        found["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        }
        found["security"] = [{"bearer": []}, {"apiKey": []}]
    return found


def _tell(operation: Schema) -> None:
    """The first sentence of a route is its summary; the comment of its RPC follows the others."""
    first, _, rest = operation.get("description", "").partition("\n\n")
    summary, dot, more = first.replace("\n", " ").partition(". ")
    operation["summary"] = summary.removesuffix(".")
    name = operation["operationId"]
    parts = [more if dot else "", rest, of_rpc(name[:1].upper() + name[1:])]
    operation["description"] = "\n\n".join(part for part in parts if part) or first


def _name_parameters(operation: Schema) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            parameter["schema"] = {"type": "string"}
            parameter["description"] = _ABOUT.get(parameter["name"], "The last part of its name.")
            if pattern := _PATHS.get(parameter["name"]):
                parameter["schema"]["pattern"] = pattern


def router(app: FastAPI, parts: Parts) -> APIRouter:
    """The route of the OpenAPI document of `app`."""
    api, keys = APIRouter(), parts.settings.keyring is not None

    @api.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        """The OpenAPI document."""
        if app.openapi_schema is None:
            app.openapi_schema = describe(app, keys=keys)
        return JSONResponse(app.openapi_schema)

    return api
