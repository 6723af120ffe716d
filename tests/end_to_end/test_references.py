"""Clips by reference through a whole stack: audio in a real S3 server that is only ever read."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip, GetPeaksRequest, ListClipsRequest
from audiosearch_cli.problems import SOME_FAILED
from audiosearch_client import Client
from obstore.store import from_url

from serving.errors import Reason, ServiceError
from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import Running, start
from tests.end_to_end.indexed import long, short
from tests.end_to_end.test_backup import addressed
from tools.servers.catalog import StoredObject, objects
from tools.servers.seaweedfs import running, variables


@dataclass(frozen=True)
class Bucket:
    """A bucket of a real S3 server, and the settings of a stack that may refer to it."""

    url: str
    settings: dict[str, str]

    def put(self, path: Path, folder: str) -> str:
        """Writes an object, and returns its URI."""
        store = from_url(self.url, client_options={"allow_http": True})
        StoredObject(store, f"{folder}/{path.name}").write_bytes(path.read_bytes())
        return f"{self.url}/{folder}/{path.name}"

    def remove(self, uri: str) -> None:
        """Removes an object."""
        (found,) = [each for each in objects(self.url) if uri.endswith(f"/{each}")]
        found.unlink()


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    """An empty bucket."""
    with running() as server:
        url, keys = f"s3://{server.new_bucket()}", server.environment()
        with variables(keys):
            changes = {
                "AUDIOSEARCH_REFERENCE_URLS": f"{url}/a, {url}/b",
                "AUDIOSEARCH_AUDIO_LOOK_SECONDS": "1",
                "AUDIOSEARCH_MODELS": "voices,sounds",
                "AUDIOSEARCH_ENCODER_PRECISION": "fp32",
            }
            yield Bucket(url, {**keys, **changes})


@pytest.fixture(scope="module")
def stack(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack that may refer to it."""
    with start(tmp_path_factory.mktemp("one"), **bucket.settings) as started:
        yield started


def take_in(
    stack: Running, bucket: Bucket, folder: Path, place: str
) -> tuple[list[Path], list[Clip]]:
    """Imports three recordings by reference. Returns their files, and the clips beside them."""
    files = [short(folder, 0), short(folder, 1), long(folder, 2)]
    uris = [bucket.put(path, place) for path in files]
    imports = (
        "import",
        "--library",
        place,
        "--reference",
        f"{bucket.url}/{place}",
        "--label",
        "far",
    )
    assert "3 imported" in run(*imports, **addressed(stack)).stdout
    assert "3 there already" in run(*imports, **addressed(stack)).stdout
    clips = {clip.uri: clip for clip in stack.client.clips(place, ListClipsRequest())}
    assert set(clips) == set(uris)
    return files, [clips[uri] for uri in uris]


def heard(stack: Running, clip: Clip) -> bytes:
    """The audio of a clip."""
    file = io.BytesIO()
    stack.client.download(clip.name, file)
    return file.getvalue()


def best(stack: Running, library: str, path: Path) -> str:
    """The name of the clip that is most like a file."""
    return stack.client.search(library, path, k=1).matches[0].clip.name


