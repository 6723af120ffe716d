"""The lines of calls in a service's log: what they tell, and which calls have none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import grpc
import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip

from serving.calls.about import about
from serving.telemetry import configure
from tests.unit.serving.served import Start, happens, logs, start

__all__ = ["logs", "start"]  # fixtures
CLIP = "libraries/Ducks/clips/01abc"
Logs = pytest.CaptureFixture[str]


def lines(logs: Logs) -> list[dict[str, Any]]:
    """All lines that came since the last look; each is JSON."""
    return [json.loads(line) for line in logs.readouterr().err.splitlines()]


async def test_the_line_of_a_failed_call_tells_all(start: Start, logs: Logs) -> None:
    """The reason and why, the library, the clip, the peer and the bytes that were received."""
    configure("test")
    served = await start()
    request = clip_pb2.GetAudioRequest(name=CLIP)
    with pytest.raises(grpc.aio.AioRpcError):
        [_ async for _ in served.stub.GetAudio(request)]
    said: list[dict[str, Any]] = []

    def logged() -> bool:
        said.extend(line for line in lines(logs) if line["event"] == "call")
        return bool(said)

    await happens(logged)
    (line,) = said
    assert (line["outcome"], line["why"]) == ("AUDIO_NOT_FOUND", "no more")
    assert (line["library"], line["clip"]) == ("libraries/Ducks", CLIP)
    assert line["peer"].startswith("ipv4:127.0.0.1:")
    assert line["bytes"] == request.ByteSize()


async def test_calls_of_no_user_are_logged_if_they_fail(start: Start, logs: Logs) -> None:
    """A loop of the gateway passes no id on: its calls that succeed have no line."""
    configure("test")
    served = await start()
    request = clip_pb2.GetClipRequest(name="fine")
    for _ in range(3):
        await served.stub.GetClip(request)
    await served.stub.GetClip(request, metadata=(("x-request-id", "a-user's"),))
    said: list[dict[str, Any]] = []

    def logged() -> bool:
        said.extend(line for line in lines(logs) if line["event"] == "call")
        return bool(said)

    await happens(logged)
    assert [line["request_id"] for line in said] == ["a-user's"]


def test_what_a_message_is_about() -> None:
    """Its own names, those of its parts, and nothing that is no name."""
    assert about(clip_pb2.ListClipsRequest(parent="libraries/Ducks")) == {
        "library": "libraries/Ducks"
    }
    inner = clip_pb2.UpdateClipRequest(clip=Clip(name=CLIP))
    assert about(inner) == {"library": "libraries/Ducks", "clip": CLIP}
    assert about(clip_pb2.GetClipRequest(name="../etc\n" * 9)) == {}


def test_all_that_a_process_writes_is_json() -> None:
    """Libraries, warnings, a wrong setting, a start that is refused, and a crash."""
    code = """
import asyncio, logging, sys, warnings
from serving.server import run
from serving.settings import ServerSettings, load

async def main():
    for name in ("asyncio", "uvicorn.error", "grpc._cython.cygrpc"):
        logging.getLogger(name).warning("from %s", name)
    warnings.warn("take care")
    if "refused" in sys.argv:
        raise SystemExit("the port is taken")
    raise RuntimeError("broken")

end, sys.argv[1:] = sys.argv[1:], []
settings = load(ServerSettings, "example")
sys.argv += end
run("example", settings, main)
"""

    def said(end: str, code_of_exit: int, **variables: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-c", code, end],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "AUDIOSEARCH_LOG_FORMAT": "json", **variables},
        )
        assert done.returncode == code_of_exit, done.stderr
        return [json.loads(line) for line in done.stderr.splitlines()]

    (wrong,) = said("crash", 2, AUDIOSEARCH_LOG_LEVEL="loud")
    assert "AUDIOSEARCH_LOG_LEVEL" in wrong["why"]
    *told, last = said("refused", 1)
    assert [line["event"] for line in told[:3]] == [
        "from asyncio",
        "from uvicorn.error",
        "from grpc._cython.cygrpc",
    ]
    assert "take care" in told[3]["event"]
    assert last["why"] == "the port is taken"
    *_, last = said("crash", 1)
    assert last["exception"][0]["exc_type"] == "RuntimeError"
