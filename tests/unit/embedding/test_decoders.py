"""The processes that decode, and their limits."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embedding_service.decoding.decoders import Decoders
from embedding_service.decoding.decoding import INLINE_BYTES, Order
from embedding_service.decoding.parts import Part
from embedding_service.decoding.readers import AudioError
from embedding_service.decoding.spool import Spools
from tools.servers.processes import children, until


@pytest.fixture
def spools() -> Iterator[Spools]:
    """A folder for audio."""
    with Spools() as made:
        yield made


async def decode(decoders: Decoders, spools: Spools, minutes: float) -> int:
    """Decodes noise of this length; returns the number of samples."""
    noise = np.random.default_rng(0).standard_normal(round(60 * minutes * 8000)) * 0.1
    file = io.BytesIO()
    soundfile.write(file, noise, 8000, format="FLAC")
    with spools.open() as audio, spools.open() as sink:
        sink.reserve()
        await audio.write(file.getvalue())
        await audio.finish()
        source = audio.inline
        assert (source is None) == (len(file.getvalue()) > INLINE_BYTES) == audio.path.exists()
        order = Order(
            str(audio.path) if source is None else source, str(sink.path), 16000, 3600, -70
        )
        decoded = await decoders.decode(order, "key:a")
        count = decoded.heard.samples
        samples = decoded.samples
        assert (samples is None) == (4 * count > INLINE_BYTES) == (sink.path.stat().st_size > 0)
        kept = sink.read_samples(0, count) if samples is None else samples
        assert kept.shape == (count,)
        expected = np.sqrt(np.mean(kept.astype(float) ** 2))
        assert decoded.heard.level_dbfs == pytest.approx(20 * np.log10(expected), abs=0.1)
    return count


def wait_until_written(sink: Path) -> None:
    """Waits until a decoder has begun to write."""
    end = time.monotonic() + 20
    while not (sink.is_file() and sink.stat().st_size):
        assert time.monotonic() < end
        time.sleep(0.01)


async def test_decoding_that_takes_too_long(spools: Spools) -> None:
    """Decoding is stopped after its time, and the next audio is decoded."""
    with Decoders(1, 0.5, spools.folder) as decoders:
        with pytest.raises(AudioError, match=r"more than 0\.5 s") as failure:
            await decode(decoders, spools, minutes=55)
        assert failure.value.reason == "AUDIO_UNDECODABLE"
        assert await decode(decoders, spools, minutes=0.1) == 96000


async def test_a_cancelled_call(spools: Spools) -> None:
    """A cancelled call stops its decoder, and the next audio is decoded."""
    with Decoders(1, 60, spools.folder) as decoders:
        task = asyncio.create_task(decode(decoders, spools, minutes=55))
        await asyncio.to_thread(wait_until_written, spools.folder / "1")
        waiting = asyncio.create_task(decode(decoders, spools, minutes=0.1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await waiting == 96000
        assert not list(spools.folder.iterdir())


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="needs Linux's /proc")
async def test_a_process_is_used_again(spools: Spools) -> None:
    """Audio that is refused costs no process, and an idle process that dies costs no call."""
    with Decoders(1, 60, spools.folder) as decoders, spools.open() as sink:
        sink.reserve()
        before = processes()
        refused = Order(b"no audio", str(sink.path), 16000, 3600, -70)
        for _ in range(3):
            with pytest.raises(AudioError) as failure:
                await decoders.decode(refused, "key:a")
            assert failure.value.reason == "AUDIO_UNDECODABLE"
        assert await decode(decoders, spools, minutes=5) == 5 * 60 * 16000
        assert processes() == before
        for process in before:
            os.kill(process, signal.SIGKILL)
            await asyncio.to_thread(until, functools.partial(ended, process))
        assert await decode(decoders, spools, minutes=0.1) == 96000
        assert not set(processes()) & set(before)
    assert processes() == []


async def test_systems_without_unnamed_memory(
    spools: Spools, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file without a name takes its place, as on macOS."""
    monkeypatch.delattr(os, "memfd_create")
    with Decoders(1, 60, spools.folder) as decoders:
        assert await decode(decoders, spools, minutes=0.05) == 48_000


