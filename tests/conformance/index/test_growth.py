"""An index that grows on a Milvus server: another kind takes over, unseen; recall is as asked."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.index.v1.index_pb2 import INDEX_KIND_WINDOWS, Attributes, Vector
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from pymilvus import MilvusClient

from index_service.milvus import MilvusStore
from index_service.recall import COMMON_ROWS, effort, in_halves
from index_service.settings import IndexSettings
from serving.compat import timeout
from tests.conformance.index.index_harness import Client, serving_store, settings_for
from tests.conformance.index.index_process import service
from tools.benchmarks.clustered import clustered, nearest, recall
from tools.servers.milvus_server import MilvusServer

ROWS = 12_000
QUICK = {
    "AUDIOSEARCH_RETUNE_SECONDS": "0.5",
    "AUDIOSEARCH_FLAT_ROWS": "2000",
    "AUDIOSEARCH_STORE_TIMEOUT_SECONDS": "60",
}


def growing(
    folder: Path, milvus: MilvusServer, flat_rows: int = 5_000, retune_seconds: float = 0.5
) -> IndexSettings:
    """Settings of a service whose indexes soon change their type."""
    return settings_for(
        folder,
        milvus.port,
        vector_dimension=192,
        flat_rows=flat_rows,
        retune_seconds=retune_seconds,
        store_seconds=60,
    )


def named(rows: np.ndarray, first: int = 0) -> dict[str, np.ndarray]:
    """Vectors under ids in the order of their rows."""
    return {f"v{first + row:06d}": vector for row, vector in enumerate(rows)}


async def until(check: Callable[[], Awaitable[bool]], seconds: float = 240) -> None:
    """Waits until a check holds."""
    async with timeout(seconds):
        while not await check():
            await asyncio.sleep(0.2)


async def is_kind(client: Client, kind: str) -> bool:
    """Returns True if an index has a type."""
    return (await client.stats()).index_type == kind


def collections(milvus: MilvusServer, index: str) -> list[str]:
    """Milvus' collections of an index."""
    client = MilvusClient(f"http://127.0.0.1:{milvus.port}")
    names = [name for name in client.list_collections() if name.endswith(f"_{index}")]
    client.close()
    return names


@pytest.mark.server
async def test_grows_while_used(tmp_path: Path, milvus: MilvusServer) -> None:
    """FLAT becomes HNSW under reads and writes: each read right, nothing lost, recall as asked."""
    settings = growing(tmp_path, milvus)
    stored, late = clustered(ROWS, seed=0), clustered(400, seed=1)
    async with serving_store(MilvusStore(settings), settings) as channel:
        client = Client(IndexServiceStub(channel), "grows")
        await client.create(dimension=192)
        assert await is_kind(client, "FLAT")
        for start in range(0, ROWS, 4000):
            await client.upsert(named(stored[start : start + 4000], start))
        wanted = named(stored)
        assert (await client.stats()).vector_count == ROWS
        changes = iter(range(400))

        async def used() -> bool:
            row = next(changes)
            new, old = f"w{row:03d}", f"v{row * 25:06d}"
            await client.upsert({new: late[row]})
            await client.delete(old)
            wanted[new] = late[row]
            del wanted[old]
            found = await client.search(late[row], k=3)
            assert found[0] == (new, 1.0)
            assert old not in [name for name, _ in await client.search(stored[row * 25], k=3)]
            return await is_kind(client, "HNSW")

        await until(used)
        await until(lambda: one_left(milvus, "grows"))
        stats = await client.stats()
        assert dict(stats.parameters) == {"M": "16", "efConstruction": "200"}
        assert stats.vector_count == len(wanted)
        assert 192 * 4 < stats.memory_bytes / len(wanted) < 192 * 8
        assert await client.list_ids(size=10_000) == sorted(wanted)
        some = sorted(wanted)[::97]
        there = await client.get(*some)
        assert all(np.array_equal(there[name], wanted[name]) for name in some)
        found = await client.search(stored[0], k=1000, only_ids=some)
        assert sorted(name for name, _ in found) == some
        await check_recall(client, wanted)


async def one_left(milvus: MilvusServer, index: str) -> bool:
    """Returns True if only one collection of an index is left."""
    return len(await asyncio.to_thread(collections, milvus, index)) == 1


async def check_recall(client: Client, wanted: dict[str, np.ndarray]) -> None:
    """Compares searches with exact search, for each recall target."""
    names = sorted(wanted)
    row_of = {name: row for row, name in enumerate(names)}
    stored = np.stack([wanted[name] for name in names])
    queries = clustered(100, seed=9)
    exact = nearest(stored, queries, 100)
    for target in (0.9, 0.95, 0.99):
        for k in (10, 100):
            answers = await client.search_all(queries, k=k, recall_target=target)
            found = [[row_of[name] for name, _ in answer] for answer in answers]
            assert recall(found, exact, k) >= target


