"""Clips by reference through a whole stack: audio in a real S3 server that is only ever read."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip, GetPeaksRequest, ListClipsRequest
from audiosearch_cli.problems import SOME_FAILED
from audiosearch_client import Client
from obstore.store import from_url

from serving.errors import Reason, ServiceError
from tests.end_to_end.command_line import AUDIOSEARCH, run
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
                "AUDIOSEARCH_REFERENCE_URLS": f"{url}/a, {url}/b, {url}/c",
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


@contextmanager
def watching(stack: Running, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A command that watches until Ctrl-C, after which its code must be 130."""
    watch = [AUDIOSEARCH, "import", *arguments, "--watch", "--json"]
    command = subprocess.Popen(
        ["/usr/bin/env", "--default-signal=INT", *map(str, watch)],
        env={**os.environ, **addressed(stack)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield command
        command.send_signal(signal.SIGINT)
        command.communicate(timeout=60)
        assert command.returncode == 130
    finally:
        command.kill()
        command.communicate()


def imported(command: subprocess.Popen[str]) -> str:
    """The number of clips that the next round of a watch has imported."""
    assert command.stdout
    count: str = json.loads(command.stdout.readline())["progress"]["imported"]
    return count


@pytest.mark.server
def test_a_part_of_a_bucket_is_tried_described_and_watched(
    stack: Running, bucket: Bucket, tmp_path: Path
) -> None:
    """The listing tells what would be imported, a manifest what it is, a watch what is new."""
    environment, place = addressed(stack), f"{bucket.url}/c"
    one, two, three = (short(tmp_path, number) for number in range(3))
    for path in (one, two):
        bucket.put(path, "c/deep")
    imports = ("import", "--library", "c", "--reference", place)
    tried = json.loads(run(*imports, "--dry-run", "--json", **environment).stdout)
    total = one.stat().st_size + two.stat().st_size
    assert (tried["files"], tried["fit"], tried["sizeBytes"]) == (2, 2, total)
    listed = tmp_path / "clips.csv"
    listed.write_text(
        "path,label,display_name,metadata.take\n"
        f"deep/{one.name},near,First,1\n"
        f"{place}/deep/{two.name},far,,2\n"
        "deep,,,\n"
        f"{bucket.url}/elsewhere/x.wav,,,\n"
    )
    described = (*imports, "--manifest", listed)
    tried = json.loads(run(*described, "--dry-run", "--json", **environment).stdout)
    assert (tried["fit"], tried["unfit"], tried["labels"]) == (2, 2, {"near": 1, "far": 1})
    told = run(*described, code=SOME_FAILED, **environment).stdout
    assert "2 imported" in told
    assert "deep: PATH_NOT_FOUND" in told
    assert "x.wav: PATH_NOT_ALLOWED" in told
    assert "2 there already" in run(*described, code=SOME_FAILED, **environment).stdout
    clips = {clip.uri: clip for clip in stack.client.clips("c", ListClipsRequest())}
    first, second = (clips[f"{place}/deep/{path.name}"] for path in (one, two))
    assert (first.display_name, first.label, first.metadata["take"]) == ("First", "near", "1")
    assert (second.display_name, second.label) == (two.name, "far")
    with watching(stack, *imports[1:]) as command:
        assert imported(command) == "0"
        bucket.put(three, "c")
        assert imported(command) == "1"


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


def test_a_folder_by_reference_is_tried_described_and_watched(tmp_path: Path) -> None:
    """Also for a library that is not there yet, which a trial does not make."""
    there = tmp_path / "there"
    there.mkdir()
    with start(tmp_path, AUDIOSEARCH_REFERENCE_URLS=there.as_uri()) as stack:
        environment = addressed(stack)
        imports = ("import", "--library", "new", "--reference", there)
        assert "0 files" in run(*imports, "--dry-run", **environment).stdout
        one, two = (short(there, number) for number in range(2))
        beside = there / "a b+c.wav"
        one.rename(beside)
        told = run(*imports, "--dry-run", **environment).stdout
        assert "2 files" in told
        assert "new" not in run("library", "list", **environment).stdout
        listed = tmp_path / "clips.jsonl"
        listed.write_text(json.dumps({"path": beside.name, "speaker": "Ann"}) + "\n")
        assert "1 imported" in run(*imports, "--manifest", listed, **environment).stdout
        (clip,) = stack.client.clips("new", ListClipsRequest())
        assert (clip.uri, clip.speaker) == (beside.as_uri(), "Ann")
        with watching(stack, *imports[1:]) as command:
            assert imported(command) == "1"
            short(there, 3)
            assert imported(command) == "1"
        uris = {clip.uri for clip in stack.client.clips("new", ListClipsRequest())}
        assert {beside.as_uri(), two.as_uri()} < uris


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--watch", "--manifest", "m.csv"], "without --manifest"),
        (["--manifest", "m.csv", "--layout", "fsdd"], "names the clips itself"),
        (["--layout", "none"], "is none of"),
        (["--from", "server"], "the server lists the place"),
        (["somewhere"], "the server lists the place"),
    ],
)
def test_options_that_make_no_sense_by_reference_are_code_2(
    tmp_path: Path, arguments: list[str], told: str
) -> None:
    """Each is told in a sentence, before any gateway is asked."""
    (tmp_path / "m.csv").write_text("path\none.wav\n")
    imports = ("import", "--library", "x", "--reference", "s3://far/away")
    said = run(*imports, *arguments, code=2, cwd=tmp_path).stderr
    assert told in " ".join(said.replace("│", " ").split())
