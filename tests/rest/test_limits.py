"""Large bodies, clients that go away or send nonsense: nothing grows, nothing stays."""

from __future__ import annotations

import re
import socket
import struct
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from serving.errors import Reason
from tests.rest.answers import refused
from tests.rest.conftest import Rest
from tests.rest.sounds import silence, wav
from tools.servers.processes import until

MEGABYTE = 2**20


def padded(megabytes: int) -> Iterator[bytes]:
    """A WAV file of one sound and a chunk of nothing behind it, as large as asked for."""
    sound, extra = wav(), megabytes * MEGABYTE
    yield b"RIFF" + struct.pack("<I", len(sound) + extra) + sound[8:]
    yield b"junk" + struct.pack("<I", extra)
    for _ in range(megabytes):
        yield bytes(MEGABYTE)


def form(*files: Iterator[bytes]) -> Iterator[bytes]:
    """A form with these files, whose boundary is `b`."""
    for chunks in files:
        yield b'--b\r\nContent-Disposition: form-data; name="audio"; filename="x.wav"\r\n\r\n'
        yield from chunks
        yield b"\r\n"
    yield b"--b--\r\n"


def memory(pid: int, field: str) -> int:
    """Bytes of a process: `VmRSS` now, `VmHWM` at most since `forget`."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def growth(pid: int, work: Callable[[], None]) -> int:
    """Returns the growth of a process's peak memory during some work."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before = memory(pid, "VmRSS")
    work()
    return memory(pid, "VmHWM") - before


@pytest.mark.parametrize("kind", ["form", "raw"])
@pytest.mark.parametrize("verb", ["", ":search"])
def test_a_large_upload_passes_in_flat_memory(
    rest: Rest, library: str, kind: str, verb: str
) -> None:
    """200 MiB through a gateway that needs a small part of that."""
    path = f"/v1/libraries/{library}/clips{verb}"
    boundary = {"content-type": "multipart/form-data; boundary=b"}
    answers: list[httpx.Response] = []

    def send(megabytes: int) -> None:
        body = padded(megabytes)
        if kind == "form":
            answers.append(rest.http.post(path, content=form(body), headers=boundary))
        else:
            answers.append(rest.http.post(path, content=body))

    send(1)
    assert growth(rest.stack.pid("gateway"), lambda: send(200)) < 48 * MEGABYTE
    assert [answer.status_code for answer in answers] == [200, 200], answers[-1].text


def test_many_large_files_pass_in_flat_memory(rest: Rest, library: str) -> None:
    """Three of 70 MiB in one form, of which each is enrolled."""
    path = f"/v1/libraries/{library}/speakers/Ann:enroll"
    boundary = {"content-type": "multipart/form-data; boundary=b"}
    counts: list[int] = []

    def send(*sizes: int) -> None:
        body = form(*map(padded, sizes))
        answer = rest.http.post(path, content=body, headers=boundary)
        assert answer.status_code == 200, answer.text
        counts.append(answer.json()["speaker"]["enrollmentCount"])

    send(1)
    assert growth(rest.stack.pid("gateway"), lambda: send(70, 71, 72)) < 48 * MEGABYTE
    assert counts == [1, 4]


def test_a_large_download_passes_in_flat_memory(rest: Rest, library: str) -> None:
    """Also where the client takes it slowly."""
    made = rest.http.post(f"/v1/libraries/{library}/clips", content=padded(120))
    path = f"/v1/{made.json()['clip']['name']}/audio"

    def read() -> None:
        with rest.http.stream("GET", path) as answer:
            size = 0
            for number, chunk in enumerate(answer.iter_bytes(MEGABYTE)):
                size += len(chunk)
                time.sleep(0.2 if number < 5 else 0)
        assert size == int(answer.headers["content-length"]) > 120 * MEGABYTE

    assert growth(rest.stack.pid("gateway"), read) < 48 * MEGABYTE


def test_a_recording_above_the_limit_is_refused(rest: Rest, library: str) -> None:
    """256 MiB; nothing of it stays."""
    answer = rest.http.post(f"/v1/libraries/{library}/clips", content=padded(257))
    refused(answer, 400, Reason.AUDIO_TOO_LONG)
    assert rest.http.get(f"/v1/libraries/{library}").json()["clipCount"] == "0"


def test_what_says_that_it_is_too_large_is_refused_before_it_is_sent(
    rest: Rest, library: str
) -> None:
    """In MiB and minutes, with the setting that moves the limit."""
    length = f"Content-Length: {300 * MEGABYTE}"
    line = f"POST /v1/libraries/{library}/clips"
    told = raw(rest, head(rest, line, length), until=b"AUDIO_TOO_LONG").decode()
    assert "400" in told.splitlines()[0]
    for word in ("256.0 MiB", "23.3 minutes", "300.0 MiB", "AUDIOSEARCH_MAX_AUDIO_BYTES"):
        assert word in told


