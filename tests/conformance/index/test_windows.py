"""Indexes of windows: clips and their attributes beside vectors, over each store."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable

import numpy as np
import pytest
import pytest_asyncio
from audiosearch.embedding.v1.embedding_pb2 import Tag
from audiosearch.filter.v1.filter_pb2 import Condition
from audiosearch.index.v1.index_pb2 import (
    INDEX_KIND_PLAIN,
    INDEX_KIND_WINDOWS,
    Attributes,
    Vector,
)
from audiosearch.index.v1.index_service_pb2 import DeleteVectorsRequest, GetVectorsRequest
from audiosearch.index.v1.index_service_pb2_grpc import IndexServiceStub
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from serving.conditions import NUMBERS, TAG, TEXTS, fits
from serving.errors import Reason
from tests.conformance.index.index_harness import Client, refused, unit
from tests.conformance.index.index_memory import clip_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

STRANGE = (
    *(
        "",
        "a",
        "A",
        "knife",
        "Knife",
        "knife ",
        'a"b',
        "a'b",
        "a\\",
        "\\",
        '"',
        "'",
        'a\\"b',
        "\\n",
    ),
    *("%", "_", "a%b", "{a}", "$meta", 'x" or id != "', "] or true or [", "' or 1==1 or '", "/**/"),
    *(
        "日本語",
        "本",
        "Ünïcode",
        "ÜNÏCODE",
        "ß",
        "İ",
        "😀",
        "\u2028",
        "\x01",
        "\x7f",
        "a\tb",
        "a\nb",
    ),
    *("1", "-1", "1.5", "1e3", "007", " 1", "nan", "inf", "1e400", ".5", "true", "null", "x" * 255),
)
"""Texts that a filter could take for something else."""

KEYS = ("take", "a", "a.b", 'a"]', "\\", "日", "$meta", "id", "k" * 63)
ROWS = 300


def values(*texts: str) -> Condition.Values:
    """Some values."""
    return Condition.Values(values=texts)


def drawn_attributes(draw: random.Random) -> Attributes:
    """Attributes of a clip, drawn by lot."""
    attributes = Attributes(
        **{name: draw.choice(STRANGE)[:63] for name in TEXTS},
        metadata={key: draw.choice(STRANGE) for key in draw.sample(KEYS, draw.randrange(5))},
        revision=draw.randrange(10),
        tags=[
            Tag(name=name, score=draw.choice([0.1, 0.2, 0.3, 0.45, 0.5, 0.999, 1]))
            for name in draw.sample(STRANGE[1:], draw.choice([0, 1, 2, 10]))
        ],
    )
    if draw.random() < 0.8:
        attributes.duration.CopyFrom(Duration(seconds=draw.randrange(4), nanos=draw.choice([0, 1])))
    if draw.random() < 0.8:
        seconds = draw.choice([-5, 0, 1, 1_800_000_000])
        attributes.create_time.CopyFrom(Timestamp(seconds=seconds, nanos=draw.choice([0, 1000])))
    return attributes


def drawn_condition(draw: random.Random) -> Condition:
    """A condition, drawn by lot."""
    field = draw.choice([*TEXTS, *NUMBERS, TAG, TAG, *(f"metadata.{key}" for key in KEYS)])
    metadata = field.startswith("metadata.")
    if field in NUMBERS or (metadata and draw.random() < 0.3):
        bounds = sorted(draw.choices([-1e300, -5.0, -1e-9, 0.0, 1.0, 2.0, 2.5, 1000, 1.8e9], k=2))
        spread = dict(zip(("minimum", "maximum"), bounds, strict=True))
        kept = draw.sample(sorted(spread), draw.randrange(3))
        return Condition(
            field=field, range=Condition.Range(**{name: spread[name] for name in kept})
        )
    if not metadata and field != TAG and draw.random() < 0.4:
        part = draw.choice([text for text in STRANGE if text and text.isprintable()])
        start = draw.randrange(len(part))
        return Condition(field=field, contains=part[start : start + draw.randrange(1, 4)])
    chosen = values(*draw.choices(STRANGE, k=draw.choice([1, 1, 2, 10])))
    if field == TAG:
        chosen.min_score = draw.choice([0, 0.2, 0.3, 0.5, 1])
    if draw.random() < 0.5:
        return Condition(field=field, any_of=chosen)
    return Condition(field=field, none_of=chosen)


def windows(clips: dict[str, Attributes], vectors: np.ndarray) -> list[Vector]:
    """Windows of clips, as many for each as there are."""
    ids = [f"{clip}:{number:08d}" for clip in clips for number in range(len(vectors) // len(clips))]
    return [
        Vector(id=name, values=vector.tolist(), clip_id=name[:-9], attributes=clips[name[:-9]])
        for name, vector in zip(ids, vectors, strict=True)
    ]


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def windows_index(stub: IndexServiceStub) -> str:
    """Id of an index of windows to write to."""
    await Client(stub, "windows").create(kind=INDEX_KIND_WINDOWS)
    return "windows"


@pytest_asyncio.fixture(loop_scope="session")
async def client(stub: IndexServiceStub, windows_index: str) -> AsyncIterator[Client]:
    """A client with an empty index of windows."""
    client = Client(stub, windows_index)
    yield client
    if client.written:
        await client.delete(*client.written)


@pytest.fixture(scope="package")
def library() -> dict[str, Attributes]:
    """Attributes of 100 clips, drawn by lot."""
    draw = random.Random(0)
    return {f"c{number:03d}": drawn_attributes(draw) for number in range(100)}


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def searched(stub: IndexServiceStub, library: dict[str, Attributes]) -> Client:
    """An index of 300 windows of 100 clips; only for reading."""
    client = Client(stub, "searched")
    await client.create(kind=INDEX_KIND_WINDOWS)
    await client.upsert_windows(*windows(library, unit(ROWS)))
    return client


def clips_in(found: Iterable[tuple[str, float]]) -> set[str]:
    """The clips of neighbors."""
    return {name[:-9] for name, _ in found}


async def test_kind(client: Client, missing: Client) -> None:
    """An index tells its kind, stays of that kind, and is plain if nothing is said."""
    assert (await client.stats()).kind == INDEX_KIND_WINDOWS
    assert (await client.create(kind=INDEX_KIND_WINDOWS)).kind == INDEX_KIND_WINDOWS
    await refused(client.create(), Reason.MODEL_MISMATCH)
    assert (await missing.create()).kind == INDEX_KIND_PLAIN
    assert (await missing.create(kind=INDEX_KIND_PLAIN)).kind == INDEX_KIND_PLAIN
    message = await refused(missing.create(kind=INDEX_KIND_WINDOWS), Reason.MODEL_MISMATCH)
    assert "PLAIN" in message
    assert "kind" in await refused(missing.create(kind=7), Reason.FIELD_INVALID)
    await missing.drop()


async def test_clip_is_kept(client: Client) -> None:
    """Vectors come back with their clips, and are listed with their revisions."""
    clips = {"a": Attributes(revision=3), "b-_C": Attributes(), "c": Attributes(revision=2**62)}
    assert await client.upsert_windows(*windows(clips, unit(6))) == 6
    answer = await client.stub.GetVectors(
        GetVectorsRequest(index_id=client.index, ids=["b-_C:00000001", "a:00000000", "nobody"])
    )
    assert [(one.id, one.clip_id) for one in answer.vectors] == [
        ("b-_C:00000001", "b-_C"),
        ("a:00000000", "a"),
    ]
    assert np.array_equal(np.array(answer.vectors[1].values, np.float32), unit(6)[0])
    page = await client.page(size=4)
    assert page.next_after_id == page.ids[-1] == "b-_C:00000001"
    assert list(page.revisions) == [3, 3, 0, 0]
    page = await client.page(page.next_after_id)
    assert list(page.revisions) == [2**62, 2**62]


async def test_conditions(searched: Client, library: dict[str, Attributes]) -> None:
    """Searches with conditions drawn by lot find the vectors of exactly the clips that fit."""
    draw, query, narrowed = random.Random(1), unit(1, seed=5)[0], 0
    for _ in range(150):
        conditions = [drawn_condition(draw) for _ in range(draw.choice([1, 1, 2, 3]))]
        found = await searched.search(query, k=1000, conditions=conditions)
        fit = {name for name, each in library.items() if fits(clip_of(each), conditions)}
        assert clips_in(found) == fit, conditions
        assert len(found) == 3 * len(fit)
        narrowed += 0 < len(fit) < len(library)
    assert narrowed > 50


async def test_nearest_of_those_that_fit(searched: Client, library: dict[str, Attributes]) -> None:
    """With conditions too, the k nearest come, best first, for each query."""
    condition = Condition(field="label", none_of=values("", "a", "A"))
    fit = [name for name, each in library.items() if fits(clip_of(each), [condition])]
    rows, queries = unit(ROWS), unit(20, seed=6)
    scores = {
        f"{name}:{part:08d}": rows[3 * int(name[1:]) + part] for name in fit for part in range(3)
    }
    answers = await searched.search_all(queries, k=5, conditions=[condition])
    for query, answer in zip(queries, answers, strict=True):
        best = sorted(scores, key=lambda one, query=query: -float(scores[one] @ query))[:5]
        assert [name for name, _ in answer] == best


async def test_only_and_except_clips(searched: Client, library: dict[str, Attributes]) -> None:
    """Searches find only these clips, and all but those; conditions hold beside."""
    query, names = unit(1, seed=5)[0], sorted(library)
    found = await searched.search(query, k=1000, only_clip_ids=[*names[:7], "nobody"])
    assert clips_in(found) == set(names[:7])
    found = await searched.search(query, k=1000, except_clip_ids=[*names[:7], "nobody"])
    assert clips_in(found) == set(names[7:])
    both = {"only_clip_ids": names[:20], "except_clip_ids": names[10:]}
    assert clips_in(await searched.search(query, k=1000, **both)) == set(names[:10])
    assert await searched.search(query, only_clip_ids=["a"], except_clip_ids=["a"]) == []
    condition = Condition(field="speaker", none_of=values("a"))
    fit = {name for name in names[:20] if library[name].speaker != "a"}
    found = await searched.search(query, k=1000, only_clip_ids=names[:20], conditions=[condition])
    assert clips_in(found) == fit
    ids = [f"{names[0]}:00000000", f"{names[1]}:00000002"]
    found = await searched.search(query, only_ids=ids, except_clip_ids=names[:1])
    assert [name for name, _ in found] == ids[1:]


async def test_many_clips_left_out(searched: Client, library: dict[str, Attributes]) -> None:
    """Ten thousand clips can be left out, and a thousand searched."""
    query, names = unit(1, seed=5)[0], sorted(library)
    many = [f"other-{number:058d}" for number in range(9_950)]
    found = await searched.search(query, k=1000, except_clip_ids=[*many, *names[:50]])
    assert clips_in(found) == set(names[50:])
    found = await searched.search(query, k=1000, only_clip_ids=[*many[:990], *names[:10]])
    assert clips_in(found) == set(names[:10])


async def test_all_conditions_at_once(client: Client) -> None:
    """The most conditions with the most and longest values are answered."""
    clip = Attributes(label="x", metadata={"key": "y"})
    await client.upsert_windows(*windows({"a": clip}, unit(1)))
    long = [f"{number:04d}" + "日" * 4092 for number in range(99)]
    fields = ["label", "metadata.key"] * 16
    fit = [Condition(field=field, none_of=values(*long[:20])) for field in fields]
    assert len(await client.search(unit(1)[0], conditions=fit)) == 1
    short = [text[:100] for text in long]
    fit = [
        Condition(field=field, any_of=values(*short, "xy"[n % 2])) for n, field in enumerate(fields)
    ]
    assert len(await client.search(unit(1)[0], conditions=fit)) == 1
    fit[5].any_of.values.remove("y")
    assert await client.search(unit(1)[0], conditions=fit) == []


async def test_delete_by_clip(client: Client) -> None:
    """Deleting clips removes all of their windows, and no others; ids beside them go too."""
    clips = dict.fromkeys(("a", "a-", "a_", "A", "b"), Attributes())
    await client.upsert_windows(*windows(clips, unit(15)))
    await client.delete(clip_ids=["a", "nobody"])
    assert {name[:-9] for name in await client.list_ids()} == {"a-", "a_", "A", "b"}
    await client.delete("b:00000001", clip_ids=["a_", "A"])
    assert await client.list_ids() == [
        "a-:00000000",
        "a-:00000001",
        "a-:00000002",
        "b:00000000",
        "b:00000002",
    ]
    await client.delete(clip_ids=[f"x{number}" for number in range(1000)])
    assert (await client.stats()).vector_count == 5


async def test_update(client: Client) -> None:
    """New attributes replace the old ones on all windows of a clip; the vectors stay."""
    old = Attributes(label="old", metadata={"take": "1", "mic": "x"}, revision=1)
    await client.upsert_windows(*windows({"a": old, "b": old}, unit(6)))
    new = Attributes(label="new", metadata={"take": "2"}, revision=2)
    assert await client.update(a=new, nobody=new) == 3
    assert await client.revisions() == {
        **{f"a:0000000{n}": 2 for n in range(3)},
        **{f"b:0000000{n}": 1 for n in range(3)},
    }
    query = unit(6)[1]

    async def clips(condition: Condition) -> set[str]:
        return clips_in(await client.search(query, conditions=[condition]))

    assert await clips(Condition(field="label", any_of=values("new"))) == {"a"}
    assert await clips(Condition(field="label", any_of=values("old"))) == {"b"}
    assert await clips(Condition(field="metadata.mic", any_of=values("x"))) == {"b"}
    numbers = Condition(field="metadata.take", range=Condition.Range(minimum=2))
    assert await clips(numbers) == {"a"}
    assert (await client.search(query, k=1))[0] == ("a:00000001", 1.0)
    assert np.array_equal((await client.get("a:00000001"))["a:00000001"], query)


async def test_numbers_of_old_attributes_are_gone(client: Client) -> None:
    """A number in metadata that the new attributes lack is not found any more."""
    clip = windows({"a": Attributes(metadata={"take": "1"}, revision=1)}, unit(1))
    await client.upsert_windows(*clip)
    takes = [Condition(field="metadata.take", range=Condition.Range(minimum=1))]
    assert len(await client.search(unit(1)[0], conditions=takes)) == 1
    await client.update(a=Attributes(revision=2))
    assert await client.search(unit(1)[0], conditions=takes) == []


async def test_older_attributes_do_not_replace(client: Client) -> None:
    """An update of an older revision changes nothing, one of the same replaces."""
    clips = {"a": Attributes(label="five", revision=5), "b": Attributes(label="one", revision=1)}
    await client.upsert_windows(*windows(clips, unit(4)))
    three = Attributes(label="three", revision=3)
    assert await client.update(a=three, b=three) == 2
    assert sorted((await client.revisions()).values()) == [3, 3, 5, 5]
    label = [Condition(field="label", any_of=values("five"))]
    assert clips_in(await client.search(unit(1)[0], conditions=label)) == {"a"}
    assert await client.update(a=Attributes(label="also five", revision=5)) == 2
    assert await client.search(unit(1)[0], conditions=label) == []
    assert await client.update(a=Attributes(label="also five", revision=5)) == 0


async def test_update_of_many_windows(client: Client) -> None:
    """Clips with more windows than are written at a time are updated whole."""
    clips = {f"c{number}": Attributes(revision=1) for number in range(3)}
    await client.upsert_windows(*windows(clips, unit(3600)))
    new = Attributes(label="new", revision=2)
    assert await client.update(**dict.fromkeys(clips, new)) == 3600
    page = await client.page(size=4000)
    assert list(page.revisions) == [2] * 3600


async def test_deleted_while_updated(client: Client) -> None:
    """Windows that are deleted while their clip is updated stay deleted, and new ones stay."""
    rows = unit(600)
    for turn in range(6):
        clips = {f"c{number}": Attributes(revision=1) for number in range(20)}
        vectors = windows(clips, rows)
        await client.upsert_windows(*vectors)
        fresh = Vector(id="c0:99999999", clip_id="c0", attributes=Attributes(revision=1))
        fresh.values.extend(rows[turn].tolist())
        change = dict.fromkeys(clips, Attributes(label=f"turn {turn}", revision=2))

        async def later(call: object, seconds: float) -> None:
            await asyncio.sleep(seconds)
            await call

        await asyncio.gather(
            client.update(**change),
            later(client.delete(clip_ids=["c1", "c2"]), 0.02 * turn),
            later(client.delete("c3:00000000"), 0.03 * turn),
            later(client.upsert_windows(fresh), 0.01 * turn),
        )
        left = set(await client.list_ids())
        gone = {vector.id for vector in vectors if vector.clip_id in {"c1", "c2"}}
        assert left == {one.id for one in vectors} - gone - {"c3:00000000"} | {"c0:99999999"}
        await client.delete(clip_ids=list(clips))


async def test_plain_index_knows_no_clips(filled: Client) -> None:
    """A plain index refuses clips, attributes and conditions, and lists no revisions."""
    vector, some = unit(1)[0], Attributes(label="x")
    label = Condition(field="label", any_of=values("x"))
    for call, field in (
        (filled.upsert_windows(Vector(id="a", values=vector.tolist(), clip_id="a")), "clip_id"),
        (filled.upsert_windows(Vector(id="a", values=vector.tolist(), attributes=some)), "attr"),
        (filled.delete(clip_ids=["a"]), "clip_ids"),
        (filled.delete("v000", clip_ids=["a"]), "clip_ids"),
        (filled.update(a=some), "clips"),
        (filled.search(vector, conditions=[label]), "conditions"),
        (filled.search(vector, only_clip_ids=["a"]), "only_clip_ids"),
        (filled.search(vector, except_clip_ids=["a"]), "except_clip_ids"),
    ):
        assert field in await refused(call, Reason.FIELD_INVALID)
    page = await filled.page()
    assert len(page.ids) == 200
    assert list(page.revisions) == []


async def test_bad_clips(client: Client) -> None:
    """Windows without a clip, or with one or attributes that no clip has, are refused."""
    far = Duration(seconds=10**11)
    for clip, attributes, field in (
        ("", Attributes(), "vectors[0].clip_id"),
        ("a:1", Attributes(), "vectors[0].clip_id"),
        ('a"', Attributes(), "vectors[0].clip_id"),
        ("a" * 65, Attributes(), "vectors[0].clip_id"),
        ("a", Attributes(label="x" * 256), "attributes.label"),
        ("a", Attributes(metadata={str(n): "" for n in range(33)}), "attributes.metadata"),
        ("a", Attributes(duration=far), "attributes.duration"),
        ("a", Attributes(duration=Duration(seconds=-1)), "attributes.duration"),
        ("a", Attributes(create_time=Timestamp(seconds=10**12)), "attributes.create_time"),
        ("a", Attributes(revision=-1), "attributes.revision"),
    ):
        vector = Vector(id="w", values=unit(1)[0].tolist(), clip_id=clip, attributes=attributes)
        assert field in await refused(client.upsert_windows(vector), Reason.FIELD_INVALID)
    assert await client.list_ids() == []


async def test_bad_narrowing(searched: Client) -> None:
    """Conditions that mean nothing, bad clip ids and too many of either are FIELD_INVALID."""
    vector, good = unit(1)[0], Condition(field="label", any_of=values("x"))
    nan, infinite = float("nan"), float("inf")
    bad: list[tuple[Condition, str]] = [
        (Condition(field="colour", any_of=values("x")), "field"),
        (Condition(field="label"), "test"),
        (Condition(field="duration", range=Condition.Range(minimum=nan)), "minimum"),
        (Condition(field="metadata.x", range=Condition.Range(maximum=infinite)), "maximum"),
        (Condition(field="duration", range=Condition.Range(minimum=2, maximum=1)), "maximum"),
        (Condition(field="label", any_of=values(*"x" * 101)), "any_of"),
        (Condition(field="metadata.x", contains="x"), "contains"),
    ]
    for condition, field in bad:
        message = await refused(
            searched.search(vector, conditions=[good, condition]), Reason.FIELD_INVALID
        )
        assert message.startswith("conditions[1].")
        assert field in message
    names = [f"x{number}" for number in range(10_001)]
    for options in (
        {"conditions": [good] * 33},
        {"only_clip_ids": names[:1001]},
        {"except_clip_ids": names},
        {"only_clip_ids": [""]},
        {"except_clip_ids": ["a:1"]},
    ):
        message = await refused(searched.search(vector, **options), Reason.FIELD_INVALID)
        assert message.startswith(next(iter(options)))


async def test_bad_updates(client: Client) -> None:
    """An update of no clip, of one twice, or of none that can be is FIELD_INVALID."""
    some = Attributes()
    for call in (
        client.update(),
        client.update(**{f"x{number}": some for number in range(1001)}),
        client.update(**{"a:1": some}),
        client.update(a=Attributes(source="x" * 4097)),
    ):
        assert "clips" in await refused(call, Reason.FIELD_INVALID)
    nothing = DeleteVectorsRequest(index_id=client.index)
    assert "clip_ids" in await refused(client.stub.DeleteVectors(nothing), Reason.FIELD_INVALID)
    names = [f"x{number}" for number in range(1001)]
    assert "clip_ids" in await refused(client.delete(clip_ids=names), Reason.FIELD_INVALID)
    missing = Client(client.stub, "nowhere")
    await refused(missing.update(a=some), Reason.INDEX_NOT_FOUND)
    await refused(missing.delete(clip_ids=["a"]), Reason.INDEX_NOT_FOUND)
