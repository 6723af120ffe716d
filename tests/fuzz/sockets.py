"""Bytes on the ports themselves: garbage, half requests, broken HTTP/2, slow bodies, early ends."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import time
from functools import partial

from tests import http2
from tests.fuzz.mutations import mutate
from tests.fuzz.outcomes import Input, Outcome
from tests.fuzz.target import Target

SECONDS = 20.0
SILENT = 0.3
"""Seconds after which a server that waits for more is left alone."""

HELLO = bytes.fromhex("16030100310100002d0303") + bytes(32) + bytes.fromhex("000002c02f01000000")
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
HALVES = (
    *(b"", b"G", b"GET / HTTP/1.1\r\n", b"POST /v1/libraries HTTP/1.1\r\nhost: x\r\n"),
    b"POST /v1/libraries HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{",
    b"POST /v1/libraries/fuzz/clips HTTP/1.1\r\nhost: x\r\n" + CHUNKED + b"5\r\nab",
)
WHOLES = (
    *(
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 500,
    ),
    b"GET /healthz HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\nabcd",
    b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n" + CHUNKED + b"0\r\n\r\n",
    b"POST /v1/libraries HTTP/1.1\r\nhost: x\r\n" + CHUNKED + b"ffffffffffffff\r\n",
    b"GET /v1/libraries HTTP/1.1\r\nhost: x\r\n folded: y\r\n\r\n",
    b"GET /v1/libraries HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 3000 + b"\r\n",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 50,
    b"GET /healthz HTTP/1.1\r\nhost: \xff\xfe\r\n\r\n",
)
GATEWAY = b"/audiosearch.gateway.v1.StatusService/GetStatus"


def make(draw: random.Random, target: Target, name: str) -> Input:
    """Bytes for one of the ports."""
    where, port = draw.choice(target.ports())
    made = draw.choice((_garbage, _half, _whole, _frames, _frames, _request, _slow, _hello))
    what, pieces = made(draw)
    send = partial(_send, ("127.0.0.1", port), pieces, reset=draw.random() < 0.3)
    return Input(f"{where}: {what}", b"".join(pieces), send, SECONDS)


def _garbage(draw: random.Random) -> tuple[str, list[bytes]]:
    return "garbage", [draw.randbytes(draw.choice((1, 100, 9000, 100_000)))]


def _half(draw: random.Random) -> tuple[str, list[bytes]]:
    return "half a request", [draw.choice(HALVES)]


def _whole(draw: random.Random) -> tuple[str, list[bytes]]:
    request = draw.choice(WHOLES)
    if draw.random() < 0.4:
        way, request = mutate(draw, request)
        return f"a bad request, {way}", [request]
    return "a bad request", [request]


def _hello(draw: random.Random) -> tuple[str, list[bytes]]:
    return "TLS", [HELLO, draw.randbytes(50)]


def _slow(draw: random.Random) -> tuple[str, list[bytes]]:
    head = b"POST /v1/libraries/fuzz/clips HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\n"
    return "a slow body", [head, *(draw.randbytes(2) for _ in range(draw.choice((3, 20))))]


def _frames(draw: random.Random) -> tuple[str, list[bytes]]:
    """HTTP/2 with frames of all types, and of none, with random contents."""
    frames = list[bytes]()
    for _ in range(draw.choice((1, 5, 50, 500))):
        size = draw.choice((0, 4, 5, 8, 40, 300))
        said = size if draw.random() < 0.8 else draw.choice((0, 1, 2**14, 2**24 - 1))
        stream = draw.choice((0, 1, 1, 2, 3, 2**31 - 1, 2**32 - 1))
        head = struct.pack(">I", said)[1:] + bytes([draw.randrange(12), draw.randrange(256)])
        frames.append(head + struct.pack(">I", stream) + draw.randbytes(size))
    first = http2.SETTINGS if draw.random() < 0.8 else b""
    return f"HTTP/2 with {len(frames)} frames", [http2.PREFACE + first + b"".join(frames)]


def _request(draw: random.Random) -> tuple[str, list[bytes]]:
    """A gRPC call by HTTP/2 with plain header fields, whose message or head is broken."""
    fields = {
        b":method": draw.choice((b"POST", b"GET", b"x")),
        b":scheme": b"http",
        b":path": draw.choice((GATEWAY, b"/a/b", b"x", GATEWAY * 50)),
        b":authority": b"x",
        b"content-type": draw.choice((b"application/grpc", b"text/plain", b"application/grpc+x")),
        b"te": b"trailers",
        b"grpc-timeout": draw.choice((b"1S", b"99999999999H", b"-1S", b"x", b"0n")),
        b"grpc-encoding": draw.choice((b"identity", b"gzip", b"x")),
        b"x-request-id": draw.choice((b"a", b"\xff", b"a" * 3000)),
        b"authorization": draw.choice((b"Bearer x", b"\0", b"")),
    }
    named = [item for item in fields.items() if draw.random() < 0.9]
    message = draw.choice(
        (
            b"",
            b"\0",
            b"\0\0\0\0\0",
            b"\1\0\0\0\1x",
            b"\0\xff\xff\xff\xff",
            b"\2\0\0\0\0",
            b"\0\0\0\0\1\xff",
        )
    )
    sent = http2.call(dict(named), message, ends=draw.random() < 0.5)
    reset, ping = http2.frame(3, 0, b"\0\0\0\x08"), http2.frame(6, 0, bytes(8), 0)
    for _ in range(draw.choice((0, 0, 1, 300))):
        sent += draw.choice((reset, ping, http2.SETTINGS))
    return "a gRPC call by hand", [sent]


def _send(address: tuple[str, int], pieces: list[bytes], *, reset: bool) -> Outcome:
    """Sends the pieces a little apart and reads until the server says no more."""
    answer = b""
    try:
        with socket.create_connection(address, timeout=SECONDS) as connection:
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(ConnectionError):
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(0.02 if len(pieces) > 1 else 0)
            connection.settimeout(SILENT)
            while len(answer) < 2**20 and (piece := connection.recv(65_536)):
                answer += piece
            end = "closed"
    except TimeoutError:
        end = "waited for more"
    except ConnectionError:
        end = "closed"
    return _outcome(answer, end)


def _outcome(answer: bytes, end: str) -> Outcome:
    if answer.startswith(b"HTTP/1."):
        status = answer[9:12].decode("ascii", "replace")
        fault = f"{answer[:500]!r}" if b" 500 " in answer[:500] or b"Traceback" in answer else ""
        return Outcome(status, fault=fault)
    if answer:
        return Outcome("HTTP/2" if b"\x04" in answer[3:4] else "other bytes", end)
    return Outcome(end)
