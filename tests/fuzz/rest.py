"""REST: the routes of its document with strange paths, queries, headers, methods and bodies."""

from __future__ import annotations

import functools
import json
import random
import urllib.parse
import urllib.request
from functools import partial
from typing import Any

from serving.telemetry import REQUEST_ID_KEY
from tests.fuzz.bad_audio import bad_audio
from tests.fuzz.messages import TEXTS
from tests.fuzz.mutations import mutate
from tests.fuzz.outcomes import DEADLINE, Input
from tests.fuzz.target import DOOMED, LIBRARY, Target
from tests.fuzz.wire import Request, exchange

METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", "get")
OTHERS = (
    *("/", "/healthz", "/docs", "/docs/start.js", "/openapi.json", "/assets/app.js", "/assets/"),
    *("/assets/../../etc/passwd", "/assets/%2e%2e/%2e%2e/x", "//", "/v1", "/v1/", "*", "/%"),
    *("/v1/" + "a" * 6000, "/" + "a/" * 1000, "/v1/libraries/%00", "http://other/v1/libraries"),
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    *((b"range", value) for value in (b"bytes=0-0", b"bytes=9-1", b"x", b"bytes=0-," * 300)),
    *((b"accept", value) for value in (b"*/*", b"text/html", b"\xff\xfe")),
    *((b"accept-encoding", value) for value in (b"gzip", b"br;q=x", b"")),
    *((b"authorization", value) for value in (b"Bearer x", b"Basic eDp5", b"\xff", b"Bearer")),
    *((b"x-api-key", value) for value in (b"x", b"a" * 6000)),
    *((b"content-encoding", value) for value in (b"gzip", b"identity", b"zip")),
    *((b"if-none-match", value) for value in (b"*", b'"' * 500)),
    *((b"origin", value) for value in (b"null", b"https://other.example", b"\xff")),
    *((b"expect", b"100-continue"), (b"upgrade", b"h2c"), (b"upgrade", b"websocket")),
    *((b"x-forwarded-for", value) for value in (b"1.2.3.4", b"x" * 3000)),
    *((b"cookie", b"a=" + b"b" * 4000), (b"x-junk", b"c" * 20_000), (b"last-event-id", b"-1")),
)
TYPES = (
    *(b"application/json", b"application/json; charset=utf-16", b"audio/wav", b"text/plain", b""),
    *(b"application/x-www-form-urlencoded", b"multipart/form-data", b"application/json, x", b"/"),
)
BODIES = (
    *(b"", b"{}", b"[]", b"null", b"1", b'"x"', b"{", b"\xff\xfe", b"[" * 100_000, b"NaN"),
    *(b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"k": 1e400}', b'{"k": -1, "k": 2}', b"1" * 5000),
    *(b'{"folder": "/etc"}', b'{"folder": "\\u0000"}', b'{"audio": "!!"}', b'{"name": "\\ud800"}'),
    *(
        b'{"Table": 1, "File": []}',
        b'{"page_size": "x"}',
        b"a=b&a=c&%zz=%",
        b'{"config": {"k": {}}}',
    ),
)


@functools.cache
def document(address: tuple[str, int]) -> dict[str, Any]:
    """The OpenAPI document of a gateway."""
    host, port = address
    with urllib.request.urlopen(f"http://{host}:{port}/openapi.json", timeout=30) as answer:
        return dict(json.load(answer))


def make(draw: random.Random, target: Target, name: str) -> Input:
    """A request of one route, or of none."""
    routes = document(target.rest)["paths"]
    template = draw.choice([*routes])
    method = draw.choice([*routes[template]]).upper()
    if draw.random() < 0.15:
        method = draw.choice(METHODS)
    path = path_of(draw, target, template, method) if draw.random() < 0.85 else draw.choice(OTHERS)
    given = [
        parameter for each in routes[template].values() for parameter in each.get("parameters", [])
    ]
    query = _query(draw, target, [each["name"] for each in given if each["in"] == "query"])
    operation = routes[template].get(method.lower(), {})
    body = (
        _body(draw, target, operation)
        if method not in {"GET", "HEAD"} or draw.random() < 0.1
        else b""
    )
    headers = _headers(draw, body)
    request = Request(
        method,
        (path + query).encode("latin-1", "replace"),
        host_of(target) if draw.random() < 0.97 else b"other.example",
        (*headers, request_id(name)),
        body,
    )
    events = ":watch" in template or "stream" in template
    typed = path.startswith("/v1/") and not path.startswith("/v1/ ")
    return Input(
        f"{method} {path[:200]}{query[:200]} {[*headers]!s:.300}",
        request.packed,
        partial(exchange, target.rest, request, typed=typed, seconds=DEADLINE, events=events),
    )