@pytest.mark.server
def test_a_collection_stays_in_its_bucket(
    stack: Running, bucket: Bucket, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its clips are found, played, embedded by another model, and backed up as references."""
    client, environment = stack.client, addressed(stack)
    files, clips = take_in(stack, bucket, tmp_path, "a")
    for path, clip in zip(files, clips, strict=True):
        assert (clip.display_name, clip.label) == (path.name, "far")
        assert best(stack, "a", path) == clip.name
        assert heard(stack, clip) == path.read_bytes()
        request = GetPeaksRequest(name=clip.name)
        assert client.call(client.stubs.clips.GetPeaks, request).values
        assert client.upload("a", path).clip.name == clip.name
    played = httpx.get(
        f"{stack.stack.web}v1/{clips[0].name}/audio", headers={"range": "bytes=40-99"}
    )
    assert (played.status_code, played.content) == (206, files[0].read_bytes()[40:100])
    assert clips[0].uri in run("clip", "show", clips[0].name, **environment).stdout
    run("library", "migrate", "a", "--for", "sounds", **environment)
    assert best(stack, "a", files[1]) == clips[1].name
    backup = tmp_path / "backup"
    made = run("backup", "create", backup, "--json", **environment)
    assert json.loads(made.stdout)["clips"] == 0
    run("backup", "verify", backup)
    with start(tmp_path_factory.mktemp("two"), **bucket.settings) as other:
        run("backup", "restore", backup, **addressed(other))
        back = {clip.name: clip.uri for clip in other.client.clips("a", ListClipsRequest())}
        assert back == {clip.name: clip.uri for clip in clips}
        assert heard(other, clips[2]) == files[2].read_bytes()
        assert best(other, "a", files[2]) == clips[2].name


@pytest.mark.server
def test_what_others_change_is_told_and_what_is_deleted_here_stays_there(
    stack: Running, bucket: Bucket, tmp_path: Path
) -> None:
    """To readers and by the check. No deletion touches an object."""
    environment = addressed(stack)
    files, (changed, gone, well) = take_in(stack, bucket, tmp_path, "b")
    files[0].write_bytes(files[1].read_bytes())
    bucket.put(files[0], "b")
    bucket.remove(gone.uri)
    for clip, reason in ((changed, Reason.AUDIO_CHANGED), (gone, Reason.AUDIO_MISSING)):
        with pytest.raises(ServiceError) as raised:
            heard(stack, clip)
        assert raised.value.reason is reason
    told = run("check", code=1, **environment).stdout
    for words in ("1 clips is damaged or changed", "1 clips is missing", "2 of these clips refer"):
        assert words in told
    assert changed.name in told
    before = objects(bucket.url)
    run("clip", "delete", well.name, "--permanent", "--yes", **environment)
    run("library", "delete", "b", "--force", **environment)
    assert objects(bucket.url) == before
    run("check", **environment)


def test_one_clip_by_reference_by_every_way_in(tmp_path: Path) -> None:
    """Of a folder, by gRPC, REST, Python and the command line; each refusal says what to do."""
    there, beside = tmp_path / "there", tmp_path / "beside"
    there.mkdir()
    beside.mkdir()
    one, two, three = (short(there, number) for number in range(3))
    (there / "no audio.wav").write_bytes(b"nothing to hear" * 100)
    with start(tmp_path, AUDIOSEARCH_REFERENCE_URLS=there.as_uri()) as stack:
        client, library = stack.client, stack.library()
        rest = f"{stack.stack.web}v1/libraries/{library}/clips"
        with Client(stack.stack.target) as plain:
            clip = plain.clips.refer(library, one.as_uri(), label="python")
            assert (clip.uri, clip.name, clip.label) == (one.as_uri(), one.name, "python")
        answer = httpx.post(rest, params={"uri": two.as_uri(), "label": "rest"}, timeout=60)
        assert (answer.status_code, answer.json()["clip"]["uri"]) == (200, two.as_uri())
        (page,) = [httpx.get(f"{rest}:listReferences", params={"uri": there.as_uri()}, timeout=60)]
        assert len(page.json()["references"]) == 4
        refusals = {
            short(beside, 0).as_uri(): Reason.PATH_NOT_ALLOWED,
            (there / "nothing.wav").as_uri(): Reason.PATH_NOT_FOUND,
            (there / "no audio.wav").as_uri(): Reason.AUDIO_UNDECODABLE,
            "http://localhost/a.wav": Reason.FIELD_INVALID,
        }
        for uri, reason in refusals.items():
            with pytest.raises(ServiceError) as raised:
                client.refer(library, uri)
            assert raised.value.reason is reason, raised.value
        both = httpx.post(rest, params={"uri": three.as_uri()}, content=b"bytes", timeout=60)
        assert both.status_code == 400
        names = [client.refer(library, one.as_uri(), request_id="once").clip.name for _ in "12"]
        assert names[0] == names[1]
        environment = addressed(stack)
        told = run(
            "import", "--library", library, "--reference", there, code=SOME_FAILED, **environment
        ).stdout
        assert "1 imported" in told
        assert "2 there already, 1 failed" in told
        beside_it = run(
            "import", "--library", "new", "--reference", beside, code=1, **environment
        ).stderr
        assert "AUDIOSEARCH_REFERENCE_URLS" in beside_it
        assert "new" not in run("library", "list", **environment).stdout
        (there / "new").mkdir()
        grown = short(there / "new", 7)
        assert (
            "1 imported"
            in run("import", "--library", library, "--reference", grown, **environment).stdout
        )
