"""Clips by reference, to files of a folder and to objects of a real S3 server: only ever read."""

from __future__ import annotations

import asyncio
import hashlib
import os
import urllib.request
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import AudioObject, Clip, ListReferencesResponse
from audiosearch.catalog.v1.library_pb2 import GetLibraryRequest, Library
from obstore.store import from_url

from catalog_service.settings import CatalogSettings
from serving.errors import Reason
from tests.conformance.catalog.conftest import BACKENDS, settings_for
from tests.conformance.catalog.test_audio_checks import (
    becomes,
    checked,
    condition,
    file_of,
    flip,
    quick,
    unlooked,
)
from tests.conformance.catalog.test_outages import SERVING, health
from tools.servers.catalog import Catalog, StoredObject, objects, refused, serving
from tools.servers.seaweedfs import SeaweedFS, variables
from tools.servers.tcp_proxy import proxy

LONG = bytes(range(256)) * 8000
GOOD, CHANGED, MISSING = (
    AudioObject.CONDITION_UNSPECIFIED,
    AudioObject.CONDITION_DAMAGED,
    AudioObject.CONDITION_MISSING,
)
PLACES = ["folder", pytest.param("s3", marks=pytest.mark.server)]


class Place:
    """An allowed place, `in/`, of a folder or a bucket, and what is beside it."""

    def __init__(self, root: str, folder: Path | None) -> None:
        """Takes the URI of the folder or bucket, and its path if it is a folder."""
        self.root = root
        self.allowed = f"{root}/in"
        self._folder = folder

    def uri(self, name: str) -> str:
        """The URI of a file or an object."""
        return f"{self.allowed}/{quote(name) if self._folder else name}"

    def file(self, name: str) -> Path | StoredObject:
        """The file or the object."""
        if self._folder is None:
            return StoredObject(from_url(self.root, client_options={"allow_http": True}), name)
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def put(self, name: str, content: bytes) -> str:
        """Writes below the allowed place, and returns the URI."""
        self.file(f"in/{name}").write_bytes(content)
        return self.uri(name)

    def names(self) -> Sequence[str]:
        """All files or objects."""
        if self._folder is None:
            return [str(each) for each in objects(self.root)]
        found = (each for each in self._folder.rglob("*") if each.is_file())
        return sorted(str(each.relative_to(self._folder)) for each in found)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place."""
    if request.param == "s3":
        weed: SeaweedFS = request.getfixturevalue("seaweedfs")
        return Place(f"s3://{weed.new_bucket()}", None)
    folder = tmp_path / "a folder"
    (folder / "in").mkdir(parents=True)
    return Place(folder.as_uri(), folder)


@pytest.fixture
def settings(place: Place, tmp_path: Path, request: pytest.FixtureRequest) -> CatalogSettings:
    """Settings of a service whose clips may refer to it. The tests say when it looks."""
    own = unlooked(settings_for("sqlite", tmp_path / "own", request))
    return own.model_copy(update={"reference_urls": place.allowed})


async def refer(catalog: Catalog, name: str) -> tuple[AudioObject, bytes]:
    """Reads what a new clip refers to, for the first time."""
    request = clip_pb2.ReferAudioRequest(name=name)
    parts = [part async for part in catalog.stubs.clips.ReferAudio(request)]
    return parts[0].audio_object, b"".join(part.chunk for part in parts[1:])


async def referring(catalog: Catalog, library: Library, uri: str, **fields: object) -> Clip:
    """Makes an ACTIVE clip by reference."""
    made = await catalog.creating(library, uri=uri, **fields)
    await refer(catalog, made.name)
    return await catalog.activate(made.name)


async def listed(
    catalog: Catalog, library: Library, uri: str, size: int
) -> list[ListReferencesResponse]:
    """All pages of what can be referred to below a place."""
    request = clip_pb2.ListReferencesRequest(parent=library.name, uri=uri, page_size=size)
    pages = []
    while True:
        pages.append(await catalog.stubs.clips.ListReferences(request))
        request.page_token = pages[-1].next_page_token
        if not request.page_token:
            return pages


async def test_audio_is_read_where_it_is(settings: CatalogSettings, place: Place) -> None:
    """Whole and in ranges, under any name, and never copied; deletion of the clip leaves it."""
    name = "a b/ü%20+#?.wav"
    uri = place.put(name, b"RIFF....WAVE" + LONG)
    async with serving(settings) as catalog:
        library = await catalog.library()
        made = await catalog.creating(library, uri=uri, display_name="one")
        async with refused(Reason.AUDIO_NOT_FOUND):
            await catalog.audio(made.name)
        async with refused(Reason.STATE_CONFLICT):
            await catalog.activate(made.name)
        async with refused(Reason.STATE_CONFLICT):
            await catalog.put(made.name, b"bytes")
        known, content = await refer(catalog, made.name)
        assert (known.size_bytes, content) == (len(LONG) + 12, b"RIFF....WAVE" + LONG)
        await catalog.activate(made.name)
        clip = await catalog.get(made.name)
        assert clip.uri == uri
        assert clip.audio_object == AudioObject(
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            content_type="audio/wav",
        )
        assert (await catalog.audio(clip.name))[1] == content
        assert (await catalog.audio(clip.name, 300_000, 7))[1] == content[300_000:300_007]
        assert (await catalog.audio(clip.name, len(content)))[1] == b""
        async with refused(Reason.FIELD_INVALID):
            await catalog.audio(clip.name, len(content) + 1)
        told = await catalog.stubs.libraries.GetLibrary(GetLibraryRequest(name=library.name))
        assert (told.clip_count, told.size_bytes) == (1, 0)
        assert not catalog.files()
        await catalog.begin_deletion(clip.name)
        await catalog.stubs.clips.DeleteClip(clip_pb2.DeleteClipRequest(name=clip.name))
        failed = await catalog.creating(library, uri=uri)
        await refer(catalog, failed.name)
        assert (await catalog.fail(failed.name)).uri == uri
    assert place.names() == [f"in/{name}"]


async def test_a_link_of_a_bucket(settings: CatalogSettings, place: Place) -> None:
    """An object has an address for a time; a file has none, and its bytes come."""
    uri = place.put("one.flac", b"fLaC and more")
    async with serving(settings) as catalog:
        clip = await referring(catalog, await catalog.library(), uri)
        asked = clip_pb2.GetAudioRequest(name=clip.name, link_seconds=60)
        _, last = [each async for each in catalog.stubs.clips.GetAudio(asked)]
        if uri.startswith("file:"):
            assert last.chunk == b"fLaC and more"
        else:
            with await asyncio.to_thread(urllib.request.urlopen, last.link, timeout=10) as answer:
                assert answer.read() == b"fLaC and more"


async def test_what_is_changed_or_gone_is_told_and_mended(
    settings: CatalogSettings, place: Place
) -> None:
    """By its reader and by the checks. The same bytes, added again by reference, mend the clip."""
    async with serving(settings) as catalog:
        library = await catalog.library()
        uris = [place.put(f"{each}.wav", LONG + each.encode()) for each in ("a", "b", "c")]
        changed, gone, well = [await referring(catalog, library, uri) for uri in uris]
        place.put("a.wav", LONG + b"x")
        place.file("in/b.wav").unlink()
        for clip, reason in ((changed, Reason.AUDIO_CHANGED), (gone, Reason.AUDIO_MISSING)):
            for offset in (0, 5):
                async with refused(reason, clip=clip.name) as errors:
                    await catalog.audio(clip.name, offset)
                assert clip.uri in errors[0].message
        assert await condition(catalog, changed) == CHANGED
        other = place.put("moved/b.wav", LONG + b"b")
        place.put("a.wav", LONG + b"a")
        for uri, clip in ((other, gone), (place.uri("a.wav"), changed)):
            again = await catalog.creating(library, uri=uri)
            async with refused(Reason.CLIP_EXISTS, clip=clip.name):
                await refer(catalog, again.name)
            assert (await catalog.audio(clip.name))[1] == LONG + clip.uri[-5:-4].encode()
            assert (await catalog.get(clip.name)).uri == uri
            assert await condition(catalog, clip) == GOOD
    place.put("moved/b.wav", LONG)
    place.file("in/c.wav").unlink()
    async with serving(quick(settings)) as catalog:
        await becomes(lambda: condition(catalog, gone), CHANGED)
        await becomes(lambda: condition(catalog, well), MISSING)
        told = await checked(catalog)
        assert (told.damaged_count, told.missing_count, told.referring_count) == (1, 1, 2)
        place.put("c.wav", LONG + b"c")
        if place.root.startswith("s3:"):  # the etag is that of before; a file's time is not
            await becomes(lambda: condition(catalog, well), GOOD)


async def test_the_same_bytes_are_one_clip(settings: CatalogSettings, place: Place) -> None:
    """Whether they are stored here or elsewhere; a reference never becomes audio that is here."""
    one = place.put("1.wav", LONG[:1000])
    two, three = (place.put(name, LONG[:1001]) for name in ("2.wav", "3.wav"))
    async with serving(settings) as catalog:
        library = await catalog.library()
        stored = await catalog.clip(library, LONG[:1000])
        again = await catalog.creating(library, uri=one)
        async with refused(Reason.CLIP_EXISTS, clip=stored.name):
            await refer(catalog, again.name)
        clip = await referring(catalog, library, two)
        upload = await catalog.creating(library)
        async with refused(Reason.CLIP_EXISTS, clip=clip.name):
            await catalog.put(upload.name, LONG[:1001])
        left = await referring(catalog, library, three, channel=1)
        assert left.name not in {clip.name, stored.name}
        assert (await catalog.get(stored.name)).uri == ""
        assert len(catalog.files()) == 1


async def test_only_allowed_places_are_read(settings: CatalogSettings, place: Place) -> None:
    """Neither beside them, nor by dots or links, nor other schemes; the errors say what to set."""
    place.file("out.wav").write_bytes(LONG)
    place.file("in-side/x.wav").write_bytes(LONG)
    place.put("x.wav", LONG)
    if isinstance(file := place.file("in/link.wav"), Path):
        file.symlink_to(file.parent.parent / "out.wav")
        place.file("in/linked").symlink_to(file.parent.parent / "in-side")
        os.mkfifo(file.parent / "pipe.wav")
    root = place.root
    async with serving(settings) as catalog:
        library = await catalog.library()
        for uri in (
            f"{root}/out.wav",
            f"{root}/in-side/x.wav",
            "s3://elsewhere/x",
            "file:///etc/passwd",
        ):
            async with refused(Reason.PATH_NOT_ALLOWED) as errors:
                await catalog.creating(library, uri=uri)
            assert "AUDIOSEARCH_REFERENCE_URLS" in errors[0].message
            async with refused(Reason.PATH_NOT_ALLOWED):
                await listed(catalog, library, uri, 10)
        for uri in (
            f"{root}/in/../out.wav",
            f"{root}/in//x.wav",
            f"{root}/in/",
            "http://127.0.0.1/x.wav",
            "file://host/x.wav",
            "file:///a/%2e%2e/x",
            "x.wav",
            "s3://user@elsewhere/x",
        ):
            async with refused(Reason.FIELD_INVALID, field="clip.uri"):
                await catalog.creating(library, uri=uri)
        nothing = await catalog.creating(library, uri=place.uri("nothing.wav"))
        async with refused(Reason.PATH_NOT_FOUND):
            await refer(catalog, nothing.name)
        if isinstance(file, Path):
            for name in ("link.wav", "linked/x.wav"):
                clip = await catalog.creating(library, uri=place.uri(name))
                async with refused(Reason.PATH_NOT_ALLOWED):
                    await refer(catalog, clip.name)
            pipe = await catalog.creating(library, uri=place.uri("pipe.wav"))
            async with refused(Reason.PATH_NOT_FOUND):
                await refer(catalog, pipe.name)
        clip = await referring(catalog, library, place.uri("x.wav"))
        empty = await catalog.creating(library, uri=place.put("empty.wav", b""))
        async with refused(Reason.AUDIO_UNDECODABLE):
            await refer(catalog, empty.name)
        whole = settings.max_audio_bytes
        huge = await catalog.creating(library, uri=place.put("huge.wav", b"x" * (whole + 1)))
        async with refused(Reason.AUDIO_TOO_LONG):
            await refer(catalog, huge.name)
    async with serving(settings.model_copy(update={"reference_urls": ""})) as catalog:
        async with refused(Reason.AUDIO_MISSING) as errors:
            await catalog.audio(clip.name)
        assert "AUDIOSEARCH_REFERENCE_URLS" in errors[0].message
    async with serving(settings) as catalog:
        assert (await catalog.audio(clip.name))[1] == LONG


async def test_a_place_is_listed_in_pages(settings: CatalogSettings, place: Place) -> None:
    """By name, audio alone, each once; one file is listed alone; versions tell of changes."""
    names = [f"{folder}/{number:02}.wav" for folder in ("a", "a/b", "c") for number in range(4)]
    for name in (*names, "a/notes.txt", "a/.hidden.wav"):
        place.put(name, name.encode())
    async with serving(settings) as catalog:
        library = await catalog.library()
        for size in (5, 12, 1000):
            pages = await listed(catalog, library, f"{place.allowed}/", size)
            found = [each for page in pages for each in page.references]
            assert sorted(each.path for each in found) == sorted(names)
            assert all(each.uri == place.uri(each.path) for each in found)
            assert all(each.size_bytes == len(each.path) for each in found)
        assert pages[0].passed_over == {".txt": 1, "hidden": 1}
        (page,) = await listed(catalog, library, place.uri("c/01.wav"), 10)
        assert [each.path for each in page.references] == ["01.wav"]
        version = page.references[0].version
        place.put("c/01.wav", b"other")
        (page,) = await listed(catalog, library, place.uri("c/01.wav"), 10)
        assert page.references[0].version != version
        async with refused(Reason.PATH_NOT_FOUND):
            await listed(catalog, library, place.uri("nowhere"), 10)


@pytest.mark.server
async def test_a_bucket_that_is_away_harms_its_clips_alone(
    seaweedfs: SeaweedFS, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """They are neither lost nor changed by it; what is stored here is read and looked at."""
    place = Place(f"s3://{seaweedfs.new_bucket()}", None)
    uri = place.put("one.wav", LONG)
    own = quick(settings_for("sqlite", tmp_path, request), max_audio_bytes=2**24)
    changes = {"reference_urls": place.allowed, "audio_store_seconds": 1.0}
    async with proxy(seaweedfs.port) as way:
        with variables(seaweedfs.environment(port=way.port)):
            async with serving(own.model_copy(update=changes)) as catalog:
                library = await catalog.library()
                clip = await referring(catalog, library, uri)
                stored, damaged = await catalog.clip(library, b"1"), await catalog.clip(library)
                await way.cut()
                for _ in range(2):
                    async with refused(Reason.CATALOG_UNAVAILABLE):
                        await catalog.audio(clip.name)
                flip(file_of(catalog, damaged))
                await becomes(lambda: condition(catalog, damaged), CHANGED)
                assert (await catalog.audio(stored.name))[1] == b"1"
                assert await health(catalog) == SERVING
                assert await condition(catalog, clip) == GOOD
                await way.start()
                assert (await catalog.audio(clip.name))[1] == LONG


@pytest.fixture(params=BACKENDS)
async def two(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Catalog, Path]]:
    """A catalog on each database, and the folder that its clips may refer to."""
    settings = unlooked(settings_for(request.param, tmp_path / "own", request))
    (tmp_path / "there").mkdir()
    changes = {"reference_urls": (tmp_path / "there").as_uri()}
    async with serving(settings.model_copy(update=changes)) as catalog:
        yield catalog, tmp_path / "there"


async def test_the_quota_of_bytes_counts_what_is_stored_here(two: tuple[Catalog, Path]) -> None:
    """Clips by reference count as clips alone. The trash and back leaves them as they were."""
    catalog, there = two
    library = await catalog.library()

    async def create(name: str) -> Clip:
        (there / name).write_bytes(LONG + name.encode())
        made = await catalog.stubs.clips.CreateClip(
            clip_pb2.CreateClipRequest(
                parent=library.name,
                clip=Clip(uri=(there / name).as_uri()),
                quota=clip_pb2.Quota(owner="key", max_clips=2, max_bytes=10),
            )
        )
        await refer(catalog, made.name)
        return await catalog.activate(made.name)

    clips = [await create("1"), await create("2")]
    async with refused(Reason.QUOTA_EXCEEDED, quota="clips"):
        await create("3")
    owned = await catalog.stubs.clips.CountOwned(clip_pb2.CountOwnedRequest(owners=["key"]))
    assert (owned.usages["key"].clip_count, owned.usages["key"].size_bytes) == (2, 0)
    await catalog.stubs.clips.TrashClip(clip_pb2.TrashClipRequest(name=clips[0].name))
    back = await catalog.stubs.clips.RestoreClip(clip_pb2.RestoreClipRequest(name=clips[0].name))
    assert back.uri == clips[0].uri
    assert (await catalog.activate(back.name)).uri == clips[0].uri
    assert (await catalog.audio(back.name))[1] == LONG + b"1"
