"""Measures imports of long recordings beside the encoder's own rate, and what they take to keep."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.catalog.v1.library_pb2 import CreateLibraryRequest, Library
from audiosearch.embedding.v1.embedding_service_pb2 import EmbedWindowsRequest
from audiosearch.index.v1.index_pb2 import IndexStats
from audiosearch.index.v1.index_service_pb2 import GetIndexStatsRequest
from audiosearch_client.client import POLL_SECONDS

from gateway.libraries.indexes import present
from tools.benchmarks.embedding import Clips
from tools.benchmarks.experiment.settings import CLIP_SECONDS, Settings
from tools.benchmarks.experiment.stack import Stack
from tools.benchmarks.experiment.timed import at_once
from tools.benchmarks.index_recall import say

NAME = "benchmark-long"
RECORDINGS = 2
"""Recordings that are imported, and embedded, at once."""

SHORT_CLIPS = 8
CHUNK_BYTES = 2**20
CALL_SECONDS = 1800


def measure(stack: Stack, settings: Settings) -> dict[str, Any]:
    """Imports short clips, then long recordings. The encoder alone embeds these before and after.

    Nothing else is in the library, so that its index tells how many vectors they take.
    """
    folders = {name: stack.imports / f"{NAME}-{name}" for name in ("short", "long")}
    for folder in folders.values():
        folder.mkdir()
    Clips.make(folders["short"], CLIP_SECONDS, SHORT_CLIPS, seed=1)
    recordings = Clips.make(folders["long"], settings.long_seconds, RECORDINGS, seed=1)
    library: Library = stack.client.call(
        stack.client.stubs.libraries.CreateLibrary, CreateLibraryRequest(library_id=NAME)
    )
    _import(stack, str(folders["short"]), SHORT_CLIPS)
    short = _stats(stack, library).vector_count
    alone = [_encoder_rate(stack, recordings.contents)]
    before = stack.memory()
    job = _import(stack, str(folders["long"]), RECORDINGS)
    after = stack.memory()
    spent = (job.update_time.ToNanoseconds() - job.create_time.ToNanoseconds()) / 1e9
    alone.append(_encoder_rate(stack, recordings.contents))
    stats = _stats(stack, library)
    vectors = stats.vector_count - short
    hours = RECORDINGS * settings.long_seconds / 3600
    rate, encoder = vectors / spent, statistics.harmonic_mean(alone)
    say(f"long recordings: {rate:.1f} vectors a second; the encoder alone {encoder:.1f}")
    return {
        "recordings": RECORDINGS,
        "seconds_each": settings.long_seconds,
        "short_clips": SHORT_CLIPS,
        "vectors_of_short_clips": short,
        "vectors": vectors,
        "vectors_an_hour": vectors / hours,
        "index_mib_an_hour": stats.memory_bytes / stats.vector_count * vectors / hours / 2**20,
        "vectors_a_second": rate,
        "encoder_vectors_a_second": encoder,
        "share_of_encoder": rate / encoder,
        "times_real_time": RECORDINGS * settings.long_seconds / spent,
        "memory_before_mib": before,
        "memory_after_mib": after,
    }


def _import(stack: Stack, folder: str, count: int) -> ImportJob:
    operation = stack.client.import_folder(NAME, folder)
    while True:
        job, done = stack.client.import_job(operation.name)
        if done:
            break
        time.sleep(POLL_SECONDS)
    assert (job.progress.imported, job.progress.failed) == (count, 0), job
    return job


def _stats(stack: Stack, library: Library) -> IndexStats:
    request = GetIndexStatsRequest(index_id=present(library).windows)
    return stack.index.GetIndexStats(request, timeout=300)


def _encoder_rate(stack: Stack, recordings: Sequence[bytes]) -> float:
    """Returns the vectors a second of all recordings at once."""
    counts: list[int] = []
    _, rate = at_once(
        lambda audio: counts.append(_embed(stack, audio)), recordings, len(recordings)
    )
    return rate * statistics.mean(counts)


def _embed(stack: Stack, audio: bytes) -> int:
    answers = stack.embedding.EmbedWindows(_requests(audio), timeout=CALL_SECONDS)
    return sum(answer.window.HasField("embedding") for answer in answers)


def _requests(audio: bytes) -> Iterator[EmbedWindowsRequest]:
    yield EmbedWindowsRequest(config={})
    for start in range(0, len(audio), CHUNK_BYTES):
        yield EmbedWindowsRequest(audio_chunk=audio[start : start + CHUNK_BYTES])
