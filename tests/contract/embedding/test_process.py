"""The service as a process: how it starts, what it survives, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audiosearch.embedding.v1 import embedding_service_pb2 as messages
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.errors import Reason, from_rpc_error
from tools.servers.processes import children, until

ROOT = Path(__file__).parents[3]
linux = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the service to its end."""
    return subprocess.run(
        [sys.executable, "-m", "embedding_service", *arguments],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def decoders(pid: int) -> list[int]:
    """Ids of the decoder processes of a service."""
    return children(pid, b"spawn_main")


def reads_audio(pid: int, spools: Path) -> bool:
    """Returns True if a process has a file open that holds audio."""
    return any(str(spools) in str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir())


def alive(pid: int) -> bool:
    """Returns True if a process runs and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_help() -> None:
    """--help lists the settings."""
    answer = run("--help")
    assert answer.returncode == 0
    for name in ("AUDIOSEARCH_EMBEDDING_PORT", "AUDIOSEARCH_CHECKPOINT", "AUDIOSEARCH_OFFLINE"):
        assert name in answer.stdout


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUDIOSEARCH_EMBEDDING_PORT", "70000"),
        ("AUDIOSEARCH_MAX_AUDIO_SECONDS", "an hour"),
        ("AUDIOSEARCH_SILENCE_DBFS", "10"),
        ("AUDIOSEARCH_MIN_AUDIO_SECONDS", "8000"),
    ],
)
def test_a_bad_setting(name: str, value: str) -> None:
    """A bad value ends the start with one line that names the variable."""
    answer = run(**{name: value})
    assert answer.returncode == 2
    assert name in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_a_missing_checkpoint(tmp_path: Path) -> None:
    """A checkpoint that was set and is not there ends the start with one line."""
    answer = run(AUDIOSEARCH_CHECKPOINT=str(tmp_path / "none"), AUDIOSEARCH_EMBEDDING_PORT="0")
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith("embedding_service: AUDIOSEARCH_CHECKPOINT: ")
    assert "Traceback" not in answer.stderr


def test_health_and_end(start: Any) -> None:
    """It is SERVING when it listens, and ends with 0 on SIGTERM, leaving no file or process."""
    service = start()
    health = health_pb2_grpc.HealthStub(service.channel)
    name = "audiosearch.embedding.v1.EmbeddingService"
    request = health_pb2.HealthCheckRequest(service=name)
    serving = health_pb2.HealthCheckResponse.SERVING
    until(lambda: health.Check(request).status == serving)
    assert list(service.spools.iterdir())
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(30) == 0
    assert not list(service.spools.iterdir())
    assert "Traceback" not in service.log.read_text()


@linux
def test_a_decoder_that_crashes(start: Any, encode: Any, voice: Any) -> None:
    """A decoder that dies costs the call that it worked for, and no other."""
    service = start(AUDIOSEARCH_DECODER_PROCESSES="1")
    long = encode(np.tile(voice(60.0), 30), kind="FLAC")
    config = messages.EmbedAudioRequest(config=messages.EmbedAudioConfig())
    chunks = (
        messages.EmbedAudioRequest(audio_chunk=long[i : i + 2**20])
        for i in range(0, len(long), 2**20)
    )
    call = service.stub.EmbedAudio.future(iter([config, *chunks]))
    until(lambda: any(p.stat().st_size for p in service.spools.glob("audiosearch-*/1")))
    (busy,) = [pid for pid in decoders(service.process.pid) if reads_audio(pid, service.spools)]
    os.kill(busy, signal.SIGSEGV)
    error = from_rpc_error(call.exception())
    assert error is not None
    assert error.reason is Reason.AUDIO_UNDECODABLE
    assert "crashed" in error.message
    service.embed(encode(voice(1.0)))


@linux
def test_idle_decoders_that_die(service: Any, encode: Any, voice: Any) -> None:
    """Decoders that die while they have nothing to do are replaced."""
    for decoder in decoders(service.process.pid):
        os.kill(decoder, signal.SIGKILL)
        until(lambda decoder=decoder: not alive(decoder))
    for _ in range(4):
        service.embed(encode(voice(1.0)))


@linux
def test_no_orphans(start: Any) -> None:
    """When the service is killed, its decoders end too, and its files are deleted."""
    service = start()
    left = decoders(service.process.pid)
    assert len(left) == 3
    service.process.kill()
    service.process.wait(10)
    until(lambda: not any(alive(pid) for pid in left))
    until(lambda: not list(service.spools.iterdir()))
