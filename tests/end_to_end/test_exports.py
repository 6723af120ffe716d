"""A library as a folder of Parquet files and audio, and a library made of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip, ListClipsRequest

from serving.errors import Reason
from tests.end_to_end.command_line import run
from tests.end_to_end.conftest import Running
from tests.end_to_end.indexed import long, short
from tests.vowels import record

QUERY = 20


def addressed(running: Running) -> dict[str, str]:
    """The addresses of a stack, in the environment of a command."""
    target = running.stack.addresses.target
    return {
        f"AUDIOSEARCH_{service.upper()}_TARGET": target(service)
        for service in ("catalog", "index", "embedding")
    }


def fill(running: Running, folder: Path) -> str:
    """Makes a library of short and long clips, one of them an enrollment; its short name."""
    name = running.library()
    for number in range(4):
        clip = Clip(label=f"l{number % 2}", metadata={"take": str(number)}, channel=number % 2)
        running.client.upload(name, short(folder, number), clip)
    running.client.upload(name, long(folder, 0), Clip(speaker="nobody"))
    running.client.speakers.enroll(name, "anna", [record(folder, 1, 0, seconds=4.0)])
    return name


def answers(running: Running, library: str, folder: Path) -> list[dict[str, Any]]:
    """The answers of a library to new sounds and to parts of its own, by the names of clips.

    Each query is embedded anew, and in bf16 with other company each time.
    """
    queries = [short(folder, QUERY), long(folder, 0), short(folder, 2)]
    found = [running.client.search(library, query, k=10).matches for query in queries]
    return [
        {
            match.clip.display_name: (pytest.approx(match.score, abs=0.005), len(match.segments))
            for match in matches
        }
        for matches in found
    ]


def clips(running: Running, library: str) -> list[tuple[Any, ...]]:
    """All that an import has to keep of the clips of a library."""
    return sorted(
        (
            *(clip.display_name, clip.label, clip.speaker, clip.metadata.get("take"), clip.channel),
            *(clip.audio_object.sha256, clip.window_count, clip.audio.SerializeToString()),
        )
        for clip in running.client.clips(library, ListClipsRequest())
    )


def export(running: Running, library: str, folder: Path, *options: str) -> dict[str, Any]:
    """Exports a library; the counts."""
    done = run("library", "export", library, folder, "--json", *options, **addressed(running))
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def bring(running: Running, folder: Path, library: str, code: int = 0) -> Any:
    """Imports an export; the counts, or the error."""
    done = run(
        *("library", "import", folder, "--library", library, "--json"),
        code=code,
        **addressed(running),
    )
    return done.stderr if code else json.loads(done.stdout)


def test_an_import_answers_as_the_library_that_was_exported(
    shared: Running, tmp_path: Path
) -> None:
    """Nothing is embedded, and a second import changes nothing."""
    name = fill(shared, tmp_path)
    told = export(shared, name, tmp_path / "out", "--audio")
    assert (told["clips"], told["unfit"], told["shards"]) == (6, 0, 1)
    moved = tmp_path / "moved"
    shutil.move(tmp_path / "out", moved)
    other = f"{name}-again"
    assert bring(shared, moved, other)["created"] == 6
    assert clips(shared, other) == clips(shared, name)
    assert answers(shared, other, tmp_path) == answers(shared, name, tmp_path)
    again = bring(shared, moved, other)
    assert (again["created"], again["before"]) == (0, 6)
    shutil.rmtree(moved / "loaded")
    refusal = bring(shared, moved, other, code=1)
    assert Reason.LIBRARY_EXISTS.value in refusal
    assert "another one as --library" in refusal


def test_an_export_is_read_by_other_programs(shared: Running, tmp_path: Path) -> None:
    """Without audio, which an import asks for in words."""
    name = fill(shared, tmp_path)
    export(shared, name, tmp_path / "out")
    (path,) = (tmp_path / "out" / "vectors").rglob("*.parquet")
    rows = pq.read_table(path).to_pylist()
    assert {row["label"] for row in rows} == {"l0", "l1", ""}
    assert [row["enrolled_speaker"] for row in rows if row["enrolled_speaker"]] == ["anna"]
    for row in rows:
        assert len(row["windows"]) == len(row["starts_ns"]) * len(row["whole"])
    assert sorted(len(row["starts_ns"]) > 1 for row in rows) == [False] * 5 + [True]
    assert not (tmp_path / "out" / "audio").exists()
    assert "--audio" in bring(shared, tmp_path / "out", "nothing", code=1)
    there = run("library", "export", name, tmp_path / "out", code=1, **addressed(shared))
    assert "is there already" in there.stderr


def test_an_import_is_shown_once_it_is_whole(shared: Running, tmp_path: Path) -> None:
    """A part of an export makes no library that looks like the whole."""
    name = fill(shared, tmp_path)
    export(shared, name, tmp_path / "out", "--audio")
    (path,) = (tmp_path / "out" / "vectors").rglob("*.parquet")
    plan = json.loads((tmp_path / "out" / "plan.json").read_text())
    other = f"{name}-again"

    def listed() -> bool:
        target = shared.stack.target
        return other in run("library", "list", AUDIOSEARCH_TARGET=target).stdout

    (tmp_path / "out" / "plan.json").write_text(json.dumps({**plan, "shard_count": 2}))
    assert "take another copy of the export" in bring(shared, tmp_path / "out", other, code=1)
    assert not listed()
    shutil.copy(path, path.with_name("000001.parquet"))
    assert bring(shared, tmp_path / "out", other)["before"] == 6
    assert listed()
    assert clips(shared, other) == clips(shared, name)


@pytest.mark.parametrize("harm", ["cut", "lost", "model"])
def test_an_export_that_is_not_whole_is_refused(shared: Running, tmp_path: Path, harm: str) -> None:
    """In words that say what to do; no library is left that looks like the whole."""
    name = shared.library()
    shared.client.upload(name, short(tmp_path, 0))
    export(shared, name, tmp_path / "out", "--audio")
    (path,) = (tmp_path / "out" / "vectors").rglob("*.parquet")
    wanted = Reason.SHARD_DAMAGED
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "lost":
        wanted = Reason.PATH_NOT_FOUND
        shutil.rmtree(path.parent)
    else:
        wanted = Reason.MODEL_NOT_FOUND
        path.parent.rename(path.parent.with_name("others-0123456789ab"))
    refusal = bring(shared, tmp_path / "out", f"{name}-again", code=1)
    assert wanted.value in refusal
    assert (
        f"{name}-again" not in run("library", "list", AUDIOSEARCH_TARGET=shared.stack.target).stdout
    )
