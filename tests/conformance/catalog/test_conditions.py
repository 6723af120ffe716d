"""Conditions of lists, and counts by value: both say what `serving.conditions.fits` says."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from audiosearch.catalog.v1 import clip_pb2 as pb
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.catalog.v1.library_pb2 import Library
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties, Tag
from audiosearch.filter.v1.filter_pb2 import Condition

from catalog_service.clips import lists
from serving.conditions import METADATA, NUMBERS, TAG, TEXTS, check, fits, folded
from serving.errors import Reason
from tools.servers.catalog import HEARD, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORDS = [
    *("", " ", "  ", "a", "A", "a ", " a", "ab", "aB", "a b", "a\tb"),
    *("%", "_", "a%b", "a_b", "a/b", "\\", "\\%", "a\\b", "'", '"', "a'b", 'a"b', "`", "?", ":x"),
    *(
        "ä",
        "Ä",
        "ß",
        "ẞ",
        "ss",
        "STRASSE",
        "straße",
        "İ",
        "i",
        "I",
        "\u0131",
        "K",
        "k",
        "\u017f",
        "s",
    ),
    *("ΟΔΟΣ", "οδος", "οδοσ", "ﬁ", "fi", "é", "e\u0301", "刀", "刀剣", "🔪", "🔪a", "\ufffd"),
    *("\u200b", "\u2028", "0", "00", "1", "-1", "+1.0", "1e1", "10", ".5", "5.", "1,5", "0x1"),
    *("inf", "nan", "1e99", "1e100", "9" * 100, "9" * 101, "3.0000000000000001", "NULL", "null"),
    *("{}", "[a]", "(a)", "a.b", "a*", "^a$", "a|b", "-", "]", "&&", "\x7f", "#", "$", "~"),
]
KEYS = [
    "k",
    "K",
    "a.b",
    "a b",
    'a"b',
    "a\\b",
    "a'b",
    "ä",
    "刀",
    "🔪",
    "$",
    "[0]",
    "*",
    "k ",
    "\u2028",
]
TAGS = ["Dog", "dog", "Dogs", "Bow-wow", "Bass drum", "犬", "ÄÖ", "äö"]
SCORES = [0.1, 0.1004, 0.2, 0.4, 0.4499, 0.45, 0.8, 1.0]
CLIPS = 120
QUESTIONS = 300


class Stored(NamedTuple):
    """A library whose clips are all known."""

    library: Library
    clips: Sequence[Clip]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stored(catalog: Catalog) -> Stored:
    """Clips of strange words, some of them enrolled, of lengths from 0 to 5.9 s."""
    library, chosen = await catalog.library(), random.Random(1)
    requests = [
        pb.CreateClipRequest(
            clip=Clip(
                display_name=line(chosen),
                label=line(chosen),
                speaker=line(chosen),
                source=text(chosen),
                metadata={key: text(chosen) for key in chosen.sample(KEYS, chosen.randint(0, 6))},
            )
        )
        for _ in range(CLIPS)
    ]
    made = await catalog.stubs.clips.BatchCreateClips(
        pb.BatchCreateClipsRequest(parent=library.name, requests=requests)
    )
    for number, outcome in enumerate(made.outcomes):
        await catalog.put(outcome.clip.name, f"{number}".encode())
        audio = AudioProperties()
        audio.CopyFrom(HEARD)
        audio.duration.FromMilliseconds(number % 60 * 100)
        tags = [Tag(name=it, score=chosen.choice(SCORES)) for it in chosen.sample(TAGS, number % 6)]
        await catalog.stubs.clips.ActivateClip(
            pb.ActivateClipRequest(name=outcome.clip.name, audio=audio, tags=pb.ClipTags(tags=tags))
        )
    for first in (0, 40):
        await catalog.speaker(
            library, *(it.clip for it in made.outcomes[first : first + first + 5])
        )
    found = await catalog.stubs.clips.ListClips(
        pb.ListClipsRequest(parent=library.name, page_size=1000)
    )
    assert len(found.clips) == CLIPS
    return Stored(library, list(found.clips))


def line(chosen: random.Random) -> str:
    """A text without control characters."""
    return "".join(it for it in text(chosen) if it not in "\t\x7f")


def text(chosen: random.Random) -> str:
    """One word, or two in a row."""
    return "".join(chosen.choices(WORDS, k=chosen.choice([1, 1, 2])))


def asked(chosen: random.Random) -> Condition:
    """Any condition that can be asked."""
    field = chosen.choice(
        [*TEXTS, *NUMBERS, *(METADATA + key for key in KEYS), METADATA + chosen.choice(KEYS), TAG]
    )
    if field == TAG:
        return tagged(chosen)
    kinds = ["any_of", "none_of", "contains"]
    if field.startswith(METADATA):
        kinds.append("range")
    kind = "range" if field in NUMBERS else chosen.choice(kinds)
    if kind == "contains":
        return Condition(field=field, contains=line(chosen) or "a")
    if kind == "range":
        ends: Any = sorted(chosen.choice([0, 1, -1, 0.5, 2.3, 10, 3, 1e300, -1e300]) for _ in "ab")
        if field == "create_time":
            ends = [1.7e9, chosen.choice([4e9, 1e17, -1e17, 1.7e9])]
            ends.sort()
        bounds = Condition.Range(minimum=ends[0], maximum=ends[1])
        for end in chosen.sample(["minimum", "maximum"], chosen.randint(0, 2)):
            bounds.ClearField(end)  # type: ignore[arg-type]  # one of its two
        return Condition(field=field, range=bounds)
    values = Condition.Values(values=[text(chosen) for _ in range(chosen.choice([1, 1, 3, 100]))])
    if kind == "any_of":
        return Condition(field=field, any_of=values)
    return Condition(field=field, none_of=values)


def tagged(chosen: random.Random) -> Condition:
    """Any condition on tags."""
    names = chosen.choices([*TAGS, "", "no such tag"], k=chosen.choice([1, 1, 2, 5]))
    values = Condition.Values(values=names, min_score=chosen.choice([0, 0, *SCORES]))
    if chosen.random() < 0.5:
        return Condition(field=TAG, any_of=values)
    return Condition(field=TAG, none_of=values)


def fitting(clips: Iterable[Clip], which: ClipFilter) -> list[str]:
    """Names of the clips that fit the conditions of a filter."""
    check("conditions", which)
    return [clip.name for clip in clips if fits(clip, which.conditions)]


async def listed(catalog: Catalog, library: Library, which: ClipFilter, size: int) -> list[str]:
    """Names of the clips of a whole list, page by page."""
    request = pb.ListClipsRequest(parent=library.name, filter=which, page_size=size)
    names: list[str] = []
    while True:
        page = await catalog.stubs.clips.ListClips(request)
        assert len(page.clips) <= size
        names += [clip.name for clip in page.clips]
        request.page_token = page.next_page_token
        if not request.page_token:
            return names


async def test_a_list_has_the_clips_that_fit(catalog: Catalog, stored: Stored) -> None:
    """For any conditions, alone and together, on any database."""
    chosen, found = random.Random(2), 0
    for _ in range(QUESTIONS):
        which = ClipFilter(conditions=[asked(chosen) for _ in range(chosen.choice([1, 1, 1, 2]))])
        names = fitting(stored.clips, which)
        assert await listed(catalog, stored.library, which, 1000) == names, which
        found += bool(names)
    assert found > QUESTIONS / 4


async def test_a_list_has_the_clips_of_tags(catalog: Catalog, stored: Stored) -> None:
    """By any of several tags at a score, or none of them, and those without any tag."""
    chosen, found = random.Random(4), 0
    for _ in range(60):
        which = ClipFilter(conditions=[tagged(chosen)])
        names = fitting(stored.clips, which)
        assert await listed(catalog, stored.library, which, 1000) == names, which
        found += bool(names)
    assert found > 30


async def test_a_part_of_every_text_is_found(catalog: Catalog, stored: Stored) -> None:
    """Of every clip, the middle of its name in other cases; and nothing else is found by it."""
    for clip in stored.clips:
        part = clip.display_name[len(clip.display_name) // 3 :][:3]
        for wanted in {part, part.upper(), part.lower(), part.swapcase(), folded(part)} - {""}:
            which = ClipFilter(conditions=[Condition(field="display_name", contains=wanted)])
            names = fitting(stored.clips, which)
            assert await listed(catalog, stored.library, which, 1000) == names, which


async def test_every_value_is_told_from_every_other(catalog: Catalog, stored: Stored) -> None:
    """Each text of each field is found as it is and is left out as it is."""
    for field in ("label", "source", METADATA + "k", METADATA + 'a"b'):
        for word in WORDS:
            values = Condition.Values(values=[word])
            for condition in (
                Condition(field=field, any_of=values),
                Condition(field=field, none_of=values),
            ):
                which = ClipFilter(conditions=[condition])
                names = fitting(stored.clips, which)
                assert await listed(catalog, stored.library, which, 1000) == names, which


async def test_conditions_and_the_other_fields_hold_together(
    catalog: Catalog, stored: Stored
) -> None:
    """In the order that the other fields ask for, and page by page, no clip twice or not at all."""
    chosen = random.Random(3)
    some = stored.clips[7]
    for _ in range(40):
        which = ClipFilter(conditions=[asked(chosen)])
        everyone = set(fitting(stored.clips, which))
        others: list[tuple[dict[str, Any], Any]] = [
            ({}, lambda _: True),
            ({"label": some.label}, lambda clip: clip.label == some.label),
            ({"display_name_prefix": "a"}, lambda clip: clip.display_name.startswith("a")),
            (
                {"update_time_before": some.update_time},
                lambda clip: clip.update_time.ToMicroseconds() < some.update_time.ToMicroseconds(),
            ),
            (
                {"create_time_from": some.create_time},
                lambda clip: clip.create_time.ToMicroseconds() >= some.create_time.ToMicroseconds(),
            ),
        ]
        for fields, holds in others:
            both = ClipFilter(conditions=which.conditions, **fields)
            names = {clip.name for clip in stored.clips if clip.name in everyone and holds(clip)}
            found = await listed(catalog, stored.library, both, 7)
            assert len(found) == len(set(found))
            assert set(found) == names, both


async def test_a_long_list_is_looked_through_in_stretches(
    catalog: Catalog, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may be short, or empty, and the pages together are whole."""
    monkeypatch.setattr(lists, "STRETCH", 3)
    rare = stored.clips[100]
    for fields in (
        {},
        {"display_name_prefix": rare.display_name[:1]},
        {"update_time_before": rare.update_time},
    ):
        for conditions in (
            [Condition(field="source", any_of=Condition.Values(values=[rare.source]))],
            [Condition(field="duration", range=Condition.Range(minimum=2))],
            [Condition(field="label", contains="no such label")],
        ):
            which: Any = ClipFilter(conditions=conditions, **fields)
            whole = await listed(catalog, stored.library, which, 1000)
            for size in (1, 2, 50):
                assert await listed(catalog, stored.library, which, size) == whole
            if not fields:
                assert whole == fitting(stored.clips, which)
    request = pb.ListClipsRequest(
        parent=stored.library.name,
        filter=ClipFilter(conditions=[Condition(field="label", contains="no such label")]),
    )
    first = await catalog.stubs.clips.ListClips(request)
    assert not first.clips
    assert first.next_page_token
    request.filter.conditions[0].contains = "other"
    request.page_token = first.next_page_token
    async with refused(Reason.FIELD_INVALID, field="page_token"):
        await catalog.stubs.clips.ListClips(request)


