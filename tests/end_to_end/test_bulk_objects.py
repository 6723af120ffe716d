"""A bulk import from a bucket of a real S3 server, beside the import of the same files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import obstore
import pytest
from audiosearch.catalog.v1.clip_pb2 import ListClipsRequest
from obstore.store import from_url

from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import start
from tests.end_to_end.indexed import Indexed, long, opened, short
from tests.end_to_end.test_bulk import SETTINGS, run_bulk, settings_for, vectors
from tools.servers.seaweedfs import STRANGER, STRANGER_SECRET, SeaweedFS, running, variables

NAMES = ("0_anna_1.wav", "1_anna_2.wav", "2_bob_3.wav", "3_bob_4.wav", "4_carl_5.wav")
CHANGED, GONE = NAMES[3:]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    """A stack of its own, so that Ray runs beside the other tests."""
    with start(tmp_path_factory.mktemp("objects"), **SETTINGS) as made, opened(made) as indexed:
        yield indexed


@pytest.fixture(scope="module")
def server() -> Iterator[SeaweedFS]:
    """A real S3 server."""
    with running() as made:
        yield made


def described(indexed: Indexed, library: str) -> list[tuple[Any, ...]]:
    """All that is told of the clips of a library, but their ids, times and sources."""
    return sorted(
        (
            clip.display_name,
            clip.label,
            clip.speaker,
            sorted(clip.metadata.items()),
            clip.audio_object.sha256,
            clip.audio.SerializeToString(deterministic=True),
        )
        for clip in indexed.clips(library).values()
    )


def answers(indexed: Indexed, library: str) -> dict[str, dict[str, float]]:
    """The answers of a library to each of its clips, by names of clips."""
    listed = list(indexed.client.clips(library, ListClipsRequest()))
    found = {}
    for clip in listed:
        answer = indexed.client.search_by_clip(library, clip.name, k=10)
        scores = {match.clip.display_name: match.score for match in answer.matches}
        found[clip.display_name] = scores
    return found


def compare(indexed: Indexed, library: str, wanted: str) -> None:
    """Two libraries have the same clips, vectors and answers."""
    assert described(indexed, library) == described(indexed, wanted)
    one, other = vectors(indexed, library), vectors(indexed, wanted)
    assert one.keys() == other.keys()
    assert min(np.dot(values, other[key]) for key, values in one.items()) > 0.99999
    found = answers(indexed, library)
    for name, scores in answers(indexed, wanted).items():
        assert found.pop(name) == pytest.approx(scores, abs=1e-5)
    assert not found


@pytest.mark.timeout(900)
def test_a_bucket_is_imported_as_a_folder(
    indexed: Indexed, server: SeaweedFS, tmp_path: Path
) -> None:
    """The same clips and answers, through a key that is refused, and objects that change or go."""
    audio = tmp_path / "audio"
    (audio / "recordings").mkdir(parents=True)
    made = [short(tmp_path, 0), short(tmp_path, 1), long(tmp_path, 0)]
    for path, name in zip([*made, short(tmp_path, 2), short(tmp_path, 3)], NAMES, strict=True):
        shutil.move(path, audio / "recordings" / name)
    settings = {**settings_for(indexed, tmp_path), **server.environment()}
    with variables(server.environment()):
        bucket = from_url(f"s3://{server.new_bucket()}", client_options={"allow_http": True})
    for path in (audio / "recordings").iterdir():
        obstore.put(bucket, f"voices/recordings/{path.name}", path)
    url = "s3://bucket-1/voices"

    def bulk(*arguments: object, code: int = 0) -> dict[str, Any]:
        return json.loads(run_bulk(settings, *arguments, "--json", code=code).stdout)

    def load(folder: Path, library: str, code: int = 0) -> list[int]:
        told = bulk("load", folder, "--library", library, code=code)
        return [told[key] for key in ("created", "existing", "before", "unfit", "failed")]

    ours = tmp_path / "ours"
    planned = bulk("plan", ours, url, "--layout", "fsdd", "--shard-files", 2)
    assert (planned["file_count"], planned["new"], planned["root"]) == (5, True, url)
    assert not bulk("plan", ours, url, "--layout", "fsdd", "--shard-files", 2)["new"]

    stranger = {**settings, **server.environment(STRANGER, STRANGER_SECRET)}
    refused = run_bulk(stranger, "embed", ours, code=1)
    assert "RIGHT_MISSING" in refused.stderr
    assert "AWS_ACCESS_KEY_ID" in refused.stderr
    key = "voices/recordings/"
    kept = {name: bytes(obstore.get(bucket, key + name).bytes()) for name in (CHANGED, GONE)}
    obstore.put(bucket, key + CHANGED, kept[GONE])
    obstore.delete(bucket, key + GONE)
    embedded = bulk("embed", ours, code=3)
    assert (embedded["done"], embedded["failed"], embedded["before"]) == (3, 2, 0)
    reasons = {each["path"]: each["reason"] for each in embedded["failures"]}
    wanted = {CHANGED: "FILE_CHANGED", GONE: "PATH_NOT_FOUND"}
    assert reasons == {f"recordings/{name}": reason for name, reason in wanted.items()}
    for name, content in kept.items():
        obstore.put(bucket, key + name, content)
    again = bulk("embed", ours, "--retry-failed")
    assert (again["done"], again["failed"]) == (5, 0)

    refused = run_bulk(stranger, "load", ours, "--library", "ours", code=1)
    assert "RIGHT_MISSING" in refused.stderr
    obstore.delete(bucket, key + NAMES[0])
    assert load(ours, "ours", code=3) == [4, 0, 0, 0, 1]
    obstore.put(bucket, key + NAMES[0], audio / "recordings" / NAMES[0])
    assert load(ours, "ours") == [1, 1, 3, 0, 0]
    assert load(ours, "ours") == [0, 0, 5, 0, 0]

    target = indexed.running.stack.target
    run("import", "--library", "theirs", audio, "--layout", "fsdd", "--target", target)
    compare(indexed, "ours", "theirs")
    clips = indexed.clips("ours").values()
    assert {clip.speaker for clip in clips} == {"anna", "bob", "carl"}
    assert {clip.source for clip in clips} == {f"recordings/{name}" for name in NAMES}
    assert indexed.differences("ours") == []
