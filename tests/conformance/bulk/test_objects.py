"""Plans of objects in a real S3 server, beside plans of the same files in a folder."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import obstore
import pytest
from audiosearch_bulk import embedding, files, listing, objects, planning
from audiosearch_bulk.files import File, Reading
from audiosearch_bulk.folder import Folder, Plan, read_batches
from audiosearch_client.corpora.entry import Source
from audiosearch_client.corpora.sources import corpus_source, folder_source, manifest_source
from obstore.store import LocalStore, S3Store, from_url

from serving.errors import Reason, ServiceError
from serving.objects.urls import split
from tools.servers.ports import free_ports
from tools.servers.seaweedfs import KEY, STRANGER, STRANGER_SECRET, SeaweedFS, running, variables

pytestmark = pytest.mark.server
FILES = {
    "recordings/0_anna_1.wav": b"one",
    "recordings/1_bob é#%41+ ?_2.wav": b"two",
    "recordings/2_bob_3.WAV": b"",
    "recordings/deep/er/no name of the corpus.flac": b"three",
    "recordings/flac without ending": b"fLaC and more",
    "recordings/notes.txt": b"words",
    "recordings/nothing": b"",
    "recordings/.hidden.wav": b"hidden",
    "__MACOSX/0_anna_1.wav": b"hidden",
}
AUDIO = 5


@pytest.fixture(scope="module")
def server() -> Iterator[SeaweedFS]:
    """A server with a bucket for each test."""
    with running() as made, asked(made.environment()):
        yield made


@contextlib.contextmanager
def asked(environment: Mapping[str, str]) -> Iterator[None]:
    """A block that asks by other variables."""
    objects._bucket.cache_clear()
    with variables(environment):
        yield
    objects._bucket.cache_clear()


def bucket(url: str) -> S3Store:
    """A bucket, to write into."""
    store = from_url(split(url)[0], client_options={"allow_http": True})
    assert isinstance(store, S3Store)
    return store


@pytest.fixture
def prefix(server: SeaweedFS, tmp_path: Path) -> str:
    """The URL of a prefix with the files, which are in the folder `local`, too."""
    url = f"s3://{server.new_bucket()}/some where"
    local = LocalStore(tmp_path / "local", mkdir=True)
    for name, content in FILES.items():
        obstore.put(local, name, content)
        obstore.put(bucket(url), f"some where/{name}", content)
    obstore.put(bucket(url), "some where else/0_anna_9.wav", b"elsewhere")
    return url


def make(
    folder: Path, source: Source | listing.Prefix, shard_files: int = 1000
) -> tuple[Plan, bool]:
    """Makes a plan."""
    return planning.make(Folder(folder), source, lambda *_: None, shard_files=shard_files)


def planned(folder: Path, source: Source | listing.Prefix) -> dict[str, File]:
    """The files of a plan, by their paths."""
    plan, _ = make(folder, source, 2)
    shards = (Folder(folder).shard(number) for number in range(plan.shard_count))
    batches = (batch for shard in shards for batch in read_batches(shard, 10, ""))
    return {file.path: file for batch in batches for file in files.files_of(batch)}


def alike(found: dict[str, File]) -> dict[str, dict[str, object]]:
    """All that folders and prefixes have in common."""
    own = {"mtime_ns", "etag"}
    return {
        path: {name: value for name, value in vars(file).items() if name not in own}
        for path, file in found.items()
    }


@pytest.mark.parametrize("layout", ["", "fsdd"])
def test_a_prefix_is_planned_as_a_folder(
    prefix: str, tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same files, labels, speakers and failures; and the same plan each time, page by page."""
    local = tmp_path / "local"
    theirs = corpus_source(local, layout, "x") if layout else folder_source(local, "x")
    monkeypatch.setattr(objects, "PAGE", 2)
    ours = listing.prefix_source(prefix + "/", layout, "x")
    found = planned(tmp_path / "a", ours)
    assert len(found) == AUDIO
    assert alike(found) == alike(planned(tmp_path / "b", theirs))
    assert all(file.etag or file.reason for file in found.values())
    before, new = make(tmp_path / "a", ours, 2)
    assert (new, before.root) == (False, prefix)
    obstore.put(bucket(prefix), "some where/recordings/3_carl_1.wav", b"late")
    with pytest.raises(ServiceError) as other:
        make(tmp_path / "a", ours, 2)
    assert other.value.reason is Reason.STATE_CONFLICT


def test_the_list_of_a_corpus_is_read_from_the_bucket(server: SeaweedFS, tmp_path: Path) -> None:
    """Beside the prefix too; one that is damaged is told."""
    url = f"s3://{server.new_bucket()}"
    obstore.put(bucket(url), "esc/audio/1-100032-A-0.wav", b"bark")
    source = listing.prefix_source(f"{url}/esc/audio", "esc50")
    assert "esc50.csv" in source.notes[0]
    obstore.put(bucket(url), "esc/meta/esc50.csv", b"target,category\n0,dog\n")
    for root, path in (("esc/audio", "1-100032-A-0.wav"), ("esc", "audio/1-100032-A-0.wav")):
        found = planned(tmp_path / root, listing.prefix_source(f"{url}/{root}", "esc50"))
        assert [(file.path, file.label) for file in found.values()] == [(path, "dog")]
    obstore.put(bucket(url), "esc/meta/esc50.csv", b"target\n0\n")
    with pytest.raises(ServiceError) as damaged:
        listing.prefix_source(f"{url}/esc", "esc50")
    assert damaged.value.reason is Reason.FIELD_INVALID


