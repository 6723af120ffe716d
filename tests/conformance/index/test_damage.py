"""Damaged files of Milvus Lite: one index is lost and made again, and all others work on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from serving.errors import Reason
from tests.conformance.index.index_harness import Client, refused, unit
from tests.conformance.index.index_process import Service, service

VECTORS = dict(zip((f"v{row:04d}" for row in range(1200)), unit(1200), strict=True))
NAMES = list(VECTORS)


def folder_of(data: Path, index: str) -> Path:
    """The folder of an index."""
    return data / "index" / "milvus.db" / "collections" / f"audiosearch_{index}"


def some(data: Path, index: str, kind: str) -> Path:
    """The first file of an index of this kind."""
    return min(folder_of(data, index).rglob(kind))


def cut_off(file: Path) -> None:
    """What a power cut may leave of a file."""
    file.write_bytes(b"")


def garbled(file: Path) -> None:
    """A file of the same length with other bytes."""
    file.write_bytes(b"\xa5" * file.stat().st_size)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "rows_cut": lambda data: cut_off(some(data, "rows_cut", "*.parquet")),
    "rows_garbled": lambda data: garbled(some(data, "rows_garbled", "*.parquet")),
    "schema_cut": lambda data: cut_off(some(data, "schema_cut", "schema.json")),
    "schema_garbled": lambda data: garbled(some(data, "schema_garbled", "schema.json")),
    "schema_gone": lambda data: some(data, "schema_gone", "schema.json").unlink(),
    "all_gone": lambda data: shutil.rmtree(folder_of(data, "all_gone")),
}
"""Damage by the name of the index that it is done to."""


async def fill(client: Client, index: str) -> Client:
    """Makes an index with all vectors, partly in files and partly in the log."""
    filled = Client(client.stub, index)
    await filled.create()
    for start in range(0, len(NAMES), 300):
        await filled.upsert({name: VECTORS[name] for name in NAMES[start : start + 300]})
    return filled


def told(running: Service) -> list[object]:
    """The indexes that the log says were damaged."""
    return [line["index_id"] for line in running.lines if line["event"] == "store.damaged"]


async def test_damaged_indexes_are_set_aside_at_the_start(tmp_path: Path) -> None:
    """Each is told once, kept under another name and made again; the others have all they had."""
    async with service(tmp_path) as (running, client):
        for index in (*DAMAGE, "well", "built_cut", "built_garbled"):
            await fill(client, index)
        await running.end()
    for damage in DAMAGE.values():
        damage(tmp_path)
    cut_off(some(tmp_path, "built_cut", "*.idx"))
    garbled(some(tmp_path, "built_garbled", "*.idx"))
    async with service(tmp_path) as (running, client):
        for index in ("well", "built_cut", "built_garbled"):
            whole = Client(client.stub, index)
            assert (await whole.stats()).vector_count == len(NAMES), index
            assert (await whole.search(VECTORS["v0007"], k=1))[0][0] == "v0007"
            await whole.upsert({"new": VECTORS["v0001"]})
        assert sorted(map(str, told(running))) == sorted(set(DAMAGE) - {"all_gone"})
        for index in DAMAGE:
            lost = Client(client.stub, index)
            await refused(lost.stats(), Reason.INDEX_NOT_FOUND)
            await refused(lost.upsert({"new": VECTORS["v0001"]}), Reason.INDEX_NOT_FOUND)
            await fill(client, index)
            assert (await lost.stats()).vector_count == len(NAMES)
        await running.end()
    kept = {
        path.name.partition(".damaged-")[0] for path in (tmp_path / "index").glob("*.damaged-*")
    }
    assert {f"audiosearch_{index}" for index in set(DAMAGE) - {"all_gone"}} <= kept
    async with service(tmp_path) as (running, client):
        assert (await Client(client.stub, "rows_cut").stats()).vector_count == len(NAMES)
        assert told(running) == []


async def test_an_index_whose_files_go_while_it_runs(tmp_path: Path) -> None:
    """The next write tells that it is lost. It can be made again, and no other index is touched."""
    async with service(tmp_path) as (running, client):
        lost, well = await fill(client, "lost"), await fill(client, "well")
        shutil.rmtree(folder_of(tmp_path, "lost"))
        await refused(lost.upsert(VECTORS), Reason.INDEX_NOT_FOUND)
        await refused(lost.search(VECTORS["v0001"]), Reason.INDEX_NOT_FOUND)
        await well.upsert({"new": VECTORS["v0001"]})
        await lost.create()
        await lost.upsert({"new": VECTORS["v0001"]})
        assert (await lost.stats()).vector_count == 1
        assert (await well.stats()).vector_count == len(NAMES) + 1
        assert await running.end() == 0
