"""What the earlier demo's routes take and answer with, as OpenAPI says it."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from pydantic import BaseModel, Field, ValidationError

from gateway.rest.schemas import PLACE, Schema
from serving.errors import Reason, ServiceError

_TABLE = "^([A-Za-z0-9][A-Za-z0-9_-]{0,62})?$"
_PATH = r"^[^\x00]+$"


class Load(BaseModel):
    """What is to be loaded."""

    table: str | None = Field(
        None, alias="Table", pattern=_TABLE, description="a library, made if it is missing"
    )
    file: str = Field(alias="File", pattern=_PATH, description="a folder of the server")


def parse_load(body: bytes) -> Load:
    """Reads the body of a load; FIELD_INVALID if it is none."""
    try:
        return Load.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "body"
        message = f"{field}: {first['msg']}"
        raise ServiceError(Reason.FIELD_INVALID, message, {"field": field}) from error


def parameter(name: str, description: str, pattern: str, *, required: bool = False) -> Schema:
    """A parameter of the query."""
    schema = {"type": "string", "pattern": pattern}
    told = {"description": description, "required": required}
    return {"name": name, "in": "query", **told, "schema": schema}


TABLE = parameter(
    "table_name",
    "a library; without it the one that DEFAULT_TABLE names",
    _TABLE,
)
QUERY_PATH = parameter("query_audio_path", "path of a file of the server", _PATH, required=True)
CLIP = parameter(
    "audio_path",
    "name of a clip",
    "^libraries/[A-Za-z0-9][A-Za-z0-9_-]{0,62}/clips/[a-z0-9]{1,64}$",
    required=True,
)

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": ["integer", "null"]}
LOADED: Schema = {
    "type": "object",
    "required": ["status", "msg"],
    "properties": {"status": {"type": "boolean"}, "msg": TEXT},
}
MATCHES: Schema = {
    "type": "array",
    "description": "[address of the audio, [name, score]], the most similar first; the score is "
    "(2 * cosine - 1) * 100",
    "items": {
        "type": "array",
        "prefixItems": [TEXT, {"type": "array", "prefixItems": [TEXT, {"type": "number"}]}],
    },
}
LOAD_BODY: Schema = {"application/json": {"schema": Load.model_json_schema()}}
FORM_BODY: Schema = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["audio"],
            "properties": {"audio": {"type": "string", "format": "binary"}},
        }
    }
}


def documented(
    answer: Schema, *parameters: Schema, body: Schema | None = None, missing: Schema | None = None
) -> dict[str, Any]:
    """What FastAPI is told of a route.

    Args:
        answer: schema of the answer, in JSON.
        parameters: of the query.
        body: content of the body.
        missing: schema of the answer when what is asked for is not there.
    """
    extra: Schema = {"parameters": list(parameters)}
    if body:
        extra["requestBody"] = {"required": True, "content": body}
    responses: dict[int | str, Schema] = {
        200: {"description": "OK", "content": _json(answer)},
        "default": {
            "description": "google.rpc.Status",
            "content": _json({"$ref": PLACE + "Error"}),
        },
    }
    if missing:
        responses[404] = {"description": "there is none", "content": _json(missing)}
    return {"responses": responses, "response_class": Response, "openapi_extra": extra}


def with_parameters(route: dict[str, Any], *parameters: Schema) -> dict[str, Any]:
    """A route's description with parameters of the query."""
    given = [*parameters, *route["openapi_extra"].get("parameters", [])]
    return {**route, "openapi_extra": {**route["openapi_extra"], "parameters": given}}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
