"""The promises of the contract, over each store."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from audiosearch.index.v1 import index_service_pb2
from audiosearch.index.v1.index_service_pb2 import GetStoreRequest

from serving.errors import Reason
from tests.conformance.index.index_harness import DIMENSION, MODEL, Client, refused, unit

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_new_index_is_described(client: Client) -> None:
    """An empty index tells its model, dimension, count, type and store."""
    stats = await client.stats()
    assert (stats.index_id, stats.model, stats.dimension) == (client.index, MODEL, DIMENSION)
    assert stats.vector_count == 0
    assert stats.index_type in {"FLAT", "HNSW"}
    assert dict(stats.parameters) == (
        {} if stats.index_type == "FLAT" else {"M": "16", "efConstruction": "200"}
    )
    assert stats.store.split()[0] in {"memory", "milvus-lite", "milvus"}
    store = await client.stub.GetStore(GetStoreRequest())
    assert store.product.split()[0] == stats.store.split()[0]


async def test_empty_index_has_no_neighbors(client: Client) -> None:
    """A search of an empty index answers each query with nothing."""
    assert await client.search_all(unit(3)) == [[], [], []]


async def test_create_again_changes_nothing(client: Client) -> None:
    """Creating an index that is there keeps its vectors and answers its stats."""
    await client.upsert({"a": unit(1)[0]})
    assert (await client.create()).vector_count == 1


async def test_create_at_the_same_time(missing: Client) -> None:
    """Several creations of one index at a time all succeed."""
    answers = await asyncio.gather(*(missing.create() for _ in range(4)))
    assert {answer.model for answer in answers} == {MODEL}
    await missing.drop()


@pytest.mark.parametrize("dimension", [0, 2, DIMENSION + 1, 4096])
async def test_any_dimension(missing: Client, dimension: int) -> None:
    """An index takes vectors of the length that it was made for; 0 is that of the settings."""
    there = await missing.create(dimension=dimension)
    assert there.dimension == (dimension or DIMENSION)
    vector = np.zeros(there.dimension)
    vector[-1] = 1
    assert await missing.upsert({"a": vector}) == 1
    assert await missing.search(vector) == [("a", 1.0)]
    await refused(missing.upsert({"a": np.append(vector, 0)}), Reason.FIELD_INVALID)
    other = missing.create(dimension=2 if dimension != 2 else 3)
    await refused(other, Reason.MODEL_MISMATCH)
    await missing.drop()


async def test_drop_missing_succeeds(missing: Client) -> None:
    """Dropping an index that is not there succeeds."""
    await missing.drop()


async def test_drop_and_recreate_with_another_model(missing: Client) -> None:
    """An index made anew for another model takes that model's vectors and holds no old ones."""
    other = "models/other-0123456789ab"
    vector = unit(1)[0]
    await missing.create()
    await missing.upsert({"old": vector})
    await missing.drop()
    await refused(missing.search(vector), Reason.INDEX_NOT_FOUND)
    await missing.create(other)
    assert (await missing.stats()).model == other
    await refused(missing.upsert({"new": vector}), Reason.MODEL_MISMATCH)
    assert await missing.upsert({"new": vector}, model=other) == 1
    assert [name for name, _ in await missing.search(vector, model=other)] == ["new"]
    await missing.drop()


async def test_reads_see_writes(client: Client) -> None:
    """Search, get and stats see each upsert and delete that was answered before."""
    for row, vector in enumerate(unit(6, seed=3)):
        await client.upsert({f"v{row}": vector})
        assert (await client.search(vector, k=1))[0][0] == f"v{row}"
        if row % 2:
            await client.delete(f"v{row}")
            assert await client.get(f"v{row}") == {}
            assert f"v{row}" not in [name for name, _ in await client.search(vector)]
    assert (await client.stats()).vector_count == 3


async def test_upsert_twice_is_one(client: Client) -> None:
    """A second upsert under an id replaces the vector; in one request the last one counts."""
    first, second, third = unit(3)
    assert await client.upsert([("a", first), ("b", first), ("a", second)]) == 2
    assert await client.upsert({"a": third}) == 1
    assert (await client.stats()).vector_count == 2
    assert np.array_equal((await client.get("a"))["a"], third)
    assert [name for name, _ in await client.search(third)] == ["a", "b"]


async def test_upsert_at_the_same_time(client: Client) -> None:
    """Upserts that overlap all stay."""
    rows = unit(400)
    await asyncio.gather(
        *(
            client.upsert({f"v{row}": rows[row] for row in range(start, start + 20)})
            for start in range(0, 400, 20)
        )
    )
    assert (await client.stats()).vector_count == 400


async def test_delete_missing_succeeds(client: Client) -> None:
    """Ids that are not there are passed over, beside ones that are."""
    await client.upsert({"a": unit(1)[0]})
    await client.delete("a", "nobody")
    await client.delete("nobody")
    assert (await client.stats()).vector_count == 0


async def test_get_answers_in_order(filled: Client) -> None:
    """Vectors come back exact, in the order asked for, without those that are not there."""
    there = await filled.get("v007", "nobody", "v003")
    assert list(there) == ["v007", "v003"]
    assert np.array_equal(there["v003"], unit(200)[3])