@pytest.mark.parametrize(
    "field",
    ["label", "speaker", "source", "enrolled_speaker", TAG, *(METADATA + key for key in KEYS)],
)
async def test_clips_are_counted_by_value(catalog: Catalog, stored: Stored, field: str) -> None:
    """All values and clips count; the most frequent come first, equal ones by their text."""
    for conditions in (
        [],
        [Condition(field="duration", range=Condition.Range(maximum=3))],
        [Condition(field="label", contains="a"), Condition(field="source", contains="a")],
        [Condition(field="label", any_of=Condition.Values(values=["a"]))],
    ):
        which = ClipFilter(conditions=conditions)
        wanted = set(fitting(stored.clips, which))
        some = [it for it in stored.clips if it.name in wanted]
        counter = Counter(each for it in some for each in values(it, field))
        answer = await counted(catalog, stored.library.name, field, which, 1000)
        assert [(it.value, it.clip_count) for it in answer.values] == sorted(
            counter.items(), key=lambda it: (-it[1], it[0])
        )
        assert (answer.value_count, answer.clip_count) == (len(counter), len(wanted))
        few = await counted(catalog, stored.library.name, field, which, 3)
        assert few.values == answer.values[:3]
        assert (few.value_count, few.clip_count) == (answer.value_count, answer.clip_count)