@pytest.mark.server
async def test_several_write_while_it_grows(tmp_path: Path, milvus: MilvusServer) -> None:
    """No write fails, not even one to the next collection before that is loaded."""
    settings = growing(tmp_path, milvus, flat_rows=1_000, retune_seconds=0.2)
    vectors = clustered(100, seed=0)
    numbers = itertools.count()
    async with serving_store(MilvusStore(settings), settings) as channel:
        client = Client(IndexServiceStub(channel), "written")
        await client.create(dimension=192, kind=INDEX_KIND_WINDOWS)
        grown = asyncio.Event()

        async def write() -> None:
            while not grown.is_set():
                clip = f"c{next(numbers):05d}"
                windows = [
                    Vector(id=f"{clip}:{row}", values=values, clip_id=clip)
                    for row, values in enumerate(vectors)
                ]
                await client.upsert_windows(*windows)

        writers = [asyncio.create_task(write()) for _ in range(4)]
        try:
            await until(lambda: is_kind(client, "HNSW"))
        finally:
            grown.set()
            await asyncio.gather(*writers)
        assert (await client.stats()).vector_count == len(vectors) * next(numbers)
        await client.drop()


@pytest.mark.server
async def test_windows_grow_while_updated(tmp_path: Path, milvus: MilvusServer) -> None:
    """Windows keep clips and the newest attributes when another type takes over; recall holds."""
    settings = growing(tmp_path, milvus)
    stored = clustered(ROWS, seed=0)
    clips = [f"c{row // 4:05d}" for row in range(ROWS)]
    lots = {clip: f"lot {number % 10}" for number, clip in enumerate(dict.fromkeys(clips))}
    async with serving_store(MilvusStore(settings), settings) as channel:
        client = Client(IndexServiceStub(channel), "windows_grow")
        await client.create(dimension=192, kind=INDEX_KIND_WINDOWS)
        rows = [
            Vector(
                id=f"{clip}:{row % 4:08d}",
                clip_id=clip,
                values=stored[row].tolist(),
                attributes=attributes(clip, lots[clip]),
            )
            for row, clip in enumerate(clips)
        ]
        for start in range(0, ROWS, 4000):
            await client.upsert_windows(*rows[start : start + 4000])
        changes = iter(sorted(lots))

        async def updated() -> bool:
            clip = next(changes)
            lots[clip] = "lot 0"
            assert await client.update(**{clip: attributes(clip, "lot 0", revision=1)}) == 4
            return await is_kind(client, "HNSW")

        await until(updated)
        await until(lambda: one_left(milvus, "windows_grow"))
        assert (await client.stats()).kind == INDEX_KIND_WINDOWS
        assert (await client.stats()).vector_count == ROWS
        await check_filtered(client, stored, [int(lots[clip][-1]) for clip in clips])
        await check_speakers(client, stored)


def attributes(clip: str, lot: str, revision: int = 0) -> Attributes:
    """Attributes of a clip. Those of one speaker have one name, others have each their own."""
    speaker = f"s{int(clip[1:]) % 10}"
    name = "same.wav" if speaker == "s3" else f"{clip}.wav"
    found = Attributes(display_name=name, label=lot, speaker=speaker, revision=revision)
    found.metadata["lot"] = lot[-1]
    return found


async def check_speakers(client: Client, stored: np.ndarray) -> None:
    """A tenth of the rows is found exactly, unless it can't be parted by names."""
    queries, speakers = clustered(100, seed=9), np.arange(ROWS) // 4 % 10
    for speaker, least in ((1, 0.995), (3, 0.95)):
        fit = np.flatnonzero(speakers == speaker)
        only = Condition.Values(values=[f"s{speaker}"])
        answers = await client.search_all(
            queries, k=10, conditions=[Condition(field="speaker", any_of=only)]
        )
        assert all(len(set(answer)) == 10 for answer in answers)
        found = [row_numbers(answer) for answer in answers]
        assert recall(found, fit[nearest(stored[fit], queries, 10)], 10) >= least


def row_numbers(answer: list[tuple[str, float]]) -> list[int]:
    """The rows of the windows that were found."""
    return [4 * int(name[1:6]) + int(name[-8:]) for name, _ in answer]


async def check_filtered(client: Client, stored: np.ndarray, lots: list[int]) -> None:
    """Compares narrowed searches with exact search, for some shares of the rows."""
    queries, every = clustered(100, seed=9), np.array(lots)
    clips = [f"c{row // 4:05d}" for row in range(ROWS)]
    for most in (0, 1, 4, 7):
        fit = np.flatnonzero(every <= most)
        names = [f"lot {lot}" for lot in range(most + 1)]
        label = Condition(field="label", any_of=Condition.Values(values=names))
        number = Condition(field="metadata.lot", range=Condition.Range(maximum=most))
        exact = fit[nearest(stored[fit], queries, 10)]
        for condition in (label, number):
            answers = await client.search_all(queries, k=10, conditions=[condition])
            assert recall([row_numbers(each) for each in answers], exact, 10) >= 0.95
    exact = nearest(stored, queries, 60)
    for query, best in zip(queries[:20], exact, strict=False):
        left_out = list(dict.fromkeys(clips[row] for row in best))[:20]
        found = await client.search(query, k=10, except_clip_ids=left_out)
        others = np.array([clip not in left_out for clip in clips])
        scores = np.sort(stored[others] @ query)[::-1]
        assert len(found) == 10
        assert found[-1][1] >= scores[14]


