"""Forms with files that are not as they should be, on every route that takes one."""

from __future__ import annotations

import random
from functools import partial

from tests.fuzz.bad_audio import bad_audio
from tests.fuzz.messages import TEXTS
from tests.fuzz.mutations import mutate
from tests.fuzz.outcomes import DEADLINE, Input
from tests.fuzz.rest import document, host_of, path_of, request_id
from tests.fuzz.target import LIBRARY, Target
from tests.fuzz.wire import Request, exchange

KIND = "multipart/form-data"
FIELDS = (
    *("audio", "k", "label", "display_name", "request_id", "metadata", "spk_id", "table_name"),
    *("channel", "threshold", "speaker", "clip", "config", "", "a" * 5000, "audio\0", "Ω", "x"),
)
HEADS = (
    b'content-disposition: form-data; name="%s"; filename="%s"',
    b"content-disposition: form-data; name=%s; filename=%s",
    b"content-disposition: form-data; name=\"%s\"; filename*=UTF-8''%s",
    b"content-disposition: form-data; name=\"%s\"; filename*=utf-99'x'%%zz%s",
    b'content-disposition: attachment; name="%s"; filename="%s"; filename="b"',
    b'content-disposition: form-data; filename="a.wav"; x="%s%s"',
    b"content-type: audio/wav; %s %s",
    b'content-disposition: form-data; name="%s"\r\ncontent-transfer-encoding: base64 %s',
    b"%s%s",
)
NAMES = (
    b"a.wav",
    b"",
    b"../../x",
    b"a" * 9000,
    b"\xff\xfe",
    b"a\0b",
    b'"',
    b"%00",
    "你好.wav".encode(),
)
BOUNDARIES = (b"b", b"b", b"b", b"-" * 70, b"", b"a" * 400, b'"q;x"', b"\xff", b"b; boundary=c")


def make(draw: random.Random, target: Target, name: str) -> Input:
    """A form to one of the routes."""
    routes = document(target.rest)["paths"]
    template, method = draw.choice([*_takers(routes)])
    path = path_of(draw, target, template, method)
    tame = draw.random() < 0.4
    boundary = b"b" if tame else draw.choice(BOUNDARIES)
    what, body = _plain(draw) if tame else _body(draw, boundary)
    if draw.random() < 0.2:
        way, body = mutate(draw, body)
        what = f"{what}, {way}"
    size = len(body) + draw.choice((0, 0, 0, 0, 0, -1, 1) if body else (0,))
    length = (b"content-length", str(max(size, 0)).encode())
    if draw.random() < 0.15:
        length, body = (b"transfer-encoding", b"chunked"), _chunked(draw, body)
    headers = ((b"content-type", KIND.encode() + b"; boundary=" + boundary), length)
    raw = path.encode("latin-1", "replace")
    request = Request(method, raw, host_of(target), (*headers, request_id(name)), body)
    # Of a body that is shorter than it says, the rest is waited for.
    seconds = 0.5 if size > len(body) else DEADLINE
    send = partial(
        exchange, target.rest, request, typed=path.startswith("/v1/"), events=False, seconds=seconds
    )
    return Input(f"{method} {path[:200]}: {what}", request.packed, send, seconds)


def _takers(routes: dict) -> list[tuple[str, str]]:
    """Paths and methods of the routes that take a form."""
    return [
        (path, method.upper())
        for path, operations in routes.items()
        for method, operation in operations.items()
        if KIND in operation.get("requestBody", {}).get("content", {})
    ]


def _plain(draw: random.Random) -> tuple[str, bytes]:
    """A form as browsers send it, with a file that is not as it should be."""
    what, data = bad_audio(draw)
    head = HEADS[0] % (b"audio", draw.choice(NAMES[:5]))
    return what, b"--b\r\n" + head + b"\r\n\r\n" + data + b"\r\n--b--\r\n"


def _body(draw: random.Random, boundary: bytes) -> tuple[str, bytes]:
    count = draw.choice((0, 1, 1, 2, 3, 40, 2000 if draw.random() < 0.1 else 1))
    what, parts = list[str](), list[bytes]()
    for _ in range(count):
        head = draw.choice(HEADS) if draw.random() < 0.5 else HEADS[0]
        field = "audio" if draw.random() < 0.6 else draw.choice(FIELDS)
        kind, value = _value(draw, short=count > 3)
        what.append(kind)
        named = head % (field.encode(), draw.choice(NAMES))
        parts.append(b"--" + boundary + b"\r\n" + named + b"\r\n\r\n" + value + b"\r\n")
    end = draw.choice((b"--" + boundary + b"--\r\n",) * 4 + (b"", b"--" + boundary, b"--\r\n"))
    return f"{count} parts, {'; '.join(what[:3])}", b"".join(parts) + end


def _value(draw: random.Random, *, short: bool) -> tuple[str, bytes]:
    kind = draw.random()
    if kind < 0.5 and not short:
        return bad_audio(draw)
    if kind < 0.9:
        return "a text", draw.choice((*TEXTS, LIBRARY, "1", "nan", "{}", "[1,", "9" * 50)).encode()
    return "random bytes", draw.randbytes(draw.choice((0, 1, 300 if short else 300_000)))


def _chunked(draw: random.Random, body: bytes) -> bytes:
    size = draw.choice((1000, 65_536))
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    packed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return packed + draw.choice(
        (b"0\r\n\r\n", b"0\r\n\r\n", b"zz\r\n\r\n", b"-1\r\n", b"0\r\nx: y\r\n\r\n")
    )
