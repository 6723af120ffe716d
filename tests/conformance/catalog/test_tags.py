"""Tags of clips, and clips that are found by tags and by parts of their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from audiosearch.catalog.v1 import clip_pb2 as pb
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter, ClipTags
from audiosearch.catalog.v1.library_pb2 import (
    BeginLibraryDeletionRequest,
    DeleteLibraryRequest,
    Library,
)
from audiosearch.embedding.v1.embedding_pb2 import Tag
from audiosearch.filter.v1.filter_pb2 import Condition
from sqlalchemy import func, select

from catalog_service.clips import finding
from catalog_service.database.engines import backend
from catalog_service.database.schema import clip_tags
from serving.errors import Reason
from tools.servers.catalog import HEARD, Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")
Term = pb.FindClipsRequest.Term


async def tagged(catalog: Catalog, name: str, tags: Mapping[str, float] | None) -> Clip:
    """Activates a clip with these tags, or without telling any."""
    listed = None if tags is None else ClipTags(tags=_tags(tags))
    return await catalog.stubs.clips.ActivateClip(
        pb.ActivateClipRequest(name=name, audio=HEARD, tags=listed)
    )


def _tags(tags: Mapping[str, float]) -> list[Tag]:
    return [Tag(name=name, score=score) for name, score in tags.items()]


async def made(
    catalog: Catalog, library: Library, tags: Mapping[str, float], **fields: Any
) -> Clip:
    """An ACTIVE clip with tags."""
    clip = await catalog.creating(library, **fields)
    await catalog.put(clip.name, clip.name.encode())
    return await tagged(catalog, clip.name, tags)


def read(clip: Clip) -> dict[str, float]:
    """The tags of a clip in order."""
    return {tag.name: round(tag.score, 4) for tag in clip.tags}


async def find(
    catalog: Catalog,
    library: Library,
    *terms: Term,
    size: int = 100,
    which: ClipFilter | None = None,
) -> list[tuple[str, float, int]]:
    """Names for people, scores and named terms of all clips that terms lead to, page by page."""
    request = pb.FindClipsRequest(parent=library.name, terms=terms, filter=which, page_size=size)
    found = []
    while True:
        page = await catalog.stubs.clips.FindClips(request)
        assert len(page.clips) <= size
        found += [(it.clip.display_name, round(it.score, 4), it.named_count) for it in page.clips]
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


async def names(catalog: Catalog, library: Library) -> Sequence[str]:
    """The tags that a library's clips have."""
    return (await catalog.stubs.clips.ListTags(pb.ListTagsRequest(parent=library.name))).names


async def test_tags_come_with_the_activation_and_are_replaced(catalog: Catalog) -> None:
    """The surest first, in thousandths. Others take their place, and are a new revision."""
    library = await catalog.library()
    clip = await made(catalog, library, {"Bark": 0.4, "Dog": 0.81239, "Cat": 0.4})
    assert read(clip) == {"Dog": 0.812, "Bark": 0.4, "Cat": 0.4}
    assert list(read(clip)) == ["Dog", "Bark", "Cat"]
    assert clip.revision == 1
    assert await tagged(catalog, clip.name, None) == clip
    assert await tagged(catalog, clip.name, {"Cat": 0.4, "Dog": 0.812, "Bark": 0.4}) == clip
    other = await tagged(catalog, clip.name, {"Music": 1.0})
    assert (read(other), other.revision) == ({"Music": 1.0}, 2)
    assert await catalog.get(clip.name) == other
    assert await names(catalog, library) == ["Music"]
    assert not (await tagged(catalog, clip.name, {})).tags
    assert await names(catalog, library) == []


async def test_a_change_of_a_clip_keeps_its_tags(catalog: Catalog) -> None:
    """Fields that a caller changes have nothing to do with them."""
    library = await catalog.library()
    clip = await made(catalog, library, {"Dog": 0.5})
    changed = await catalog.stubs.clips.UpdateClip(
        pb.UpdateClipRequest(clip=Clip(name=clip.name, label="x", tags=_tags({"Cat": 1.0})))
    )
    assert read(changed) == {"Dog": 0.5}


async def test_tags_go_with_their_clip_and_with_their_library(catalog: Catalog) -> None:
    """Nothing of them stays."""
    library = await catalog.library()
    clip = await made(catalog, library, {"Dog": 0.5})
    await made(catalog, library, {"Cat": 0.5})
    await catalog.begin_deletion(clip.name)
    await catalog.stubs.clips.DeleteClip(pb.DeleteClipRequest(name=clip.name))
    assert await names(catalog, library) == ["Cat"]
    await catalog.stubs.libraries.BeginLibraryDeletion(
        BeginLibraryDeletionRequest(name=library.name, force=True)
    )
    await catalog.stubs.libraries.DeleteLibrary(DeleteLibraryRequest(name=library.name))
    engine = backend(catalog.settings).migrating_engine()
    with engine.connect() as connection:
        left = connection.scalar(select(func.count()).where(clip_tags.c.library_uid == library.uid))
    engine.dispose()
    assert left == 0