async def test_a_process_that_ends_before_it_reads_its_work_costs_no_call(spools: Spools) -> None:
    """Another one gets the work: the audio is not the cause."""
    with Decoders(1, 60, spools.folder) as decoders:
        before = processes()
        for process in before:
            os.kill(process, signal.SIGSTOP)
        decoding = asyncio.create_task(decode(decoders, spools, minutes=0.1))
        await asyncio.sleep(0.3)  # the order is on its way then
        for process in before:
            os.kill(process, signal.SIGKILL)
        assert await decoding == 96000


async def test_decoders_print_nothing(spools: Spools, capfd: pytest.CaptureFixture[str]) -> None:
    """Libsndfile tells of damaged packets on standard output, line by line."""
    file = io.BytesIO()
    soundfile.write(file, np.sin(np.arange(16_000)), 16_000, format="SDS")
    data = bytearray(file.getvalue())
    data[21::127] = bytes(len(data[21::127]))  # the first byte of each packet
    with Decoders(1, 60, spools.folder) as decoders, spools.open() as sink:
        sink.reserve()
        order = Order(bytes(data), str(sink.path), 16000, 3600, -70)
        with contextlib.suppress(AudioError):
            await decoders.decode(order, "key:a")
    assert capfd.readouterr().out == ""


async def test_short_beside_long(spools: Spools) -> None:
    """Short audio is decoded while all processes for long audio are busy, also that of others."""
    with Decoders(1, 60, spools.folder) as decoders:
        ended: list[str] = []

        async def long() -> None:
            await decode(decoders, spools, minutes=55)
            ended.append("long")

        async def short(number: int) -> None:
            file = io.BytesIO()
            soundfile.write(file, np.full(8000, 0.1), 8000, format="FLAC")
            order = Order(file.getvalue(), str(spools.folder / "none"), 16000, 3600, -70)
            assert await decoders.decode_quickly(order, f"key:{number % 2}")
            ended.append("short")

        first = asyncio.create_task(long())
        await asyncio.to_thread(wait_until_written, spools.folder / "1")
        await asyncio.gather(first, *(short(number) for number in range(4)))
        assert ended == ["short"] * 4 + ["long"]


async def test_long_audio_is_not_decoded_quickly(spools: Spools) -> None:
    """What turns out to be long is given up, and leaves nothing; a part of it may be short."""
    file = io.BytesIO()
    soundfile.write(file, np.full(8000 * 400, 0.1), 8000, format="FLAC")
    with Decoders(1, 60, spools.folder) as decoders, spools.open() as sink:
        sink.reserve()
        order = Order(file.getvalue(), str(sink.path), 16000, 3600, -70)
        assert await decoders.decode_quickly(order, "key:a") is None
        assert sink.path.stat().st_size == 0
        assert await decoders.decode_quickly(replace(order, part=Part(380, 390)), "key:a")
        whole = await decoders.decode(order, "key:a")
        assert whole.heard.seconds == 400


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="needs Linux's /proc")
def test_what_a_decoder_may_use(spools: Spools) -> None:
    """A decoder's memory is bounded, and holds neither Paddle nor gRPC."""
    with Decoders(1, 60, spools.folder) as decoders:
        asyncio.run(decode(decoders, spools, minutes=0.1))
        pid = processes()[0]
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert "sndfile" in maps
        assert "paddle" not in maps
        assert "grpc" not in maps
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        (space,) = [line.split() for line in limits if line.startswith("Max address space")]
        assert int(space[3]) < 8 * 2**30


def ended(process: int) -> bool:
    """True for a process that has ended, though nobody may have asked for its end yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def processes() -> list[int]:
    """Ids of the decoder processes of this one."""
    return children("self", b"spawn_main")