async def test_list_pages(filled: Client) -> None:
    """All ids come in order, in pages of the size asked for; the last page says so."""
    names = [f"v{row:03d}" for row in range(200)]
    assert await filled.list_ids() == names
    assert await filled.list_ids(size=7) == names
    assert await filled.list_ids(size=100) == names
    page = await filled.page("v1", size=3)
    assert (list(page.ids), page.next_after_id) == (["v100", "v101", "v102"], "v102")
    page = await filled.page("v196", size=3)
    assert (list(page.ids), page.next_after_id) == (["v197", "v198", "v199"], "")
    assert list((await filled.page("zzz")).ids) == []


async def test_list_sees_writes(client: Client) -> None:
    """A list has each id once, in byte order, without deleted ones, also after replacements."""
    assert await client.list_ids() == []
    names = ["b", "B", "_", "-", "0", "a-1", "a_1", "a1", "A"]
    await client.upsert(dict(zip(names, unit(9), strict=True)))
    await client.upsert({"b": unit(1)[0], "z": unit(1)[0]})
    await client.delete("0")
    assert await client.list_ids(size=2) == sorted([*names[:4], *names[5:], "z"])


async def test_scores_are_cosine(filled: Client) -> None:
    """Scores equal the exact cosine, best first, and a stored vector finds itself with 1."""
    rows = unit(200)
    answers = await filled.search_all(rows[:3], k=200)
    for query, answer in zip(rows, answers, strict=False):
        exact = {f"v{row:03d}": float(query @ rows[row]) for row in range(200)}
        scores = [score for _, score in answer]
        assert scores == sorted(scores, reverse=True)
        assert scores == pytest.approx([exact[name] for name, _ in answer], abs=2e-6)
        assert len(answer) == 200
        assert scores[0] == 1
        assert scores[-1] >= -1


async def test_opposite_vector_scores_minus_one(client: Client) -> None:
    """Scores reach from 1 to -1."""
    vector = unit(1)[0]
    await client.upsert({"same": vector, "opposite": -vector})
    assert await client.search(vector) == [("same", 1.0), ("opposite", -1.0)]


async def test_equal_scores_by_id(client: Client) -> None:
    """Of equal vectors the smaller ids come first, also where k cuts."""
    vector = unit(1)[0]
    await client.upsert(dict.fromkeys("hbdfaceg", vector))
    await client.upsert({"later": vector, "0": vector})
    assert [name for name, _ in await client.search(vector, k=4)] == ["0", "a", "b", "c"]


async def test_neighbors_with_their_values(client: Client) -> None:
    """The values that are stored, for one query."""
    stored = unit(3)
    await client.upsert(dict(zip("abc", stored, strict=True)))
    request = index_service_pb2.SearchVectorsRequest(
        index_id=client.index,
        model=MODEL,
        with_values=True,
        queries=[index_service_pb2.SearchVectorsRequest.Query(values=stored[1].tolist())],
    )
    (result,) = (await client.stub.SearchVectors(request)).results
    assert result.neighbors[0].id == "b"
    values = {each.id: np.array(each.values, np.float32) for each in result.neighbors}
    there = await client.get(*"abc")
    assert all(np.array_equal(values[name], there[name]) for name in "abc")
    request.queries.append(request.queries[0])
    message = await refused(client.stub.SearchVectors(request), Reason.FIELD_INVALID)
    assert "with_values" in message


async def test_k(filled: Client) -> None:
    """K limits the answer; 10 when not set; 1,000 is the most."""
    query = unit(1)[0]
    assert len(await filled.search(query)) == 10
    assert len(await filled.search(query, k=1)) == 1
    assert len(await filled.search(query, k=1000)) == 200
    for k in (0, -1, 1001, 10**9):
        assert "k" in await refused(filled.search(query, k=k), Reason.FIELD_INVALID)


async def test_min_score(filled: Client) -> None:
    """Neighbors below min_score are left out; 1 keeps the vector itself."""
    query = unit(1)[0]
    everyone = await filled.search(query, k=200)
    limit = everyone[20][1]
    assert await filled.search(query, k=200, min_score=limit) == everyone[:21]
    assert await filled.search(query, min_score=1) == [("v000", 1.0)]
    assert len(await filled.search(query, k=200, min_score=-1)) == 200


async def test_only_ids(filled: Client) -> None:
    """A search among some ids finds no others, and finds those however far they are."""
    query = unit(1)[0]
    names = ["v150", "v020", "v003", "nobody"]
    assert sorted(name for name, _ in await filled.search(query, only_ids=names)) == [
        "v003",
        "v020",
        "v150",
    ]
    many = [f"v{row:03d}" for row in range(100, 200)] + [f"x{row}" for row in range(900)]
    assert len(await filled.search(query, k=1000, only_ids=many)) == 100
    assert await filled.search(query, only_ids=["nobody"]) == []


async def test_many_queries(filled: Client) -> None:
    """A hundred queries in one call are answered in their order."""
    answers = await filled.search_all(unit(200)[:100], k=1)
    assert [answer[0][0] for answer in answers] == [f"v{row:03d}" for row in range(100)]


async def test_full_batches(client: Client) -> None:
    """The largest upsert, get and delete the contract allows pass."""
    rows = dict(zip((f"{row:064d}" for row in range(5000)), unit(5000), strict=True))
    assert await client.upsert(rows) == 5000
    assert (await client.stats()).vector_count == 5000
    assert len(await client.get(*list(rows)[:1000])) == 1000
    assert await client.list_ids(size=1500) == list(rows)
    await client.delete(*rows)
    assert (await client.stats()).vector_count == 0