@pytest.mark.parametrize(
    ("field", "tags"),
    [
        ("tags.tags[0].name", [Tag(score=0.5)]),
        ("tags.tags[0].name", [Tag(name=" Dog", score=0.5)]),
        ("tags.tags[0].name", [Tag(name="x" * 128, score=0.5)]),
        ("tags.tags[1].name", [Tag(name="Dog", score=0.5)] * 2),
        ("tags.tags[0].score", [Tag(name="Dog", score=1.5)]),
        ("tags.tags[0].score", [Tag(name="Dog", score=float("nan"))]),
        ("tags.tags", [Tag(name=f"{number}", score=0.5) for number in range(11)]),
    ],
)
async def test_tags_that_can_not_be_are_refused(
    catalog: Catalog, field: str, tags: Sequence[Tag]
) -> None:
    """Each with its place."""
    clip = await catalog.creating(await catalog.library())
    await catalog.put(clip.name, b"x")
    async with refused(Reason.FIELD_INVALID, field=field):
        await catalog.stubs.clips.ActivateClip(
            pb.ActivateClipRequest(name=clip.name, audio=HEARD, tags=ClipTags(tags=tags))
        )


async def test_clips_are_found_by_tags_then_by_names(catalog: Catalog) -> None:
    """The mean over the terms of the surest tag decides, then the terms in name and label."""
    library = await catalog.library()
    await made(catalog, library, {"Dog": 0.5, "Bark": 0.9}, display_name="b")
    await made(catalog, library, {"Dog": 0.5, "Rain": 0.5}, display_name="both")
    await made(catalog, library, {}, display_name="A DOG in the rain")
    await made(catalog, library, {}, display_name="c", label="Hotdogs")
    await made(catalog, library, {"Cat": 0.9}, display_name="cat")
    await made(catalog, library, {"Dog": 0.9}, display_name="dog.wav")
    dog, rain = Term(tags=["Dog", "Bark"], texts=["dog"]), Term(tags=["Rain"], texts=["rain"])
    alone = [("dog.wav", 0.9, 1), ("b", 0.9, 0), ("both", 0.5, 0)]
    named = [("A DOG in the rain", 0.0, 1), ("c", 0.0, 1)]
    assert await find(catalog, library, dog) == alone + named
    assert await find(catalog, library, dog, size=2) == alone + named
    assert await find(catalog, library, dog, rain, size=1) == [
        ("both", 0.5, 0),
        ("dog.wav", 0.45, 1),
        ("b", 0.45, 0),
        ("A DOG in the rain", 0.0, 2),
        ("c", 0.0, 1),
    ]
    assert await find(catalog, library, Term(tags=["Dog"])) == [
        ("dog.wav", 0.9, 0),
        ("b", 0.5, 0),
        ("both", 0.5, 0),
    ]
    assert await find(catalog, library, Term(texts=["unicorn"], tags=["Horse"])) == []


async def test_clips_are_found_among_those_of_a_filter(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any fields, ACTIVE clips alone; names are looked through in the newest."""
    library = await catalog.library()
    for number in range(6):
        await made(
            catalog,
            library,
            {"Dog": 0.1 * (number + 1)},
            display_name=f"x{number}",
            label="ab"[number % 2],
        )
    gone = await made(catalog, library, {"Dog": 1.0}, display_name="x6", label="a")
    await catalog.begin_deletion(gone.name)
    await catalog.creating(library, display_name="x7")
    dog, sure = Term(tags=["Dog"]), Condition.Values(values=["Dog"], min_score=0.3)
    which = ClipFilter(label="a")
    assert [it[0] for it in await find(catalog, library, dog, which=which)] == ["x4", "x2", "x0"]
    which.conditions.append(Condition(field="tag", any_of=sure))
    assert [it[0] for it in await find(catalog, library, dog, which=which)] == ["x4", "x2"]
    monkeypatch.setattr(finding, "MOST_NAMED", 2)
    assert [it[0] for it in await find(catalog, library, Term(texts=["X"]))] == ["x4", "x5"]
    which = ClipFilter(display_name_prefix="x1")
    assert [it[0] for it in await find(catalog, library, Term(texts=["X"]), which=which)] == ["x1"]


async def test_questions_that_can_not_be_are_refused(catalog: Catalog) -> None:
    """No terms, an empty one, another state, a page of another question, no library."""
    library = await catalog.library()
    for field, request in (
        ("terms", pb.FindClipsRequest()),
        ("terms[0]", pb.FindClipsRequest(terms=[Term()])),
        ("terms[0].texts[0]", pb.FindClipsRequest(terms=[Term(texts=[""])])),
        (
            "filter.state",
            pb.FindClipsRequest(
                terms=[Term(tags=["Dog"])], filter=ClipFilter(state=Clip.STATE_FAILED)
            ),
        ),
        ("page_token", pb.FindClipsRequest(terms=[Term(tags=["Dog"])], page_token="x")),  # noqa: S106
    ):
        request.parent = library.name
        async with refused(Reason.FIELD_INVALID, field=field):
            await catalog.stubs.clips.FindClips(request)
    async with refused(Reason.LIBRARY_NOT_FOUND):
        await catalog.stubs.clips.FindClips(
            pb.FindClipsRequest(parent="libraries/none", terms=[Term(tags=["Dog"])])
        )
    async with refused(Reason.LIBRARY_NOT_FOUND):
        await catalog.stubs.clips.ListTags(pb.ListTagsRequest(parent="libraries/none"))
