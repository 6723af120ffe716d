"""The parameters, bodies and answers of the earlier demo's routes, as OpenAPI schemas."""

from __future__ import annotations

from typing import Any

from audiosearch.catalog.v1.speaker_pb2 import Speaker
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from gateway.rest.messages.openapi import BINARY
from gateway.rest.messages.query import pairs, refuse_others
from gateway.rest.messages.schemas import CLIP_NAME, PLACE, Schema
from serving import channels, limits
from serving.errors import Reason, ServiceError
from serving.names import CHOSEN_ID

_TABLE = f"^({CHOSEN_ID})?$"
_CHANNEL = f"^({'|'.join(channels.NAMES)}|[0-9]{{1,2}})$"
_CHANNEL_TOLD = "the channel that is heard: mix, left, right, or its number"
_PATH = r"^[^\x00]+$"
MOST = limits.of(Speaker, "display_name").max_length
"""Characters of a spk_id, which becomes the name of a speaker for people."""

SPK_ID = rf"^[^\u0000-\u001f\u007f-\u009f]{{1,{MOST}}}$"


class Load(BaseModel):
    """The folder to load, and the table to load it into."""

    table: str | None = Field(
        None, alias="Table", pattern=_TABLE, description="a library, made if it is missing"
    )
    file: str = Field(alias="File", pattern=_PATH, description="a folder of the server")
    channel: str = Field("mix", alias="Channel", pattern=_CHANNEL, description=_CHANNEL_TOLD)


class Voice(BaseModel):
    """A speaker of a library."""

    spk_id: str = Field(min_length=1, max_length=MOST, pattern=SPK_ID)


def table(request: Request, *others: str) -> str:
    """The table that a request names, if any; FIELD_INVALID for an unknown parameter."""
    refuse_others(request, ["table_name", *others])
    return pairs(request).get("table_name", "")


def channel(request: Request) -> int:
    """The channel that a request names, 0 for the mix of all; FIELD_INVALID for no channel."""
    return channels.number_of(pairs(request).get("channel", "mix"))


def needed(request: Request, name: str) -> str:
    """A parameter of a request; FIELD_INVALID if it is missing or empty."""
    value = pairs(request).get(name)
    if not value:
        raise ServiceError(Reason.FIELD_INVALID, f"{name}: is missing", {"field": name})
    return value


def answer(content: object, status: int = 200) -> JSONResponse:
    """An answer in JSON."""
    return JSONResponse(content, status, {"cache-control": "no-store"})


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
CHANNEL = parameter("channel", _CHANNEL_TOLD, _CHANNEL)
QUERY_PATH = parameter("query_audio_path", "path of a file of the server", _PATH, required=True)
VOICE_PATH = parameter("audio_path", "path of a file of the server", _PATH, required=True)
SPEAKER = parameter("spk_id", "who it is: any text", SPK_ID, required=True)
CLIP = parameter("audio_path", "name of a clip", CLIP_NAME, required=True)

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": ["integer", "null"]}
SPEAKER_COUNT: Schema = {"type": "integer"}
DONE: Schema = {
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
VOICE_MATCHES: Schema = {
    "type": "array",
    "description": "[spk_id, [address of an enrolled recording, score]], the best first; the score "
    "is cosine * 100",
    "items": {
        "type": "array",
        "prefixItems": [TEXT, {"type": "array", "prefixItems": [TEXT, {"type": "number"}]}],
    },
}
VOICES: Schema = {
    "type": "array",
    "description": "every spk_id, and in the same order an address of its audio",
    "items": {"type": "array", "items": TEXT},
    "minItems": 2,
    "maxItems": 2,
}
LOAD_BODY: Schema = {"application/json": {"schema": Load.model_json_schema()}}
VOICE_BODY: Schema = {"application/json": {"schema": Voice.model_json_schema()}}


def _form(**fields: Schema) -> Schema:
    form = {"type": "object", "required": list(fields), "properties": fields}
    return {"multipart/form-data": {"schema": form}}


FORM_BODY = _form(audio=BINARY)
VOICE_FORM_BODY = _form(spk_id={**TEXT, "pattern": SPK_ID}, audio=BINARY)


def documented(
    answer: Schema, *parameters: Schema, body: Schema | None = None, missing: Schema | None = None
) -> dict[str, Any]:
    """The arguments that describe a route to FastAPI.

    Args:
        answer: schema of the answer, in JSON.
        parameters: of the query.
        body: content of the body.
        missing: schema of the answer with status 404.
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
    """A route's description with further parameters of the query."""
    given = [*parameters, *route["openapi_extra"].get("parameters", [])]
    return {**route, "openapi_extra": {**route["openapi_extra"], "parameters": given}}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