def request_id(name: str) -> tuple[bytes, bytes]:
    """The header by which the log names an input."""
    return REQUEST_ID_KEY.encode(), name.encode()


def host_of(target: Target) -> bytes:
    """The name of the gateway that a browser on this machine uses."""
    return "{}:{}".format(*target.rest).encode()


def path_of(draw: random.Random, target: Target, template: str, method: str) -> str:
    """The path of a route, with names that exist and all else in it."""
    clips = [name.rpartition("/")[2] for name in target.names if "/clips/" in name]
    known = {"library": [LIBRARY], "clip": clips, "speaker": ["ann"], "operation": ["none"]}
    if method == "DELETE" and template.endswith("{library}"):
        known["library"] = [DOOMED]
    parts = template.split("/")
    for place, part in enumerate(parts):
        if part.startswith("{"):
            name, _, rest = part[1:].partition("}")
            wild = draw.random() < 0.25
            value = draw.choice(TEXTS if wild else known.get(name, ["default"]))
            safe = "" if draw.random() < 0.5 else "/:%"
            parts[place] = urllib.parse.quote(value, safe=safe) + rest
    return "/".join(parts)


def _query(draw: random.Random, target: Target, names: list[str]) -> str:
    pairs = list[tuple[str, str]]()
    for _ in range(draw.choice((0, 0, 1, 2, 3, 200 if draw.random() < 0.05 else 1))):
        name = draw.choice(names) if names and draw.random() < 0.8 else draw.choice(TEXTS)
        values = ("1", "-1", "1e9", "9" * 40, "nan", "true", LIBRARY, *target.names, *TEXTS)
        pairs.append((name, draw.choice(values)))
    query = urllib.parse.urlencode(pairs)
    if draw.random() < 0.05:
        query += draw.choice(("&&&", "%zz", "=%ff%fe", "&a" * 3000, "?#"))
    return f"?{query}" if query else ""


def _body(draw: random.Random, target: Target, operation: dict[str, Any]) -> bytes:
    kind = draw.random()
    if kind < 0.15:
        return bad_audio(draw)[1]
    body = draw.choice(BODIES)
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content and kind < 0.7:
        body = json.dumps(_value(draw, target, content["schema"])).encode()
    return mutate(draw, body)[1] if draw.random() < 0.3 else body


def _value(draw: random.Random, target: Target, schema: dict[str, Any], depth: int = 4) -> Any:
    """A value for a schema of the document, mostly of the right type."""
    kinds = {
        "string": ["ann", "x", "", "1.5s", LIBRARY, "a" * 500],
        "integer": [1, 3, 0, -1, 2**40],
        "number": [0.5, 1, -1, 1e300],
        "boolean": [True, False],
    }
    if "$ref" in schema:
        known = document(target.rest)["components"]["schemas"]
        schema = known[schema["$ref"].rpartition("/")[2]]
    kind = schema.get("type", "object")
    if draw.random() < 0.1 or depth == 0:
        return draw.choice([None, {}, [], "x", 1, "\ud800"])
    if kind == "array":
        items = schema.get("items", {})
        return [_value(draw, target, items, depth - 1) for _ in range(draw.choice((1, 2, 40)))]
    if kind in kinds:
        return draw.choice(schema.get("enum", kinds[kind]))
    named = schema.get("properties", {}).items()
    return {
        name: _value(draw, target, each, depth - 1) for name, each in named if draw.random() < 0.5
    }


def _headers(draw: random.Random, body: bytes) -> tuple[tuple[bytes, bytes], ...]:
    headers = [(b"content-type", draw.choice(TYPES))] if body or draw.random() < 0.2 else []
    headers += [draw.choice(HEADERS) for _ in range(draw.choice((0, 0, 1, 2)))]
    if body or draw.random() < 0.5:
        headers.append((b"content-length", str(len(body)).encode()))
    return tuple(headers)