def values(clip: Clip, field: str) -> list[str]:
    """The values of a field; empty if it has none."""
    if field == TAG:
        return [tag.name for tag in clip.tags] or [""]
    if field.startswith(METADATA):
        return [clip.metadata.get(field.removeprefix(METADATA), "")]
    return [str(getattr(clip, field)).rpartition("/" if field == "enrolled_speaker" else "\0")[2]]


async def counted(
    catalog: Catalog, parent: str, field: str, which: ClipFilter | None = None, size: int = 0
) -> pb.CountValuesResponse:
    """Counts clips by the value of a field."""
    return await catalog.stubs.clips.CountValues(
        pb.CountValuesRequest(parent=parent, field=field, filter=which, page_size=size)
    )


async def test_nothing_is_counted_of_nothing(catalog: Catalog, stored: Stored) -> None:
    """An empty library has no values; other states are counted when asked for."""
    empty = await catalog.library()
    assert await counted(catalog, empty.name, "label") == pb.CountValuesResponse()
    await catalog.creating(empty, label="x")
    assert await counted(catalog, empty.name, "label") == pb.CountValuesResponse()
    answer = await counted(catalog, empty.name, "label", ClipFilter(state=Clip.STATE_CREATING))
    assert [it.value for it in answer.values] == ["x"]
    assert (await counted(catalog, stored.library.name, "source")).clip_count == CLIPS


