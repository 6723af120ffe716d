"""Plans and shards of a bulk import: what they hold, what is noticed, and what can't go wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from audiosearch.embedding.v1.embedding_pb2 import AudioProperties, Tag, WindowRule
from audiosearch_bulk import embedding, planning
from audiosearch_bulk.embedding import Embedded
from audiosearch_bulk.files import File, Reading, Vectors, rule_of, vector_table, vectors_of
from audiosearch_bulk.folder import Folder, Plan, open_table, read_batches, write_table
from audiosearch_client.corpora.sources import folder_source, manifest_source
from google.protobuf.duration_pb2 import Duration

from serving.errors import Reason, ServiceError

MODEL = "models/m-1"
RULE = WindowRule(window=Duration(seconds=3), hop=Duration(seconds=1, nanos=500_000_000))


def make(folder: Path, audio: Path, shard_files: int = 2) -> tuple[Plan, bool]:
    """Makes a plan of a folder of audio."""
    return planning.make(
        Folder(folder), folder_source(audio), lambda *_: None, shard_files=shard_files
    )


def vectors(windows: int) -> Vectors:
    """Vectors of two numbers of a recording of so many windows, the second of them silent."""
    starts = np.array([n for n in range(windows) if n != 1], np.int64) * 1_500_000_000
    values = np.arange(2 * len(starts), dtype=np.float32).reshape(-1, 2)
    audio = AudioProperties(duration=Duration(seconds=3 * windows), sample_rate=16_000)
    tags = [Tag(name="bell", score=0.5)]
    return Vectors("ab" * 32, starts, values, np.ones(2, np.float32), windows, audio, tags)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """Five files with the ending of audio."""
    folder = tmp_path / "audio"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.wav").write_bytes(bytes(number + 1))
    return folder


def test_a_plan_is_the_same_each_time_and_notices_what_is_new(tmp_path: Path, audio: Path) -> None:
    """It lists all files in order; another one needs another folder."""
    first, new = make(tmp_path / "a", audio)
    assert (new, first.file_count, first.shard_count, first.size_bytes) == (True, 5, 3, 15)
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*"))
    assert make(tmp_path / "a", audio) == (first, False)
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*")) == before
    assert make(tmp_path / "b", audio) == (first, True)
    (audio / "5.wav").write_bytes(b"1")
    with pytest.raises(ServiceError) as refused:
        make(tmp_path / "a", audio)
    assert refused.value.reason is Reason.STATE_CONFLICT


def test_a_plan_that_was_cut_off_is_none(tmp_path: Path, audio: Path) -> None:
    """The plan is written last, and whole."""
    make(tmp_path / "a", audio)
    plan = tmp_path / "a" / "plan.json"
    plan.write_bytes(plan.read_bytes()[:20])
    with pytest.raises(ServiceError) as damaged:
        Folder(tmp_path / "a").plan()
    assert damaged.value.reason is Reason.SHARD_DAMAGED
    plan.unlink()
    assert make(tmp_path / "a", audio)[1]


def test_a_manifest_gives_its_fields_and_its_failures(tmp_path: Path, audio: Path) -> None:
    """A file that is not there is a failure in its place, and harms no other."""
    listed = audio / "list.csv"
    listed.write_text("path,speaker,metadata.take\n0.wav,anna,7\ngone.wav,bob,\n")
    folder = Folder(tmp_path / "a")
    planning.make(folder, manifest_source(listed, "said"), lambda *_: None)
    (batch,) = read_batches(folder.shard(0), 10, "")
    here, gone = embedding.files_of(batch)
    assert (here.path, here.speaker, here.label, here.size_bytes) == ("0.wav", "anna", "said", 1)
    assert here.metadata == {"path": "0.wav", "take": "7"}
    assert (gone.path, gone.reason) == ("gone.wav", "PATH_NOT_FOUND")


def test_vectors_come_back_as_they_were(tmp_path: Path) -> None:
    """Also those of a recording without a window, and the failure of a file."""
    given = [vectors(1), vectors(4), None]
    files = [File("a.wav"), File("b.wav", metadata={"k": "v"}), File("c.wav", reason="INTERNAL")]
    path = tmp_path / "x.parquet"
    write_table(path, vector_table(list(zip(files, given, strict=True)), "p", MODEL, RULE))
    with open_table(path, "") as table:
        assert rule_of(table.schema_arrow) == RULE
    rows = [row for batch in read_batches(path, 2, "") for row in vectors_of(batch)]
    assert [file for file, _ in rows] == files
    for (_, got), wanted in zip(rows, given, strict=True):
        if wanted is None:
            assert got is None
            continue
        answers = list(got.answers(MODEL))
        assert answers == list(wanted.answers(MODEL))
        again = Vectors.of(got.sha256, answers)
        assert again.windows.tolist() == wanted.windows.tolist()
        assert again.window_count == wanted.window_count


@pytest.mark.parametrize("keep", [0, 100, -4])
def test_a_shard_that_is_cut_off_is_told_and_made_again(
    tmp_path: Path, audio: Path, keep: int
) -> None:
    """A file that is there counts as done only if it can be read, and is of this plan."""
    folder = Folder(tmp_path / "a")
    plan, _ = make(folder.path, audio)
    for number in range(plan.shard_count):
        rows = [(File(f"{number}.wav"), vectors(2)), (File("x.wav", reason="INTERNAL"), None)]
        write_table(folder.vectors(MODEL, number), vector_table(rows, plan.id, MODEL, RULE))
    path = folder.vectors(MODEL, 1)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ServiceError) as damaged:
        list(read_batches(path, 10, "what to do"))
    assert damaged.value.reason is Reason.SHARD_DAMAGED
    outcome = Embedded(MODEL, 0)
    there = [embedding._there(folder, plan, MODEL, n, outcome, again=False) for n in range(3)]
    assert there == [True, False, True]
    assert (outcome.done, outcome.failed, path.exists()) == (2, 2, False)
    assert not embedding._there(folder, plan, MODEL, 0, outcome, again=True)


async def test_a_file_that_changed_is_no_longer_the_one_of_the_plan(audio: Path) -> None:
    """By size and time before its vectors are made, by its hash after that."""
    path = audio / "4.wav"
    found = path.stat()
    file = File(path.name, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
    reading = Reading(audio, file)
    assert b"".join([chunk async for chunk in reading]) == bytes(5)
    path.write_bytes(b"other")
    for sha256 in ("", reading.sha256):
        with pytest.raises(ServiceError) as changed:
            [chunk async for chunk in Reading(audio, file, sha256)]
        assert changed.value.reason is Reason.FILE_CHANGED
    path.unlink()
    with pytest.raises(ServiceError) as gone:
        [chunk async for chunk in Reading(audio, file)]
    assert gone.value.reason is Reason.PATH_NOT_FOUND


def test_a_shard_at_which_workers_die_ends_the_run(tmp_path: Path) -> None:
    """It is begun a few times, and not for ever."""
    tries = tmp_path / "vectors" / ".000007.parquet.tries"
    for _ in range(embedding.TRIES):
        embedding._begin(tries)
    with pytest.raises(ServiceError, match="000007"):
        embedding._begin(tries)