@pytest.mark.server
async def test_shrinks(tmp_path: Path, milvus: MilvusServer) -> None:
    """An index that lost most of its vectors is FLAT again."""
    settings = settings_for(
        tmp_path, milvus.port, flat_rows=100, retune_seconds=0.3, store_seconds=60
    )
    async with serving_store(MilvusStore(settings), settings) as channel:
        client = Client(IndexServiceStub(channel), "shrinks")
        await client.create()
        rows = named(clustered(150, seed=0, dimension=16))
        await client.upsert(rows)
        await until(lambda: is_kind(client, "HNSW"))
        await client.delete(*sorted(rows)[:60])
        await asyncio.sleep(1)
        assert await is_kind(client, "HNSW")
        await client.delete(*sorted(rows)[:110])
        await until(lambda: is_kind(client, "FLAT"))
        assert await client.list_ids() == sorted(rows)[110:]


@pytest.mark.server
async def test_killed_while_it_grows(tmp_path: Path, milvus: MilvusServer) -> None:
    """Replicas killed at any moment of the change lose nothing, and it comes to its end."""
    where = {"MILVUS_HOST": "127.0.0.1", "MILVUS_PORT": str(milvus.port), **QUICK}
    stored = clustered(6000, seed=0, dimension=16)
    wanted = named(stored)
    async with service(tmp_path, "killed", **where) as (_, steady):
        await steady.create()
        for start in range(0, 6000, 2000):
            await steady.upsert(named(stored[start : start + 2000], start))
        for turn in range(4):
            async with service(tmp_path, "killed", **where) as (running, client):
                name = f"x{turn}"
                await client.upsert({name: stored[turn]})
                wanted[name] = stored[turn]
                await asyncio.sleep(0.4 + 0.7 * turn)
                await client.delete(f"v{turn:06d}")
                del wanted[f"v{turn:06d}"]
                await running.end(signal.SIGKILL)
            assert (await steady.stats()).vector_count == len(wanted)
    async with service(tmp_path, "killed", **where) as (_, client):
        await until(lambda: is_kind(client, "HNSW"))
        await until(lambda: one_left(milvus, "killed"))
        assert await client.list_ids(size=10_000) == sorted(wanted)
        assert (await client.search(stored[5], k=1)) == [("v000005", 1.0)]
        await client.drop()
        await until(lambda: none_left(milvus, "killed"))


async def none_left(milvus: MilvusServer, index: str) -> bool:
    """Returns True if no collection of an index is left."""
    return not await asyncio.to_thread(collections, milvus, index)


def test_effort_follows_the_measurements() -> None:
    """More rows, more neighbors or a higher recall never take less effort; never less than k."""
    ks, targets = (1, 10, 20, 50, 100, 1000), (0.5, 0.9, 0.95, 0.99)
    rows = (COMMON_ROWS, 300_000, 10**7)
    for k in ks:
        for target in targets:
            by_rows = [effort(count, k, k + 32, target) for count in rows]
            assert by_rows == sorted(by_rows)
            assert min(by_rows) >= k + 32
        by_target = [effort(650_000, k, k + 32, target) for target in targets]
        assert by_target == sorted(by_target)
        assert effort(650_000, k + 10_000, k + 32, 0.95) == effort(650_000, 1000, k + 32, 0.95)
        for share in (0.99, 0.5, 0.1):
            assert effort(650_000, k, k + 32, 0.95, share) >= k + 32
        # All rows that fit may lie in one segment, in which they are no small share.
        assert effort(650_000, k, k + 32, 0.95, 0.01) >= effort(650_000, k, k + 32, 0.95)


def test_halves_are_for_few_rows() -> None:
    """Of shares that Milvus does not compare by itself, but would a half of; if that costs less."""
    assert in_halves(100_000, 0.1, 1500)
    assert not in_halves(100_000, 0.1, 500)
    assert not in_halves(650_000, 0.1, 1500)
    assert not any(in_halves(1000, share, 1500) for share in (0.05, 0.2, 1.0))


def test_effort_lies_between_measurements() -> None:
    """A share between two measured ones takes neither the effort of one nor of the other."""
    for rows in (20_000, 100_000):
        few, between, many = (effort(rows, 10, 42, 0.95, share) for share in (0.2, 0.35, 0.5))
        assert many < between < few
    targets = [effort(100_000, 10, 42, target, 0.2) for target in (0.93, 0.94, 0.95, 0.96)]
    assert len(set(targets)) == len(targets)