async def test_long_values_are_told_from_each_other(catalog: Catalog) -> None:
    """Paths may differ at their end alone, of thousands of characters, and by blanks alone."""
    library, ends = await catalog.library(), ["", " ", "a", "b", "刀"]
    requests = [
        pb.CreateClipRequest(clip=Clip(source="刀" * 3000 + ends[number % 5]))
        for number in range(200)
    ]
    await catalog.stubs.clips.BatchCreateClips(
        pb.BatchCreateClipsRequest(parent=library.name, requests=requests)
    )
    which = ClipFilter(state=Clip.STATE_CREATING)
    answer = await counted(catalog, library.name, "source", which)
    assert {it.value: it.clip_count for it in answer.values} == {
        "刀" * 3000 + it: 40 for it in ends
    }
    assert (answer.value_count, answer.clip_count) == (5, 200)


async def test_bad_questions_are_refused(catalog: Catalog, stored: Stored) -> None:
    """Fields that are not there, fields that can't be counted, and libraries that are not there."""
    which = ClipFilter(conditions=[Condition(field="x", contains="x")])
    for call in (
        listed(catalog, stored.library, which, 1),
        counted(catalog, stored.library.name, "label", which),
    ):
        async with refused(Reason.FIELD_INVALID, field="filter.conditions[0].field"):
            await call
    for field in ("", "display_name", "duration", "metadata.", "x"):
        async with refused(Reason.FIELD_INVALID, field="field"):
            await counted(catalog, stored.library.name, field)
    async with refused(Reason.FIELD_INVALID, field="page_size"):
        await counted(catalog, stored.library.name, "label", size=-1)
    fine = ClipFilter(conditions=[Condition(field="label", contains="x")])
    for call in (
        listed(catalog, Library(name="libraries/none"), fine, 1),
        counted(catalog, "libraries/none", "label"),
    ):
        async with refused(Reason.LIBRARY_NOT_FOUND, library="libraries/none"):
            await call
