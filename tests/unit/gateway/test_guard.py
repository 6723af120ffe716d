"""The check of a call, on any transport."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from audiosearch.catalog.v1.library_pb2 import GetLibraryRequest
from audiosearch.gateway.v1.clips_pb2 import UploadClipConfig, UploadClipRequest

from gateway.access import api_key, key_file
from gateway.access.guard import Guard
from gateway.access.keyring import Keyring
from gateway.access.rates import Rates
from gateway.access.rights import OPERATOR, Right, caller
from serving.caller import caller as shared_by
from serving.errors import Reason, ServiceError

GET = "/audiosearch.gateway.v1.LibraryService/GetLibrary"
UPLOAD = "/audiosearch.gateway.v1.ClipService/UploadClip"
HOME = "127.0.0.1"


@pytest.fixture
def header(tmp_path: Path) -> str:
    """Of a key that may read one library and write another."""
    key, token = api_key.make("phone", {"a": Right.read, "b": Right.write})
    key_file.change(tmp_path / "keys", lambda keys: keys.update({key.id: key}))
    return f"Bearer {token}"


@pytest.fixture
def guard(tmp_path: Path, header: str) -> Guard:
    """Knows that key."""
    return Guard(Keyring(tmp_path / "keys"))


def test_a_request_goes_through_as_it_is(guard: Guard, header: str) -> None:
    """And who called is known to the servicer."""
    request = GetLibraryRequest(name="libraries/a")
    guard.know(header, HOME)
    assert guard.check(GET, request) is request
    assert caller.get().name == "phone"
    with pytest.raises(ServiceError) as raised:
        guard.check(GET, GetLibraryRequest(name="libraries/c"))
    assert raised.value.reason is Reason.RIGHT_MISSING
    with pytest.raises(ServiceError) as raised:
        guard.know(None, HOME)
    assert raised.value.reason is Reason.KEY_MISSING


def test_without_keys_everything_goes_through(tmp_path: Path) -> None:
    """Also what the servicer will refuse."""
    request = GetLibraryRequest(name="no name")
    guard = Guard(Keyring(None))
    guard.know(None, HOME)
    assert guard.check(GET, request) is request
    assert caller.get() is OPERATOR


def test_a_caller_is_its_key_or_else_its_address(guard: Guard, header: str) -> None:
    """Shares are counted by it, here and in the services that the gateway calls."""
    named = guard.know(header, HOME)
    assert named.startswith("key:")
    assert shared_by.get() == named
    assert Guard(Keyring(None)).know(None, HOME) == "peer:127.0.0.1"


def test_a_call_before_its_caller_is_known_is_never_run(guard: Guard) -> None:
    """A transport that forgets to ask lets nobody in."""
    with pytest.raises(LookupError):
        contextvars.Context().run(guard.check, GET, GetLibraryRequest(name="libraries/a"))


def test_a_method_without_a_rule_is_never_run(guard: Guard, header: str) -> None:
    """This holds for every caller."""
    guard.know(header, HOME)
    with pytest.raises(KeyError):
        guard.check(GET + "2", GetLibraryRequest(name="libraries/a"))


async def send(*parents: str) -> AsyncIterator[UploadClipRequest]:
    """A stream with a config for each parent, and audio."""
    for parent in parents:
        yield UploadClipRequest(config=UploadClipConfig(parent=parent))
    yield UploadClipRequest(audio_chunk=b"x")


async def test_a_stream_is_checked_where_it_names_a_library(guard: Guard, header: str) -> None:
    """At its first message, and if it names another one later."""
    guard.know(header, HOME)
    passed = [message async for message in guard.check(UPLOAD, send("libraries/b"))]
    assert [message.WhichOneof("request") for message in passed] == ["config", "audio_chunk"]
    for parents in (["libraries/a"], ["libraries/b", "libraries/a"]):
        stream = guard.check(UPLOAD, send(*parents))
        for _ in parents[1:]:
            assert await anext(stream)
        with pytest.raises(ServiceError) as raised:
            await anext(stream)
        assert raised.value.reason is Reason.RIGHT_MISSING


def test_a_key_makes_the_calls_of_its_rate() -> None:
    """Those of 10 s at once, then one by one; others are not held up, nor are keys without one."""
    clock = [100.0]
    rates = Rates(lambda: clock[0])
    slow, _ = api_key.make("slow", {"a": Right.read}, 60)
    other, _ = api_key.make("other", {"a": Right.read}, 60)
    free, _ = api_key.make("free", {"a": Right.read})
    for _ in range(10):
        rates.take(slow)
    with pytest.raises(ServiceError, match="60 calls a minute; wait 1 s") as raised:
        rates.take(slow)
    assert raised.value.reason is Reason.GATEWAY_BUSY
    for _ in range(100):
        rates.take(free)
    rates.take(other)
    clock[0] += 1.0
    rates.take(slow)
    with pytest.raises(ServiceError):
        rates.take(slow)
    clock[0] += 3600.0
    for _ in range(10):
        rates.take(slow)
    with pytest.raises(ServiceError):
        rates.take(slow)


def test_a_rate_is_kept_in_the_file_and_counted_at_calls(tmp_path: Path) -> None:
    """A key without one has no word of it there, which gateways before would not know."""
    slow, token = api_key.make("slow", {"a": Right.read}, 6)
    free, _ = api_key.make("free", {"a": Right.read})
    key_file.change(tmp_path / "keys", lambda keys: keys.update({slow.id: slow, free.id: free}))
    assert (tmp_path / "keys").read_text().count("calls_per_minute") == 1
    guard = Guard(Keyring(tmp_path / "keys"))
    guard.know(f"Bearer {token}", HOME)
    with pytest.raises(ServiceError) as raised:
        guard.know(f"Bearer {token}", HOME)
    assert raised.value.metadata["calls_per_minute"] == "6"