def test_a_manifest_names_files_and_objects(prefix: str, tmp_path: Path) -> None:
    """An object that is not there is a failure in its place, and harms no other."""
    listed = tmp_path / "local" / "list.csv"
    url = f"{prefix}/recordings/0_anna_1.wav"
    lines = ["path,speaker", "recordings/0_anna_1.wav,a", f"{url},b", f"{prefix}/gone.wav,c"]
    listed.write_text("\n".join(lines))
    here, there, gone = planned(tmp_path / "a", manifest_source(listed, objects=True)).values()
    assert (here.size_bytes, there.size_bytes) == (3, 3)
    assert (there.display_name, there.speaker, there.path) == ("0_anna_1.wav", "b", url)
    assert (bool(here.etag), bool(there.etag), gone.reason) == (False, True, "PATH_NOT_FOUND")
    for wrong in (f"path\n{prefix}/\n", "path\ns3://bucket\n", "path\ns3://\n"):
        listed.write_text(wrong)
        with pytest.raises(ServiceError, match="line 2: path"):
            manifest_source(listed, objects=True)
    listed.write_text(f"path\n{url}\n")
    with pytest.raises(ServiceError, match="audiosearch bulk"):
        manifest_source(listed)


def reasons(folder: Path, url: str) -> tuple[Reason, Reason]:
    """The reasons why a prefix, and an object of a manifest, can't be planned."""
    listed = folder / "list.csv"
    listed.write_text(f"path\n{url}/recordings/0_anna_1.wav\n")
    found = []
    for source in (listing.prefix_source(url), manifest_source(listed, objects=True)):
        try:
            (file,) = planned(folder / "failed", source).values()
            found.append(Reason[file.reason])
        except ServiceError as error:
            found.append(error.reason)
    return found[0], found[1]


def test_stores_that_can_not_be_listed(server: SeaweedFS, prefix: str, tmp_path: Path) -> None:
    """Each has its reason. A plan is made only of what was seen to its end."""
    obstore.put(bucket(prefix), "words/a.txt", b"words")
    obstore.put(bucket(prefix), "words/.a.wav", b"audio")
    with pytest.raises(ServiceError, match=r"1 \.txt, 1 hidden") as empty:
        make(tmp_path / "a", listing.prefix_source(f"{split(prefix)[0]}/words"))
    assert empty.value.reason is Reason.PATH_NOT_FOUND
    for url in ("s3://", "s3:///x", "s3://a@b/c", "s3://a//b", "s3://a/b/../c"):
        with pytest.raises(ServiceError) as wrong:
            listing.prefix_source(url)
        assert wrong.value.reason is Reason.FIELD_INVALID
    nowhere = "s3://there-is-no-such-bucket/x"
    assert reasons(tmp_path, nowhere) == (Reason.PATH_NOT_FOUND, Reason.PATH_NOT_FOUND)
    gone = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_ports(1)[0]}"}
    cases = (
        (server.environment(KEY, "another"), (Reason.RIGHT_MISSING, Reason.RIGHT_MISSING)),
        (server.environment("nobody"), (Reason.RIGHT_MISSING, Reason.RIGHT_MISSING)),
        (
            server.environment(STRANGER, STRANGER_SECRET),
            (Reason.RIGHT_MISSING, Reason.PATH_NOT_ALLOWED),
        ),
        (gone, (Reason.OBJECT_STORE_UNAVAILABLE, Reason.OBJECT_STORE_UNAVAILABLE)),
    )
    for number, (environment, wanted) in enumerate(cases):
        (tmp_path / str(number)).mkdir()
        with asked(environment):
            assert reasons(tmp_path / str(number), prefix) == wanted
        assert not (tmp_path / str(number) / "failed" / "plan.json").exists() or number == 2
    with asked({"AZURE_STORAGE_ACCOUNT_NAME": ""}):
        assert reasons(tmp_path, "az://x")[0] is Reason.RIGHT_MISSING


async def test_an_object_that_changed_is_no_longer_the_one_of_the_plan(
    server: SeaweedFS, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By size and tag before its vectors are made, by its hash after that."""
    long = os.urandom(3 * files.CHUNK_BYTES + 1)
    obstore.put(bucket(prefix), "some where/long.wav", long)
    file = planned(tmp_path / "a", listing.prefix_source(prefix))["long.wav"]
    reading = Reading(prefix, file)
    chunks = [chunk async for chunk in reading]
    assert (b"".join(chunks), max(map(len, chunks))) == (long, files.CHUNK_BYTES)

    async def reason(sha256: str = "", root: str = prefix) -> Reason:
        with pytest.raises(ServiceError) as failed:
            [chunk async for chunk in Reading(root, file, sha256)]
        return failed.value.reason

    with asked(server.environment(STRANGER, STRANGER_SECRET)):
        assert await reason() is Reason.RIGHT_MISSING
    obstore.put(bucket(prefix), "some where/long.wav", long[::-1])
    assert await reason() is Reason.FILE_CHANGED
    assert await reason(reading.sha256) is Reason.FILE_CHANGED
    obstore.put(bucket(prefix), "some where/long.wav", long)
    again = [chunk async for chunk in Reading(prefix, file, reading.sha256)]
    assert b"".join(again) == long
    obstore.delete(bucket(prefix), "some where/long.wav")
    assert await reason() is Reason.PATH_NOT_FOUND
    assert await reason(reading.sha256) is Reason.PATH_NOT_FOUND

    monkeypatch.setattr(objects, "_SECONDS", 0.5)
    with asked({}):
        server.send(signal.SIGSTOP)
        try:
            assert await reason() is Reason.OBJECT_STORE_UNAVAILABLE
        finally:
            server.send(signal.SIGCONT)
    assert Reason.OBJECT_STORE_UNAVAILABLE in embedding._OF_NO_FILE
