"""The frame of every REST call: errors, ids, limits, cancellation, the end."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.rest.http import connection, exchange
from serving.compat import timeout
from serving.errors import DOMAIN
from serving.telemetry import configure
from tests.unit.gateway.rest_server import AUDIO, LINK, Served, serving

LIBRARIES = "/v1/libraries/"
CLIP = "/v1/libraries/a/clips/"
PATIENCE = 60
REFUSED = f"POST {LIBRARIES}full/clips HTTP/1.1\nhost: localhost\ncontent-length: 999999\n\nsome"
"""The head of an upload that is refused at once, and a little of its body."""


async def raw(served: Served, head: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to which the head of a request was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(head.replace("\n", "\r\n").encode())
    await writer.drain()
    return reader, writer


def reason(answer: httpx.Response) -> str:
    """The reason of an error, whose form is checked."""
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    (detail,) = error["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert detail["domain"] == DOMAIN
    return str(detail["reason"])


async def test_a_message_is_protobufs_json() -> None:
    """Names in lowerCamelCase, 64-bit numbers as strings, defaults written."""
    async with serving() as served:
        answer = await served.http.get(LIBRARIES + "a")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        body = answer.json()
    assert (body["displayName"], body["clipCount"], body["uid"]) == ("Töne", "3", "")


async def test_an_upload_without_a_name_is_named_by_its_time() -> None:
    """Raw, or as a file without a name; a name that is given stays."""
    async with serving() as served:
        form = b'--b\r\nContent-Disposition: form-data; name="audio"\r\n\r\nx\r\n--b--\r\n'
        kind = {"content-type": "multipart/form-data; boundary=b"}
        for body, headers in ((b"x", {}), (form, kind)):
            answer = await served.http.post(LIBRARIES + "a/clips", content=body, headers=headers)
            assert answer.json()["clip"]["displayName"].startswith("upload of 2")
        named = await served.http.post(LIBRARIES + "a/clips?displayName=bell", content=b"x")
        assert named.json()["clip"]["displayName"] == "bell"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "identity, gzip", "no such thing"])
async def test_a_packed_body_is_refused_in_words(encoding: str) -> None:
    """Never taken for the audio itself; the plain one is."""
    async with serving() as served:
        body = gzip.compress(AUDIO)
        for path in ("a/clips", "a/clips:search"):
            answer = await served.http.post(
                LIBRARIES + path, content=body, headers={"content-encoding": encoding}
            )
            assert (answer.status_code, reason(answer)) == (415, "ENCODING_UNSUPPORTED")
            assert answer.headers["accept-encoding"] == "identity"
        plain = await served.http.post(
            LIBRARIES + "a/clips", content=AUDIO, headers={"content-encoding": "identity"}
        )
        assert plain.json()["clip"]["audioObject"]["sizeBytes"] == str(len(AUDIO))


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    """Its answer arrives each time. What has exactly the limit is taken, also in a form."""
    path, limit = LIBRARIES + "a/clips", len(AUDIO)
    async with serving(max_audio_bytes=limit) as served:
        for _ in range(20):
            answer = await served.http.post(path, content=AUDIO * 32)
            assert (answer.status_code, reason(answer)) == (400, "AUDIO_TOO_LONG")
            assert "32.0 MiB" in answer.json()["error"]["message"]
        answer = await served.http.post(path, files={"audio": ("x.wav", AUDIO * 32)})
        assert reason(answer) == "AUDIO_TOO_LONG"
        assert not served.behaviour.began.is_set()
        for sent in ({"content": AUDIO}, {"files": {"audio": ("x.wav", AUDIO)}}):
            answer = await served.http.post(path, **sent)
            assert answer.json()["clip"]["audioObject"]["sizeBytes"] == str(limit)


async def test_errors_have_status_reason_and_metadata() -> None:
    """As google.rpc.Status in JSON; paths and methods that are not there, too."""
    async with serving() as served:
        answer = await served.http.get(LIBRARIES + "typed")
        assert answer.status_code == 404
        assert answer.json()["error"]["status"] == "NOT_FOUND"
        assert answer.json()["error"]["details"][0]["metadata"] == {"library": "x"}
        answer = await served.http.get("/v1/nothing")
        assert (answer.status_code, reason(answer)) == (404, "ROUTE_NOT_FOUND")
        answer = await served.http.put(LIBRARIES + "a")
        assert (answer.status_code, reason(answer)) == (405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH"


async def test_a_crash_shows_nothing_but_the_id_to_look_for(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The log has the trace under the id that the caller chose, and one line for the call."""
    configure("gateway")
    try:
        async with serving() as served:
            answer = await served.http.get(LIBRARIES + "crash", headers={"x-request-id": "mine"})
    finally:
        logging.getLogger().handlers.clear()
    assert (answer.status_code, reason(answer)) == (500, "INTERNAL")
    assert "secret" not in answer.text
    assert "mine" in answer.text
    assert answer.headers["x-request-id"] == "mine"
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    (call,) = [line for line in lines if line["event"] == "call"]
    assert call["method"] == "GET /v1/libraries/{library}"
    assert call["outcome"] == "INTERNAL"
    assert call["request_id"] == "mine"
    assert [line for line in lines if line["event"] == "call.crashed"]


