"""Long recordings: bounded memory, slow readers, callers that go away, and places."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from audiosearch.embedding.v1 import embedding_pb2
from audiosearch.embedding.v1 import embedding_service_pb2 as messages
from audiosearch.embedding.v1.embedding_service_pb2_grpc import EmbeddingServiceStub

from serving.errors import Reason
from tools.servers.processes import children, until

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
RATE = 16000
PCM = embedding_pb2.PcmFormat(sample_rate=RATE)
SPARSE = (3.0, 3.0, 6.0)
"""A rule without overlap: the work is in the length, not in the windows."""


def peak(pid: int) -> int:
    """Peak resident memory of a process, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def forget_peak(pid: int) -> None:
    """Begins a new peak at the present memory."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def samples(sound: Any) -> bytes:
    """Raw 16-bit samples."""
    return (32767 * sound).astype("<i2").tobytes()


def recording(first: Any, audio: bytes, times: int, **config: Any) -> Iterator[Any]:
    """The messages of a recording that repeats some audio."""
    yield first(pcm=PCM, **config)
    for _ in range(times):
        yield messages.EmbedWindowsRequest(audio_chunk=audio)


def test_memory(service: Any, voice: Any, first_windows: Any) -> None:
    """Neither the service nor its decoders hold an hour: its samples would be 230 MB."""
    minute = samples(voice(60.0))
    call = service.stub.EmbedWindows
    list(call(recording(first_windows, minute, 2, rule=SPARSE), timeout=120))
    # Only now: a decoder that an earlier test broke off may have been there a moment ago.
    processes = [service.process.pid, *children(service.process.pid, b"spawn_main")]
    before = {pid: peak(pid) for pid in processes}
    for pid in processes:
        forget_peak(pid)
    answers = list(call(recording(first_windows, minute, 60, rule=SPARSE), timeout=300))
    assert answers[-1].summary.window_count == len(answers) - 1 == 1200
    assert answers[-1].summary.audio.duration.ToNanoseconds() == 3600 * 10**9
    for pid in processes:
        assert peak(pid) < before[pid] + 64


def test_a_slow_reader(service: Any, voice: Any, first_windows: Any) -> None:
    """For a caller that reads no answers no more windows are embedded, and others are served."""
    audio = samples(voice(60.0))
    narrow = [("grpc.http2.bdp_probe", 0)]  # a flow control window that does not grow
    channel = grpc.insecure_channel(f"127.0.0.1:{service.port}", narrow)
    rule = (0.1, 0.01, 0.1)
    call = EmbeddingServiceStub(channel).EmbedWindows(
        recording(first_windows, audio, 1, rule=rule), timeout=120
    )
    next(call)
    done = -1
    while done != (now := embedded(service)):
        done = now
        time.sleep(1)
    service.embed(audio, pcm=PCM)
    windows = sum(answer.HasField("window") for answer in call) + 1
    assert windows == 5991
    channel.close()


def embedded(service: Any) -> int:
    """Number of batches that the service has embedded so far."""
    return service.log.read_text().count('"encoded"')


def test_a_cancelled_call(service: Any, voice: Any, first_windows: Any) -> None:
    """A caller that goes away leaves no file, and no windows in work."""
    audio = samples(voice(60.0))
    call = service.stub.EmbedWindows(recording(first_windows, audio, 20), timeout=120)
    assert next(call).HasField("window")
    assert list(service.spools.glob("audiosearch-*/*"))
    call.cancel()
    until(lambda: not list(service.spools.glob("audiosearch-*/*")))
    before = embedded(service)
    service.embed(audio, pcm=PCM)
    assert embedded(service) <= before + 4


def test_a_deadline(service: Any, voice: Any, first_windows: Any) -> None:
    """A call that is longer than its deadline ends with it, and leaves no file."""
    audio = samples(voice(60.0))
    with pytest.raises(grpc.RpcError) as failure:
        list(service.stub.EmbedWindows(recording(first_windows, audio, 60), timeout=2))
    assert failure.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: not list(service.spools.glob("audiosearch-*/*")))


def test_no_place(start: Any, voice: Any, first_windows: Any) -> None:
    """A recording in work takes a place of the queue; one too many is ENCODER_BUSY."""
    service = start(AUDIOSEARCH_ENCODER_QUEUE="1")
    audio = samples(voice(60.0))
    call = service.stub.EmbedWindows(recording(first_windows, audio, 30), timeout=120)
    next(call)
    assert service.refuse_windows(audio, pcm=PCM).reason is Reason.ENCODER_BUSY
    assert service.refuse(audio, pcm=PCM).reason is Reason.ENCODER_BUSY
    call.cancel()
    until(lambda: not list(service.spools.glob("audiosearch-*/*")))
    windows, _ = service.windows(audio, pcm=PCM)
    assert len(windows) == 39


def test_short_audio_beside_a_long_recording(service: Any, voice: Any, first_windows: Any) -> None:
    """Short audio does not wait for the end of a long recording."""
    audio = samples(voice(60.0))
    ended = threading.Event()

    def read() -> None:
        list(service.stub.EmbedWindows(recording(first_windows, audio, 30), timeout=300))
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(5):
        service.embed(samples(voice(1.0)), pcm=PCM)
    assert not ended.is_set()
    reader.join()


def test_the_same_audio_has_the_same_vectors(service: Any, voice: Any) -> None:
    """Whatever runs at the same time, and wherever in a recording the window is."""
    piece = samples(voice(3.0, seed=9))
    (alone,), _ = service.windows(piece, pcm=PCM)
    answers: dict[int, list[Any]] = {}

    def embed(number: int) -> None:
        audio = samples(voice(3.0 * number, seed=number)) + piece + samples(voice(9.0))
        answers[number] = service.windows(audio, pcm=PCM)[0]

    threads = [threading.Thread(target=embed, args=[number]) for number in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, windows in answers.items():
        vector = windows[2 * number].embedding.values
        assert list(vector) == pytest.approx(list(alone.embedding.values), abs=1e-5)
