"""Measures imports and uploads, from files to searchable clips, beside the encoder's own rate."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiosearch.embedding.v1 import embedding_service_pb2 as embedding_pb2
from audiosearch_client.client import POLL_SECONDS

from tools.benchmarks.embedding import Clips
from tools.benchmarks.experiment.settings import CALLERS, CLIP_SECONDS
from tools.benchmarks.experiment.stack import Stack
from tools.benchmarks.experiment.timed import at_once, milliseconds, percentiles
from tools.benchmarks.index_recall import say

_folders = itertools.count()
_seeds = itertools.count(1000)


def import_rate(stack: Stack, library: str, count: int) -> dict[str, Any]:
    """Imports a folder of new clips. The encoder alone embeds some of them before and after."""
    folder = stack.imports / f"folder-{next(_folders)}"
    folder.mkdir()
    clips = Clips.make(folder, CLIP_SECONDS, count, next(_seeds))
    some = clips.contents[: max(16, count // 4)]
    encoder = [_encoder_rate(stack, some)]
    before = stack.memory()
    operation = stack.client.import_folder(library, str(folder))
    while True:
        job, done = stack.client.import_job(operation.name)
        if done:
            break
        time.sleep(POLL_SECONDS)
    spent = job.update_time.ToNanoseconds() - job.create_time.ToNanoseconds()
    rate = count / (spent / 1e9)
    encoder.append(_encoder_rate(stack, some))
    alone = statistics.harmonic_mean(encoder)
    assert (job.progress.imported, job.progress.failed) == (count, 0), job
    say(f"import: {rate:.1f} clips a second; the encoder alone {alone:.1f}")
    return {
        "clips": count,
        "clips_a_second": rate,
        "encoder_clips_a_second": alone,
        "share_of_encoder": rate / alone,
        "memory_before_mib": before,
        "memory_after_mib": stack.memory(),
    }


def _encoder_rate(stack: Stack, contents: Sequence[bytes]) -> float:
    _, rate = at_once(lambda audio: _embed(stack, audio), contents, CALLERS)
    return rate


def _embed(stack: Stack, audio: bytes) -> None:
    first = embedding_pb2.EmbedAudioRequest(config=embedding_pb2.EmbedAudioConfig())
    chunk = embedding_pb2.EmbedAudioRequest(audio_chunk=audio)
    stack.embedding.EmbedAudio(iter([first, chunk]), timeout=300)


def time_to_searchable(stack: Stack, library: str, count: int) -> dict[str, Any]:
    """Uploads clips one by one. Searches with each until it is found."""
    folder = stack.imports / f"folder-{next(_folders)}"
    folder.mkdir()
    paths = Clips.make(folder, CLIP_SECONDS, count, next(_seeds)).paths
    uploads, waits, searches = [], [], []
    for path in paths:
        made: list[str] = []
        uploads.append(
            milliseconds(lambda: made.append(stack.client.upload(library, path).clip.name))  # noqa: B023  called at once
        )
        start = time.perf_counter()
        searches.append(_searches_until_found(stack, library, path, made[0]))
        waits.append(1000 * (time.perf_counter() - start))
    return {
        "upload": percentiles(uploads),
        "upload_to_found": percentiles(waits),
        "found_by_the_first_search": sum(each == 1 for each in searches) / count,
        "clips": count,
        "searches": statistics.mean(searches),
    }


def _searches_until_found(stack: Stack, library: str, path: Path, name: str) -> int:
    for count in itertools.count(1):
        matches = stack.client.search(library, path, k=1).matches
        if matches and matches[0].clip.name == name:
            return count
        assert count < 1000, f"{name} is never found"
    raise AssertionError


def queries(folder: Path, count: int) -> Sequence[Path]:
    """Makes clips to search with."""
    folder.mkdir(exist_ok=True)
    return Clips.make(folder, CLIP_SECONDS, count, next(_seeds)).paths