async def test_a_call_that_takes_too_long_is_ended() -> None:
    """With 504, whether the answer had begun or not."""
    async with serving(max_call_seconds=0.3) as served:
        answer = await served.http.get(LIBRARIES + "wait")
        assert (answer.status_code, reason(answer)) == (504, "DEADLINE_EXCEEDED")
        await asyncio.wait_for(served.behaviour.cancelled.wait(), PATIENCE)


async def test_who_goes_away_cancels_the_call() -> None:
    """While it waits, while it uploads, and while it downloads."""
    async with serving() as served:
        seen = served.behaviour
        _, writer = await raw(served, "GET /v1/libraries/wait HTTP/1.1\nhost: localhost\n\n")
        await asyncio.wait_for(seen.began.wait(), PATIENCE)
        writer.close()
        await asyncio.wait_for(seen.cancelled.wait(), PATIENCE)
        seen.began.clear()
        seen.cancelled.clear()
        upload = "POST /v1/libraries/a/clips HTTP/1.1\nhost: localhost\ncontent-length: 99\n\nsome"
        _, writer = await raw(served, upload)
        await asyncio.wait_for(seen.began.wait(), PATIENCE)
        writer.close()
        await asyncio.wait_for(seen.cancelled.wait(), PATIENCE)
        async with served.http.stream("GET", CLIP + "endless/audio") as answer:
            await anext(answer.aiter_raw())
        while not seen.closed:
            await asyncio.sleep(0.01)


