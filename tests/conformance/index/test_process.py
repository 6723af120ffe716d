"""The service as a process: its start, its end, and what lasts beyond it."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from serving.errors import Reason
from tests.conformance.index.index_harness import Client, refused, unit
from tests.conformance.index.index_process import run, service
from tools.servers.disk import disk, fill, with_room
from tools.servers.milvus_server import MilvusServer

EXAMPLES = dict(zip((f"v{row:04d}" for row in range(1300)), unit(1300), strict=True))


async def write_example(client: Client) -> None:
    """Upserts, replaces and deletes, past the point where Milvus Lite turns its log into files."""
    await client.create()
    names = list(EXAMPLES)
    for start in range(0, 1300, 100):
        await client.upsert({name: EXAMPLES[name] for name in names[start : start + 100]})
    await client.upsert({"v0000": EXAMPLES["v0001"]})
    await client.delete("v0002", "v1299")


async def read_example(client: Client) -> list[list[tuple[str, float]]]:
    """Checks the count and the changed vectors; returns the answers to 20 searches."""
    assert (await client.stats()).vector_count == 1298
    there = await client.get("v0000", "v0002", "v1299", "v1298")
    assert list(there) == ["v0000", "v1298"]
    assert np.array_equal(there["v0000"], EXAMPLES["v0001"])
    return await client.search_all(unit(20, seed=5), k=50)


async def test_help(tmp_path: Path) -> None:
    """--help names every variable and ends with 0."""
    code, output, _ = await run(tmp_path, "--help")
    assert code == 0
    for name in (
        "AUDIOSEARCH_INDEX_PORT",
        "AUDIOSEARCH_DATA_DIR",
        "MILVUS_HOST",
        "MILVUS_PORT",
        "VECTOR_DIMENSION",
        "METRIC_TYPE",
    ):
        assert name in output


@pytest.mark.parametrize(
    "settings",
    [
        {"MILVUS_PORT": "x"},
        {
            "MILVUS_PORT": "0",
            "METRIC_TYPE": "JACCARD",
            "VECTOR_DIMENSION": "1",
            "AUDIOSEARCH_INDEX_TYPE": "TREE",
            "MILVUS_HOST": "http://milvus",
            "AUDIOSEARCH_STORE_TIMEOUT_SECONDS": "0",
        },
        {"MILVUS_USER": "root"},
    ],
    ids=["port", "many", "user"],
)
async def test_bad_setting(tmp_path: Path, settings: dict[str, str]) -> None:
    """Values that can't be used end the start with one line for each, which names the variable."""
    code, _, errors = await run(tmp_path, **settings)
    assert code == 2
    assert len(errors.splitlines()) == len(settings)
    for name in settings:
        assert name in errors


async def test_password_stays_secret(tmp_path: Path) -> None:
    """No setting error and no log line shows the password."""
    _, _, errors = await run(
        tmp_path,
        MILVUS_USER="root",
        MILVUS_PASSWORD="hush-hush",  # noqa: S106
        MILVUS_PORT="x",
    )
    assert "MILVUS_PORT" in errors
    assert "hush" not in errors


async def test_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """A data folder that can't be made ends the start with one line that names the variable."""
    (tmp_path / "file").touch()
    code, _, errors = await run(tmp_path / "file")
    assert code == 1
    assert "AUDIOSEARCH_DATA_DIR" in errors
    assert len(errors.splitlines()) == 1


async def test_l2_metric(tmp_path: Path) -> None:
    """A metric that ranks unit vectors alike is taken, and the score is the cosine all the same."""
    async with service(tmp_path, METRIC_TYPE="l2") as (_, client):
        await client.create()
        vector = unit(1)[0]
        await client.upsert({"a": vector})
        assert await client.search(-vector) == [("a", -1.0)]


async def test_hnsw_on_milvus_lite(tmp_path: Path) -> None:
    """The index type can be set; stats tell it, and it finds what exact search finds."""
    more = {"AUDIOSEARCH_INDEX_TYPE": "hnsw"}
    async with service(tmp_path, **more) as (_, client):
        await write_example(client)
        stats = await client.stats()
        assert stats.index_type == "HNSW"
        assert stats.parameters["M"] == "16"
        answers = await client.search_all(unit(1300)[100:150], k=1)
        assert [answer[0][0] for answer in answers] == [f"v{row:04d}" for row in range(100, 150)]


