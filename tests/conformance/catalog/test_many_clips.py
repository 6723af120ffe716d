"""Lists and look-ups over more clips than fit on a page."""

from __future__ import annotations

import pytest
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip, ClipFilter
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties
from audiosearch.filter.v1.filter_pb2 import Condition
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from serving.errors import Reason
from tools.servers.catalog import Catalog, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")
COUNT = 2500


async def test_paging_shows_each_clip_once(catalog: Catalog) -> None:
    """2,500 clips, by the default, the largest and an odd size; each once and in order."""
    library = await catalog.library()
    names: list[str] = []
    for first in range(0, COUNT, 500):
        requests = [
            clip_pb2.CreateClipRequest(clip=Clip(label=f"l{number % 2}"))
            for number in range(first, first + 500)
        ]
        made = await catalog.stubs.clips.BatchCreateClips(
            clip_pb2.BatchCreateClipsRequest(parent=library.name, requests=requests)
        )
        names += sorted(outcome.clip.name for outcome in made.outcomes)
    for size, pages in ((0, 25), (5000, 3), (999, 3)):
        found = await pages_of(catalog, library.name, size, ClipFilter(state=Clip.STATE_CREATING))
        assert len(found) == pages
        assert [clip.name for page in found for clip in page] == names
    labelled = await pages_of(
        catalog, library.name, 700, ClipFilter(state=Clip.STATE_CREATING, label="l1")
    )
    assert [len(page) for page in labelled] == [700, 550]
    assert await pages_of(catalog, library.name, 700, ClipFilter()) == [[]]
    await catalog.stubs.libraries.BeginLibraryDeletion(
        library_pb2.BeginLibraryDeletionRequest(name=library.name, force=True)
    )
    await catalog.stubs.libraries.DeleteLibrary(library_pb2.DeleteLibraryRequest(name=library.name))


async def pages_of(
    catalog: Catalog, parent: str, size: int, which: ClipFilter, order_by: str = ""
) -> list[list[Clip]]:
    """All pages of a list."""
    pages, token = [], ""
    while True:
        answer = await catalog.stubs.clips.ListClips(
            clip_pb2.ListClipsRequest(
                parent=parent,
                page_size=size,
                page_token=token,
                filter=which,
                order_by=order_by,
            )
        )
        pages.append(list(answer.clips))
        token = answer.next_page_token
        if not token:
            return pages


async def test_a_clip_that_goes_while_paging_shifts_nothing(catalog: Catalog) -> None:
    """Pages are cut by name, not by position."""
    library = await catalog.library()
    names = [(await catalog.clip(library)).name for _ in range(4)]
    first = await catalog.stubs.clips.ListClips(
        clip_pb2.ListClipsRequest(parent=library.name, page_size=2)
    )
    await catalog.begin_deletion(names[1])
    second = await catalog.stubs.clips.ListClips(
        clip_pb2.ListClipsRequest(
            parent=library.name, page_size=2, page_token=first.next_page_token
        )
    )
    assert [clip.name for clip in [*first.clips, *second.clips]] == names
    assert second.next_page_token == ""


async def test_pages_by_name_and_by_time_of_change(catalog: Catalog) -> None:
    """Lists by other things than age show each clip once, also with many equal names or times."""
    library = await catalog.library()
    requests = [
        clip_pb2.CreateClipRequest(clip=Clip(display_name=f"n{number % 3}"))
        for number in range(200)
    ]
    for part in (requests[:120], requests[120:]):
        await catalog.stubs.clips.BatchCreateClips(
            clip_pb2.BatchCreateClipsRequest(parent=library.name, requests=part)
        )
    later = Timestamp(seconds=4_000_000_000)
    for which, key in (
        (ClipFilter(display_name_prefix="n"), lambda it: (it.display_name, it.name)),
        (ClipFilter(display_name_prefix="n1"), lambda it: (it.display_name, it.name)),
        (
            ClipFilter(update_time_before=later),
            lambda it: (it.update_time.ToNanoseconds(), it.name),
        ),
        (ClipFilter(create_time_before=later), lambda it: it.name),
    ):
        which.state = Clip.STATE_CREATING
        pages = await pages_of(catalog, library.name, 17, which)
        found = [clip for page in pages for clip in page]
        assert found == sorted(found, key=key)
        wanted = sum(r.clip.display_name.startswith(which.display_name_prefix) for r in requests)
        assert len({clip.name for clip in found}) == len(found) == wanted


async def test_pages_in_the_order_asked_for(catalog: Catalog) -> None:
    """By name, length and age, up and down, with any filter: each clip once, ties by age."""
    library = await catalog.library()
    clips = []
    for number in range(12):
        clip = await catalog.creating(
            library, display_name=f"n{number % 4}", label=f"l{number % 2}"
        )
        await catalog.put(clip.name, clip.name.encode())
        audio = AudioProperties(duration=Duration(seconds=number % 3)) if number % 3 else None
        activate = clip_pb2.ActivateClipRequest(name=clip.name, audio=audio)
        clips.append(await catalog.stubs.clips.ActivateClip(activate))
    keys = {
        "display_name": lambda it: (it.display_name, it.name),
        "duration": lambda it: (it.audio.duration.seconds, it.name),
        "create_time": lambda it: it.name,
    }
    filters = [
        ClipFilter(),
        ClipFilter(label="l1"),
        ClipFilter(display_name_prefix="n1"),
        ClipFilter(create_time_from=clips[3].create_time),
        ClipFilter(conditions=[Condition(field="label", none_of=Condition.Values(values=["l1"]))]),
    ]
    for field, key in keys.items():
        for which in filters:
            fits = [
                clip for page in await pages_of(catalog, library.name, 50, which) for clip in page
            ]
            up = sorted(fits, key=key)
            for order, wanted in ((field, up), (f"{field}  desc ", up[::-1])):
                for size in (1, 5, 50):
                    pages = await pages_of(catalog, library.name, size, which, order)
                    assert [clip.name for page in pages for clip in page] == [
                        it.name for it in wanted
                    ]
    first = await catalog.stubs.clips.ListClips(
        clip_pb2.ListClipsRequest(parent=library.name, page_size=2, order_by="duration")
    )
    for order in ("", "duration desc", "display_name"):
        async with refused(Reason.FIELD_INVALID):
            await catalog.stubs.clips.ListClips(
                clip_pb2.ListClipsRequest(
                    parent=library.name, page_token=first.next_page_token, order_by=order
                )
            )
    for order in ("label", "duration asc", "duration, name", "desc", "duration desc desc"):
        async with refused(Reason.FIELD_INVALID, field="order_by"):
            await catalog.stubs.clips.ListClips(
                clip_pb2.ListClipsRequest(parent=library.name, order_by=order)
            )
