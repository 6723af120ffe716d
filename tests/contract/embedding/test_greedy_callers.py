"""One caller that sends as much as it can, and the others beside it."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest
import soundfile
from audiosearch.embedding.v1 import embedding_service_pb2 as messages

from serving.caller import CALLER_KEY
from serving.errors import Reason, from_rpc_error
from tools.servers.processes import until

RATE = 16000


def near_silence(minutes: int) -> bytes:
    """A small file of long audio: a level that changes every four seconds, within a frame."""
    file = io.BytesIO()
    levels = np.resize(np.array([5000, -5000], np.int16), minutes * 15)
    soundfile.write(file, np.repeat(levels, 4 * RATE + 77), RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def embed(service: Any, audio: bytes, caller: str) -> Any:
    """Embeds the windows of a recording for a caller."""

    def requests() -> Iterator[Any]:
        yield messages.EmbedWindowsRequest(config=messages.EmbedWindowsConfig())
        yield messages.EmbedWindowsRequest(audio_chunk=audio)

    return service.stub.EmbedWindows(requests(), timeout=300, metadata=[(CALLER_KEY, caller)])


def outcome(call: Any) -> str:
    """The end of a call: OK, or the reason of its failure."""
    try:
        list(call)
    except grpc.RpcError as error:
        known = from_rpc_error(error)
        assert known is not None
        return known.reason.value
    return "OK"


def test_places_for_others(start: Any, encode: Any, voice: Any) -> None:
    """Hours of one caller take three quarters of the places; others come before their end."""
    service = start(AUDIOSEARCH_ENCODER_QUEUE="8")
    hours = near_silence(60)
    calls = [embed(service, hours, "key:greedy") for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        ends = [threads.submit(outcome, call) for call in calls]
        until(lambda: sum(end.done() for end in ends) >= 2)
        sounds = [encode(voice(2.0), kind="FLAC"), encode(voice(2.0))]
        others = [outcome(embed(service, sound, f"key:{n}")) for n, sound in enumerate(sounds)]
        assert others == ["OK", "OK"]
        assert not all(end.done() for end in ends)
        for call in calls:
            call.cancel()
    refused = [end.result() for end in ends if not end.exception()]
    assert refused.count(Reason.ENCODER_BUSY.value) == 2


def test_few_long_recordings_are_held_decoded(service: Any) -> None:
    """Many long recordings at once wait as they were sent, not as samples on the disk."""
    hours = near_silence(20)
    calls = [embed(service, hours, "key:greedy") for _ in range(10)]
    most = 0
    with ThreadPoolExecutor(10) as threads:
        ends = [threads.submit(outcome, call) for call in calls]
        while not all(end.done() for end in ends):
            time.sleep(0.02)
            most = max(most, sum(size(file) for file in service.spools.glob("audiosearch-*/*")))
        assert [end.result() for end in ends] == ["OK"] * 10
    one = 4 * (4 * RATE + 77) * 300
    assert one <= most <= 4.1 * one


def size(file: Any) -> int:
    """Bytes of a file; 0 when it has just been removed."""
    try:
        return int(file.stat().st_size)
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("kind", ["FLAC", "MP3"])
def test_a_short_recording_of_the_same_caller(
    service: Any, encode: Any, voice: Any, kind: str
) -> None:
    """Short audio does not wait behind the hours that the same caller sent before."""
    hours = near_silence(60)
    calls = [embed(service, hours, "key:greedy") for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        ends = [threads.submit(outcome, call) for call in calls]
        until(lambda: any(size(f) > 2**20 for f in service.spools.glob("audiosearch-*/*")))
        assert outcome(embed(service, encode(voice(2.0), kind=kind), "key:greedy")) == "OK"
        assert sum(end.done() for end in ends) < 8
        for call in calls:
            call.cancel()