async def test_sigterm_ends_well(tmp_path: Path) -> None:
    """SIGTERM ends the service with exit code 0 and a log without warnings."""
    async with service(tmp_path) as (running, client):
        await write_example(client)
        assert await running.end(signal.SIGTERM) == 0
    assert {line["level"] for line in running.lines} == {"info"}
    assert running.lines[-1]["event"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_what_was_answered_lasts(tmp_path: Path, number: int) -> None:
    """After an end or a crash right after an answer, all is there and answers are the same."""
    async with service(tmp_path) as (running, client):
        await write_example(client)
        before = await read_example(client)
        await client.upsert({"last": unit(1, seed=9)[0]})
        await running.end(number)
    async with service(tmp_path) as (running, client):
        assert (await client.search(unit(1, seed=9)[0], k=1)) == [("last", 1.0)]
        await client.delete("last")
        assert await read_example(client) == before
        await client.create()
        assert await running.end(number) in {0, -signal.SIGKILL}
    async with service(tmp_path) as (_, client):
        assert await client.get("last") == {}
        assert await read_example(client) == before


async def test_drop_lasts(tmp_path: Path) -> None:
    """A dropped index stays away after a crash, and can be made anew for another model."""
    async with service(tmp_path) as (running, client):
        await write_example(client)
        await client.drop()
        await running.end(signal.SIGKILL)
    async with service(tmp_path) as (_, client):
        await refused(client.stats(), Reason.INDEX_NOT_FOUND)
        assert (await client.create("models/other-1")).vector_count == 0


async def test_index_of_another_dimension(tmp_path: Path) -> None:
    """An index outlives a change of VECTOR_DIMENSION, but is not one of the new dimension."""
    async with service(tmp_path) as (running, client):
        await client.create()
        await running.end()
    async with service(tmp_path, VECTOR_DIMENSION="24") as (_, client):
        await refused(client.create(dimension=24), Reason.MODEL_MISMATCH)
        assert await client.upsert({"a": unit(1)[0]}) == 1


async def test_two_services_on_one_folder(tmp_path: Path) -> None:
    """A second service on the same data ends at once with one clear line; the first serves on."""
    async with service(tmp_path) as (_, client):
        await client.create()
        code, _, errors = await run(tmp_path)
        assert code == 1
        assert "another index service" in errors
        assert len(errors.splitlines()) == 1
        assert await client.upsert({"a": unit(1)[0]}) == 1


@pytest.mark.server
async def test_replicas_see_what_others_wrote(tmp_path: Path, milvus: MilvusServer) -> None:
    """A write through one service is found by all others, and a deletion too."""
    where = {"MILVUS_HOST": "127.0.0.1", "MILVUS_PORT": str(milvus.port)}
    async with (
        service(tmp_path, "replicas", **where) as (_, writer),
        service(tmp_path, "replicas", **where) as (_, reader),
    ):
        await writer.create()
        for row, vector in enumerate(unit(30)):
            await writer.upsert({f"v{row}": vector})
            assert [name for name, _ in await reader.search(vector, k=1)] == [f"v{row}"]
            assert list(await reader.get(f"v{row}")) == [f"v{row}"]
            if row % 3 == 0:
                await writer.delete(f"v{row}")
                assert f"v{row}" not in dict(await reader.search(vector, k=40))
        await writer.drop()
        await writer.create("models/other-1")
        await writer.upsert({"v1": unit(1)[0]}, "models/other-1")
        await refused(reader.search(unit(1)[0]), Reason.INDEX_UNAVAILABLE)
        await refused(reader.search(unit(1)[0]), Reason.MODEL_MISMATCH)
        assert len(await reader.search(unit(1)[0], model="models/other-1")) == 1
        await writer.drop()
        await refused(reader.search(unit(1)[0], model="models/other-1"), Reason.INDEX_NOT_FOUND)


@pytest.mark.server
async def test_restart_beside_a_server(tmp_path: Path, milvus: MilvusServer) -> None:
    """With a Milvus server a crash of the service loses nothing, and two can share an index."""
    where = {"MILVUS_HOST": "127.0.0.1", "MILVUS_PORT": str(milvus.port)}
    async with service(tmp_path, "restarted", **where) as (running, client):
        await write_example(client)
        before = await read_example(client)
        await running.end(signal.SIGKILL)
    async with (
        service(tmp_path, "restarted", **where) as (_, client),
        service(tmp_path, "restarted", **where) as (running, second),
    ):
        assert await read_example(client) == before
        await second.upsert({"last": unit(1, seed=9)[0]})
        assert (await client.search(unit(1, seed=9)[0], k=1)) == [("last", 1.0)]
        await second.drop()
        await second.create("models/other-1")
        await refused(client.upsert({"a": unit(1)[0]}), Reason.MODEL_MISMATCH)
        await client.drop()
        assert await running.end() == 0


async def test_a_full_disk(tmp_path: Path) -> None:
    """Vectors are deleted and searched, also after a start; more need room."""
    with disk(tmp_path / "small", "48m") as folder:
        async with service(folder / "data") as (running, client):
            await write_example(client)
            filler = fill(folder)
            await refused(client.upsert(EXAMPLES), Reason.STORAGE_FULL)
            for first in range(10, 1000, 10):
                await client.delete(*list(EXAMPLES)[first : first + 10])
            await running.end(signal.SIGTERM)
        async with service(folder / "data") as (_, client):
            await refused(client.upsert(EXAMPLES), Reason.STORAGE_FULL)
            assert (await client.stats()).vector_count == 1298 - 990
            filler.unlink()
            again = {name: EXAMPLES[name] for name in list(EXAMPLES)[10:1000]}
            await with_room(partial(client.upsert, again))
            await read_example(client)