async def test_a_reader_that_stalls_holds_no_memory_and_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unsent data are bounded. In the end the connection is broken off."""
    monkeypatch.setattr(exchange, "STALL_SECONDS", 0.5)
    async with serving() as served:
        asked = f"GET {CLIP}endless/audio HTTP/1.1\nhost: localhost\n\n"
        reader, writer = await raw(served, asked)
        while not served.behaviour.closed:
            await asyncio.sleep(0.01)
        assert served.behaviour.sent < 20
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := await reader.read(2**20):
                received += len(piece)
        assert received < served.behaviour.sent * len(AUDIO), "it was broken off"
        writer.close()


async def test_a_sender_that_stalls_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 504; one that sends no head at all is left without a word."""
    monkeypatch.setattr(exchange, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    async with serving() as served:
        upload = "POST /v1/libraries/a/clips HTTP/1.1\nhost: localhost\ncontent-length: 99\n\nsome"
        reader, writer = await raw(served, upload)
        assert b" 504 " in await asyncio.wait_for(reader.readline(), PATIENCE)
        writer.close()
        for head in ("", "GET / HTTP/1.1\nx: "):
            reader, writer = await raw(served, head)
            assert not await asyncio.wait_for(reader.read(), PATIENCE)
            writer.close()


async def test_a_stream_that_fails_is_seen_to_be_incomplete() -> None:
    """Bytes break off; events end with the error."""
    async with serving() as served:
        with pytest.raises(httpx.RemoteProtocolError):
            await served.http.get(CLIP + "broken/audio")
        answer = await served.http.post(LIBRARIES + "a/clips:streamSearch", content=b"x")
    assert answer.status_code == 200
    summary, failure = answer.text.strip().split("\n\n")
    assert summary.startswith("event: summary\ndata: {")
    assert failure.startswith("event: error\ndata: ")
    error = json.loads(failure.partition("data: ")[2])["error"]
    assert (error["code"], error["details"][0]["reason"]) == (503, "INDEX_UNAVAILABLE")


async def test_calls_beyond_the_limit_are_refused() -> None:
    """With 429 and when to come back; probes are answered."""
    async with serving(max_concurrent_calls=1) as served:
        waiting = asyncio.create_task(served.http.get(LIBRARIES + "wait"))
        await asyncio.wait_for(served.behaviour.began.wait(), PATIENCE)
        answer = await served.http.get(LIBRARIES + "a")
        assert (answer.status_code, reason(answer)) == (429, "GATEWAY_BUSY")
        assert answer.headers["retry-after"] == "1"
        assert (await served.http.get("/healthz")).json() == {"status": "NOT_SERVING"}
        waiting.cancel()


async def test_one_caller_leaves_places_to_others() -> None:
    """Three quarters of them are taken by calls that last; another address is answered."""
    async with serving(max_concurrent_calls=8) as served:
        waiting = [
            asyncio.create_task(served.http.get(LIBRARIES + "wait", timeout=PATIENCE))
            for _ in range(10)
        ]
        async with timeout(PATIENCE):
            while sum(task.done() for task in waiting) < 4:
                await asyncio.sleep(0.05)
        refused = [task.result() for task in waiting if task.done()]
        assert {(answer.status_code, reason(answer)) for answer in refused} == {
            (429, "GATEWAY_BUSY")
        }
        other = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx.AsyncClient(transport=other, base_url=served.http.base_url) as client:
            assert (await client.get(LIBRARIES + "a", timeout=PATIENCE)).status_code == 200
        for task in waiting:
            task.cancel()


async def test_uploads_are_counted_as_they_come() -> None:
    """Raw or in a form, of unknown length, with what is told of them."""
    async with serving() as served:

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(8):
                yield AUDIO

        path = LIBRARIES + "a/clips"
        answer = await served.http.post(path + "?displayName=one", content=pieces())
        clip = answer.json()["clip"]
        assert (clip["displayName"], clip["audioObject"]["sizeBytes"]) == ("one", str(8 * 2**20))
        form = {"files": {"audio": ("x/two.wav", AUDIO)}, "data": {"label": "b"}}
        clip = (await served.http.post(path, **form)).json()["clip"]
        assert (clip["displayName"], clip["audioObject"]["sizeBytes"]) == ("two.wav", str(2**20))


async def test_a_change_without_a_mask_changes_what_the_body_names() -> None:
    """Fields sent back unchanged, or left out, are not emptied."""
    async with serving() as served:
        path = CLIP + "a"
        for body, changed in [
            ({"label": "", "displayName": "x"}, "display_name,label"),
            ({"display_name": "x", "state": "STATE_ACTIVE", "source": ""}, "display_name"),
            ({"metadata": {}}, "metadata"),
        ]:
            assert (await served.http.patch(path, json=body)).json()["label"] == changed
        answer = await served.http.patch(path + "?updateMask=label", json={"displayName": "x"})
        assert answer.json()["label"] == "label"
        for content in (b"", b"{}", b'{"state": "STATE_FAILED"}'):
            clip = (await served.http.patch(path, content=content)).json()
            assert (clip["displayName"], clip["label"]) == ('a "b"/ä.wav', "")


async def test_a_refusal_reaches_who_still_sends() -> None:
    """A large upload that can't be taken is answered, not only broken off."""
    async with serving() as served:
        answer = await served.http.post(LIBRARIES + "full/clips", content=AUDIO * 30)
        assert (answer.status_code, reason(answer)) == (507, "STORAGE_FULL")
        large = b'{"displayName": "' + b"x" * 2**21 + b'"}'
        answer = await served.http.patch(LIBRARIES + "a", content=large)
        assert (answer.status_code, reason(answer)) == (413, "BODY_TOO_LARGE")


async def test_a_refusal_reaches_who_sends_all_before_it_reads() -> None:
    """Each time of 40, also where the connection is closed after the answer."""

    def upload(port: int, more: dict[str, str]) -> int:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with contextlib.closing(client):
            client.request("POST", LIBRARIES + "full/clips", AUDIO * 16, more)
            return client.getresponse().status

    async with serving() as served:
        for more in ({"connection": "close"}, {}):
            calls = (asyncio.to_thread(upload, served.port, more) for _ in range(20))
            assert set(await asyncio.gather(*calls)) == {507}


async def test_what_comes_after_a_refusal_takes_no_room_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The refused client sends on and on. Others are answered meanwhile; in the end it is left."""
    monkeypatch.setattr(exchange, "LINGER_SECONDS", 1.5)

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"more")
                await writer.drain()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(reader.read(2**16), 0.1)

    async with serving(max_concurrent_calls=1) as served:
        reader, writer = await raw(served, REFUSED)
        assert b" 507 " in await asyncio.wait_for(reader.readline(), PATIENCE)
        assert (await served.http.get(LIBRARIES + "a")).status_code == 200
        await asyncio.wait_for(drip(), PATIENCE)
        writer.close()


async def test_what_comes_after_a_refusal_does_not_hold_up_the_end() -> None:
    """The server ends although a refused client has more to send."""
    async with serving() as served:
        reader, writer = await raw(served, REFUSED)
        assert b" 507 " in await asyncio.wait_for(reader.readline(), PATIENCE)
    assert b"STORAGE_FULL" in await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()


async def test_what_is_no_http_is_answered_too(caplog: pytest.LogCaptureFixture) -> None:
    """Garbage, endless headers, and a body that is broken in its middle."""
    async with serving() as served:
        upload = (
            "POST /v1/libraries/a/clips HTTP/1.1\nhost: localhost\ntransfer-encoding: chunked\n\n"
        )
        heads = ["no http\n\n", "GET / HTTP/1.1\n" + "x: y\n" * 20_000, upload + "nonsense\n"]
        for head in heads:
            reader, writer = await raw(served, head)
            said = await asyncio.wait_for(reader.read(), PATIENCE)
            assert said.startswith(b"HTTP/1.1 400 ")
            assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]["code"] == 400
            writer.close()
        answer = await served.http.post(LIBRARIES + "a/clips", headers={"origin": "http://[::"})
        assert (answer.status_code, reason(answer)) == (403, "ORIGIN_NOT_ALLOWED")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("path", ["full/clips", "a/nothing"])
async def test_a_body_that_breaks_while_its_request_is_refused_is_answered_once(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Two refusals of one request: the second one is dropped without a trace."""
    async with serving() as served:
        upload = f"POST {LIBRARIES}{path} HTTP/1.1\nhost: localhost\ntransfer-encoding: chunked\n\n"
        reader, writer = await raw(served, upload + "3\nabc\nzz\n")
        said = await asyncio.wait_for(reader.read(), PATIENCE)
        assert said.startswith(b"HTTP/1.1 400 ")
        assert said.count(b"HTTP/1.1") == 1
        writer.close()
        assert (await served.http.get(LIBRARIES + "a")).status_code == 200
    assert "Traceback" not in caplog.text


async def test_downloads_are_sent_to_the_object_store_where_the_operator_allows() -> None:
    """Only of callers that ask for it, and of audio that is in one. HEAD is answered as ever."""
    linked, ranged = CLIP + "linked/audio?link=true", {"range": "bytes=1-2"}
    async with serving(link_seconds=60) as served:
        sent = await served.http.get(linked, headers=ranged)
        assert (sent.status_code, sent.headers["location"]) == (307, LINK)
        assert sent.headers["cache-control"] == "no-store"
        assert (await served.http.head(linked)).status_code == 200
        assert (await served.http.get(CLIP + "x/audio?link=true", headers=ranged)).content == (
            AUDIO[1:3]
        )
        plain = await served.http.get(CLIP + "linked/audio", headers=ranged)
        assert plain.content == AUDIO[1:3]
    async with serving() as served:
        assert (await served.http.get(linked, headers=ranged)).content == AUDIO[1:3]


async def test_head_is_get_without_the_body() -> None:
    """Everywhere; the audio itself is not even read."""
    async with serving() as served:
        for path in (LIBRARIES + "a", CLIP + "a/audio"):
            head, get = await served.http.head(path), await served.http.get(path)
            same = {*get.headers} - {"date", "x-request-id"}
            assert {name: head.headers[name] for name in same} == {
                name: get.headers[name] for name in same
            }
            assert not head.content
        served.behaviour.closed = False
        await served.http.head(CLIP + "a/audio")
        assert not served.behaviour.closed


async def test_the_end_is_told_before_it_comes() -> None:
    """Probes say so, events end, calls under way are answered, new ones are not taken."""
    async with serving(drain_seconds=3) as served:
        watching = asyncio.create_task(served.http.get("/v1/operations/a:watch"))
        await asyncio.sleep(0.2)
        served.stop.set()
        answer = await watching
        assert answer.text.startswith("event: operation\ndata: {")
        assert (await served.http.get("/healthz")).status_code == 503
        assert (await served.http.get(LIBRARIES + "a")).status_code == 200
        waiting = asyncio.create_task(served.http.get(LIBRARIES + "wait"))
        answer = await waiting
        assert (answer.status_code, reason(answer)) == (503, "GATEWAY_UNAVAILABLE")
        with pytest.raises(httpx.ConnectError):
            await served.http.get(LIBRARIES + "a")


async def test_idle_sockets_of_one_address_leave_room_for_others() -> None:
    """More of them than there may be. Those beyond a share are closed, and the rest is kept."""
    async with serving(max_connections=40) as served:
        pairs = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(100)]
        ended = [asyncio.create_task(reader.read()) for reader, _ in pairs]
        async with timeout(PATIENCE):
            while sum(task.done() for task in ended) < 70:
                await asyncio.sleep(0.05)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", served.port, local_addr=("127.0.0.2", 0)
        )
        writer.write(b"GET /docs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert b"200" in await asyncio.wait_for(reader.readline(), PATIENCE)
        assert sum(task.done() for task in ended) == 70
        for _, each in [*pairs, (reader, writer)]:
            each.close()
        await asyncio.gather(*ended, return_exceptions=True)
