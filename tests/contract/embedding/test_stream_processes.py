"""The cost of streams, and their traces: memory, processes, places."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from audiosearch.embedding.v1 import embedding_pb2
from audiosearch.embedding.v1 import embedding_service_pb2 as messages
from audiosearch.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub

from serving.errors import Reason, ServiceError, from_rpc_error
from tools.servers.processes import children, read, until

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
RATE = 16000
PCM = embedding_pb2.PcmFormat(sample_rate=RATE)
Request = messages.StreamEmbeddingsRequest


def decoders(service: Any) -> list[int]:
    """Ids of the processes that decode streams."""
    return children(service.process.pid, b"stream_decoding")


def memory(pid: int) -> int:
    """Resident memory of a process, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024


def samples(sound: Any) -> bytes:
    """Raw 16-bit samples."""
    return (32767 * sound).astype("<i2").tobytes()


class Endless:
    """The messages of a stream that goes on until it is told to end."""

    def __init__(self, first: Any, audio: bytes) -> None:
        """Takes the first message and the audio that is sent once."""
        self._messages = [first, Request(audio_chunk=audio)]
        self.end = threading.Event()

    def __iter__(self) -> Iterator[Any]:
        """Gives the messages, then waits."""
        yield from self._messages
        self.end.wait(60)


@pytest.mark.parametrize(("kind", "minutes"), [("pcm", 60), ("mp3", 20)])
def test_a_long_stream(
    service: Any, encode: Any, voice: Any, first: Any, kind: str, minutes: int
) -> None:
    """Memory does not grow with the length of the stream: its samples would be 75 MB or more."""
    minute = voice(60.0)
    audio = encode(minute, kind="MP3") if kind == "mp3" else samples(minute)
    used: list[tuple[int, int]] = []

    def requests() -> Iterator[Any]:
        yield first(**{} if kind == "mp3" else {"pcm": PCM}, window=5, hop=5 * minutes)
        for _ in range(minutes):
            yield Request(audio_chunk=audio)

    for answer in service.converse(requests()):
        if answer.HasField("window"):
            used.append((memory(service.process.pid), sum(map(memory, decoders(service)))))
    assert answer.summary.window_count == len(used) >= 12
    assert answer.summary.audio.duration.ToNanoseconds() / 1e9 == pytest.approx(
        60 * minutes, abs=10
    )
    for growth in np.array(used)[-1] - np.array(used)[1]:
        assert growth < 32
    assert used[1][1] < 200


def test_a_slow_reader(service: Any, first: Any) -> None:
    """A caller that reads no answers is sent no more, and can send no more."""
    sent = 0
    chunks = 4000

    def requests() -> Iterator[Any]:
        nonlocal sent
        yield first(pcm=PCM, window=0.1, hop=0.01)
        for sent in range(1, chunks + 1):  # noqa: B007  counted for the test
            yield Request(audio_chunk=bytes(2**16))

    narrow = [("grpc.http2.bdp_probe", 0)]  # a flow control window that does not grow
    channel = grpc.insecure_channel(f"127.0.0.1:{service.port}", narrow)
    call = EmbeddingServiceStub(channel).StreamEmbeddings(requests(), timeout=120)
    before = -1
    while before != sent or not sent:
        before = sent
        time.sleep(1)
    assert sent < chunks
    assert len(decoders(service)) == 1
    call.cancel()
    until(lambda: not decoders(service))
    channel.close()


def test_a_cancelled_stream(service: Any, voice: Any, first: Any) -> None:
    """A client that goes away leaves no process behind."""
    requests = Endless(first(pcm=PCM), samples(voice(4.0)))
    call = service.stub.StreamEmbeddings(iter(requests), timeout=60)
    assert next(call).HasField("window")
    assert len(decoders(service)) == 1
    call.cancel()
    until(lambda: not decoders(service))
    requests.end.set()


def test_a_deadline(service: Any, voice: Any, first: Any) -> None:
    """A stream that is longer than its deadline ends with it, and leaves no process behind."""
    requests = Endless(first(pcm=PCM), samples(voice(4.0)))
    with pytest.raises(grpc.RpcError) as failure:
        list(service.stub.StreamEmbeddings(iter(requests), timeout=3))
    assert failure.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: not decoders(service))
    requests.end.set()


def test_a_decoder_that_crashes(service: Any, voice: Any, first: Any) -> None:
    """A decoder that dies costs its own stream, and no other call."""
    audio = samples(voice(4.0))
    one, other = (Endless(first(pcm=PCM), audio) for _ in range(2))
    broken = service.stub.StreamEmbeddings(iter(one), timeout=60)
    next(broken)
    (decoder,) = decoders(service)
    well = service.stub.StreamEmbeddings(iter(other), timeout=60)
    next(well)
    os.kill(decoder, signal.SIGSEGV)
    with pytest.raises(grpc.RpcError) as failure:
        list(broken)
    error = from_rpc_error(failure.value)
    assert error is not None
    assert error.reason is Reason.AUDIO_UNDECODABLE
    assert "crashed" in error.message
    other.end.set()
    assert [a.WhichOneof("response") for a in well] == ["window", "summary"]


def test_no_place(start: Any, voice: Any, first: Any) -> None:
    """A stream too many is ENCODER_BUSY at once; one that ends leaves its place."""
    service = start(AUDIOSEARCH_MAX_STREAMS="1")
    audio = samples(voice(4.0))
    requests = Endless(first(pcm=PCM), audio)
    call = service.stub.StreamEmbeddings(iter(requests), timeout=60)
    next(call)
    with pytest.raises(ServiceError) as failure:
        next(service.stream(audio, pcm=PCM))
    assert failure.value.reason is Reason.ENCODER_BUSY
    service.embed(audio, pcm=PCM)
    call.cancel()
    answers: list[Any] = []

    def admitted() -> bool:
        # The place is free a moment after the decoder is gone.
        with contextlib.suppress(ServiceError):
            answers.extend(service.stream(audio, pcm=PCM))
        return bool(answers)

    until(admitted)
    assert len(answers) == 3
    requests.end.set()


def test_many_at_once(service: Any, voice: Any) -> None:
    """Streams at the same time give the answers of streams one after the other."""
    sounds = [samples(voice(4.0, seed=seed)) for seed in range(6)]
    alone = [list(service.stream(sound, pcm=PCM)) for sound in sounds]
    together: dict[int, list[Any]] = {}

    def stream(number: int) -> None:
        together[number] = list(service.stream(sounds[number], pcm=PCM))

    threads = [threading.Thread(target=stream, args=[n]) for n in range(len(sounds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [offset(together[n]) for n in range(6)] == [offset(a) for a in alone]
    for number, answers in enumerate(alone):
        for mine, theirs in zip(answers, together[number], strict=True):
            np.testing.assert_allclose(
                mine.window.embedding.values, theirs.window.embedding.values, atol=1e-5
            )


def offset(answers: list[Any]) -> list[Any]:
    """The ends of the windows."""
    return [a.window.end_offset.ToNanoseconds() for a in answers]


def test_killed(start: Any, voice: Any, first: Any) -> None:
    """When the service is killed, the decoders of its streams end too."""
    service = start()
    requests = Endless(first(pcm=PCM), samples(voice(4.0)))
    call = service.stub.StreamEmbeddings(iter(requests), timeout=60)
    next(call)
    (decoder,) = decoders(service)
    service.process.kill()
    until(lambda: b"stream_decoding" not in read(f"/proc/{decoder}/cmdline"))
    requests.end.set()
