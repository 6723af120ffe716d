"""Parts that come together go out together, and each has its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip

from gateway.clips.coalescing import ENOUGH, MOST, MOST_BYTES, Coalescer
from serving.errors import Reason, ServiceError


class Service:
    """Answers batches when it is told to."""

    def __init__(self) -> None:
        """Starts closed."""
        self.batches: list[tuple[str, list[str]]] = []
        self.go_on = asyncio.Event()
        self.failure: Exception | None = None

    async def send(self, library: str, parts: list[Clip]) -> Sequence[Clip | ServiceError]:
        """The clips that came; those whose names begin with `bad` fail."""
        self.batches.append((library, [part.name for part in parts]))
        await self.go_on.wait()
        if self.failure:
            raise self.failure
        return [
            ServiceError(Reason.CLIP_EXISTS, "no", {"clip": part.name})
            if part.name.startswith("bad")
            else part
            for part in parts
        ]


async def test_what_comes_during_a_call_goes_with_the_next() -> None:
    """The first goes at once; the rest in one call for each library, none larger than the limit."""
    service = Service()
    coalescer = Coalescer(service.send)
    names = [f"n{number}" for number in range(MOST + 10)]
    first = asyncio.create_task(coalescer.add("a", Clip(name="first")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [asyncio.create_task(coalescer.add("a", Clip(name=name))) for name in names]
    other = asyncio.create_task(coalescer.add("b", Clip(name="other")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    service.go_on.set()
    clips = await asyncio.gather(first, *rest, other)
    assert [clip.name for clip in clips] == ["first", *names, "other"]
    assert service.batches == [
        ("a", ["first"]),
        ("b", ["other"]),
        ("a", names[:MOST]),
        ("a", names[MOST:]),
    ]


async def test_each_part_has_its_own_failure() -> None:
    """With its reason and the clip that it names."""
    service = Service()
    service.go_on.set()
    coalescer = Coalescer(service.send)
    good, bad = await asyncio.gather(
        coalescer.add("a", Clip(name="good")),
        coalescer.add("a", Clip(name="bad")),
        return_exceptions=True,
    )
    assert isinstance(good, Clip)
    assert isinstance(bad, ServiceError)
    assert bad.reason is Reason.CLIP_EXISTS
    assert bad.metadata == {"clip": "bad"}


async def test_a_call_that_fails_fails_all_its_parts() -> None:
    """And the next call is made as if nothing had been."""
    service = Service()
    service.go_on.set()
    service.failure = ServiceError(Reason.CATALOG_UNAVAILABLE, "gone")
    coalescer = Coalescer(service.send)
    for part in ("one", "two"):
        with pytest.raises(ServiceError):
            await coalescer.add("a", Clip(name=part))
    service.failure = None
    assert (await coalescer.add("a", Clip(name="three"))).name == "three"


async def test_who_has_left_is_not_sent() -> None:
    """A cancelled part that waits is dropped; the others have their answers."""
    service = Service()
    coalescer = Coalescer(service.send)
    tasks = [
        asyncio.create_task(coalescer.add("a", Clip(name=name))) for name in ("one", "two", "three")
    ]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    service.go_on.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert [clip.name for clip in (results[0], results[2])] == ["one", "three"]
    assert "two" not in [part for _, parts in service.batches for part in parts]


async def test_a_call_has_a_largest_size() -> None:
    """Parts that are large together go in several calls; one that is larger goes alone."""
    service = Service()
    service.go_on.set()
    coalescer = Coalescer(service.send)
    large = Clip(name="large", label="x" * (MOST_BYTES + 1))
    half = Clip(name="half", label="x" * (MOST_BYTES // 2))
    parts = [half, half, half, large, Clip(name="small")]
    await asyncio.gather(*(coalescer.add("a", part) for part in parts))
    assert [names for _, names in service.batches] == [
        *(["half"], ["half"], ["half"], ["large"], ["small"]),
    ]


async def test_what_nobody_expected_reaches_the_callers_and_harms_no_later_call() -> None:
    """An error of any kind is raised where the answers are waited for; the next call goes out."""
    service = Service()
    service.go_on.set()
    service.failure = ValueError("broken")
    coalescer = Coalescer(service.send)
    calls = [coalescer.add("a", Clip(name=name)) for name in ("one", "two")]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [str(result) for result in results] == ["broken", "broken"]
    service.failure = None
    assert (await coalescer.add("a", Clip(name="three"))).name == "three"


async def test_what_comes_during_a_pause_goes_together() -> None:
    """The first goes at once; a pause ends when enough wait, and nobody is left behind."""
    service = Service()
    service.go_on.set()
    coalescer = Coalescer(service.send, pause=30.0)
    await coalescer.add("a", Clip(name="first"))
    names = [f"n{number}" for number in range(ENOUGH)]
    parts = []
    for name in names:
        parts.append(asyncio.create_task(coalescer.add("a", Clip(name=name))))
        await asyncio.sleep(0.01)
    clips = await asyncio.wait_for(asyncio.gather(*parts), 10)
    assert [clip.name for clip in clips] == names
    assert service.batches == [("a", ["first"]), ("a", names)]


async def test_a_pause_ends_by_itself() -> None:
    """A part that nobody follows goes alone."""
    service = Service()
    service.go_on.set()
    coalescer = Coalescer(service.send, pause=0.05)
    for name in ("first", "second", "third"):
        assert (await asyncio.wait_for(coalescer.add("a", Clip(name=name)), 10)).name == name
    assert service.batches == [("a", ["first"]), ("a", ["second"]), ("a", ["third"])]