def raw(rest: Rest, *pieces: bytes, until: bytes = b"") -> bytes:
    """Sends bytes by TCP, closes or waits for an answer, and gives what came."""
    address = urllib.parse.urlsplit(rest.stack.web)
    with socket.create_connection((address.hostname or "", address.port or 0), 60) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if not until:
            return b""
        answer = b""
        while until not in answer:
            piece = connection.recv(65_536)
            if not piece:
                break
            answer += piece
        return answer


def head(rest: Rest, line: str, *headers: str) -> bytes:
    """The head of a request."""
    host = urllib.parse.urlsplit(rest.stack.web).netloc
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


def eventually_empty(rest: Rest, library: str) -> None:
    """Waits until no clip is there or on its way."""
    path = f"/v1/libraries/{library}/clips"

    def empty() -> bool:
        states = ("STATE_ACTIVE", "STATE_CREATING", "STATE_DELETING")
        pages = [rest.http.get(path, params={"filter.state": state}).json() for state in states]
        return not any(page["clips"] for page in pages)

    until(empty)


@pytest.mark.parametrize("kind", ["length", "chunked", "form"])
def test_a_client_that_goes_away_leaves_nothing(rest: Rest, library: str, kind: str) -> None:
    """In the middle of a file, or of a form."""
    line = f"POST /v1/libraries/{library}/clips"
    audio = wav()[:40_000]
    if kind == "length":
        sent = head(rest, line, "Content-Length: 70444") + audio
    elif kind == "chunked":
        size = f"{len(audio):x}\r\n".encode()
        sent = head(rest, line, "Transfer-Encoding: chunked") + size + audio + b"\r\n"
    else:
        whole = b"".join(form(iter([wav()])))
        boundary = "Content-Type: multipart/form-data; boundary=b"
        sent = head(rest, line, boundary, f"Content-Length: {len(whole)}") + whole[:-4]
    raw(rest, sent)
    eventually_empty(rest, library)
    assert rest.http.get("/healthz").status_code == 200


def test_watchers_and_downloads_that_go_away_are_let_go(rest: Rest, library: str) -> None:
    """Fifty of each; afterwards all is answered as before."""
    folder = rest.folder()
    for number in range(60):
        (folder / f"{number}.wav").write_bytes(wav("voice_low", number))
    made = rest.http.post(f"/v1/libraries/{library}/clips:import", json={"folder": str(folder)})
    clip = rest.upload(library)
    for _ in range(50):
        raw(rest, head(rest, f"GET /v1/{made.json()['name']}:watch"), until=b"event:")
        raw(rest, head(rest, f"GET /v1/{clip['name']}/audio"), until=b"RIFF")
    assert rest.http.post(f"/v1/{made.json()['name']}:cancel").status_code == 200
    assert rest.http.get(f"/v1/libraries/{library}").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /v1/libraries HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /v1/libraries HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(rest: Rest, sent: bytes) -> None:
    """With a status of 4xx; the gateway goes on."""
    answer = raw(rest, sent, until=b"\r\n\r\n")
    assert re.match(rb"HTTP/1\.1 [45]\d\d ", answer), answer[:200]
    assert rest.http.get("/healthz").status_code == 200


def test_a_chunk_that_is_none_leaves_nothing(rest: Rest, library: str) -> None:
    """The size of a chunk that is no number."""
    line = head(rest, f"POST /v1/libraries/{library}/clips", "Transfer-Encoding: chunked")
    raw(rest, line, b"ffff\r\n" + wav()[:65_535] + b"\r\nzz\r\n", until=b"\r\n\r\n")
    eventually_empty(rest, library)


def test_an_answer_before_the_end_of_the_body_is_read(rest: Rest) -> None:
    """An upload to a library that is missing is refused; the next request is answered."""
    answer = rest.http.post("/v1/libraries/absent/clips", content=padded(20))
    refused(answer, 404, Reason.LIBRARY_NOT_FOUND)
    assert rest.http.get("/v1/models").status_code == 200


def test_many_at_once_are_answered(rest: Rest, filled: str) -> None:
    """Searches, uploads of bad audio and reads, from twenty clients."""

    def one(number: int) -> int:
        path = f"/v1/libraries/{filled}"
        if number % 3 == 0:
            return rest.http.post(path + "/clips:search", content=wav()).status_code
        if number % 3 == 1:
            return rest.http.post(path + "/clips:search", content=silence()).status_code
        return rest.http.get(path).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(one, range(120)))
    assert set(statuses[::3]) == {200}
    assert set(statuses[1::3]) == {400}
    assert set(statuses[2::3]) == {200}
