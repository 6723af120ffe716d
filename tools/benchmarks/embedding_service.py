"""Measures the stages of a request to the embedding service, and its memory with many requests."""

from __future__ import annotations

import concurrent.futures
import io
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

from embedding_service.checkpoints.archive import read_checkpoint
from embedding_service.checkpoints.checkpoint import Checkpoint, Source
from embedding_service.checkpoints.wanted import BUNDLED
from embedding_service.decoding.decoding import Order, convert, decode
from embedding_service.decoding.readers import open_audio
from embedding_service.network.engine import Options
from embedding_service.network.model import Model
from tools.benchmarks.timing import medians, seconds
from tools.servers.embedding_process import Service, running
from tools.servers.processes import children, read

AT_ONCE = (1, 8, 64)
_RATE, _SECONDS = 44100, 5
_REPEATS = 15


def print_stages(console: Console, official: Path) -> None:
    """Prints the time of each stage of a request: 5 s of 44.1 kHz stereo FLAC, one call at a time.

    Args:
        console: Prints the table.
        official: Folder of a checkpoint of the official shape.
    """
    table = Table("stage of one request", "official shape, ms", "bundled model, ms")
    columns = [stages(folder) for folder in (official, BUNDLED["ecapatdnn_small-16k"])]
    for stage in columns[0]:
        table.add_row(stage, *(f"{1000 * column[stage]:.1f}" for column in columns))
    console.print(table)


def print_memory(console: Console, official: Path) -> None:
    """Prints the peak memory of the service for several numbers of calls at once."""
    table = Table("calls at once", "service, MB", "decoders, MB", "clips a second")
    sound = _flac()
    with _running(official) as service:
        for count in AT_ONCE:
            decoders = children(service.process, b"spawn_main")
            for pid in (service.process, *decoders):
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # resets the peak
            start = time.perf_counter()
            with concurrent.futures.ThreadPoolExecutor(count) as pool:
                list(pool.map(service.embed, [sound] * 64))
            rate = 64 / (time.perf_counter() - start)
            table.add_row(
                str(count),
                f"{_most_memory(service.process):.0f}",
                f"{sum(map(_most_memory, decoders)):.0f}",
                f"{rate:.1f}",
            )
    console.print(table)


def stages(folder: Path) -> dict[str, float]:
    """Returns the time of each stage of one request and of the whole, in seconds."""
    checkpoint = Checkpoint("measured", Source.SETTING, read_checkpoint(folder))
    sound = _flac()
    with tempfile.TemporaryDirectory() as cache:
        model = Model(checkpoint, Options(cache=Path(cache)))
        samples: Any = decode(Order(sound, "", model.info.traits.sample_rate, 3600, -70)).samples
        features = model.features(samples)
        with _running(folder, cache) as service:
            work: dict[str, Callable[[], Any]] = {
                "decode": lambda: _decode_only(sound),
                "converted": lambda: _convert(sound, model),
                "features": lambda: model.features(samples),
                "backbone": lambda: model.run([features]),
                "whole": lambda: service.embed(sound),
            }
            timed = {name: partial(seconds, run) for name, run in work.items()}
            taken = medians(timed, _REPEATS)
    known = taken["converted"] + taken["features"] + taken["backbone"]
    return {
        "decode": taken["decode"],
        "mix, resample, measure": taken["converted"] - taken["decode"],
        "features": taken["features"],
        "backbone": taken["backbone"],
        "wire and processes": taken["whole"] - known,
        "whole": taken["whole"],
    }


def _decode_only(sound: bytes) -> None:
    with open_audio(io.BytesIO(sound), None) as stream:
        for _ in stream.blocks:
            pass


def _convert(sound: bytes, model: Model) -> None:
    with open_audio(io.BytesIO(sound), None) as stream:
        convert(stream, model.info.traits.sample_rate, -70, lambda _: None)


def _flac() -> bytes:
    random = np.random.default_rng(5)
    sound = 0.1 * random.standard_normal((_RATE * _SECONDS, 2))
    file = io.BytesIO()
    soundfile.write(file, sound, _RATE, format="FLAC")
    return file.getvalue()


def _most_memory(pid: int) -> float:
    """Returns the peak resident memory of a process, MB."""
    lines = read(f"/proc/{pid}/status").decode().splitlines()
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")), 0.0)


def _running(checkpoint: Path, cache: str = "") -> AbstractContextManager[Service]:
    return running({"AUDIOSEARCH_CHECKPOINT": str(checkpoint), "AUDIOSEARCH_ENCODER_CACHE": cache})
