"""Imports of corpora and manifests, as a user types them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audiosearch.catalog.v1 import clip_pb2, library_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch.catalog.v1.import_job_pb2 import FileFailure, ImportJob
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.sources import corpus_source
from audiosearch_client.uploading import Uploader

from serving.errors import Reason, ServiceError
from tests.end_to_end.command_line import AUDIOSEARCH, Run
from tests.end_to_end.command_line import run as run_command
from tests.end_to_end.conftest import Running

RATE = 16_000


@pytest.fixture
def run(shared: Running) -> Run:
    """Runs `audiosearch` with arguments against the shared stack."""
    return partial(run_command, AUDIOSEARCH_TARGET=shared.stack.target)


def sing(path: Path, seed: int) -> None:
    """Half a second of a sound that no other seed has."""
    random = np.random.default_rng(seed)
    tone = np.sin(2 * np.pi * (200 + 37 * seed) * np.arange(RATE // 2) / RATE)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * tone + 0.02 * random.standard_normal(tone.size), RATE)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A small CN-Celeb1 with one file that does not fit and one that is no audio."""
    root = tmp_path / "CN-Celeb_flac"
    names = ("id00012/live_broadcast-02-001", "id00012/singing-01-001", "id00800/vlog-01-001")
    for seed, name in enumerate(names):
        sing(root / "data" / f"{name}.flac", seed)
    (root / "data" / "id00800" / "notes.wav").write_text("no audio")
    (root / "data" / "id00800" / "vlog-01-002.flac").write_text("no audio")
    return root


def clips_of(running: Running, library: str) -> list[Clip]:
    """The ACTIVE clips of a library."""
    return list(running.client.clips(library, clip_pb2.ListClipsRequest()))


def test_a_corpus_with_its_speakers_labels_and_sessions(
    run: Run, shared: Running, corpus: Path, tmp_path: Path
) -> None:
    """Failures are told with their reasons, on the terminal and in a file; the list's lack once."""
    told = tmp_path / "failures.jsonl"
    done = run(
        *("import", corpus, "--layout", "cn-celeb1", "-l", "celeb", "--failures", told),
        code=3,
    )
    assert "3 imported into celeb, 0 there already, 2 failed, in " in done.stdout
    assert "data/id00800/notes.wav: FIELD_INVALID: no file of cn-celeb1" in done.stdout
    assert "data/id00800/vlog-01-002.flac: AUDIO_UNDECODABLE" in done.stdout
    assert done.stderr.count("dev/dev.lst is not there") == 1
    assert len([json.loads(line) for line in told.read_text().splitlines()]) == 2
    found = {clip.display_name: clip for clip in clips_of(shared, "celeb")}
    clip = found["id00012/live_broadcast-02-001.flac"]
    assert (clip.speaker, clip.label) == ("id00012", "live_broadcast")
    assert dict(clip.metadata) == {
        "corpus": "cn-celeb1",
        "genre": "live_broadcast",
        "session": "02",
        "utterance": "001",
        "path": "data/id00012/live_broadcast-02-001.flac",
    }
    assert "CLIP" not in run("clip", "list", "-l", "celeb", "--speaker", "id00800").stdout


def test_a_stopped_import_goes_on_without_sending_anything_twice(
    run: Run, shared: Running, corpus: Path
) -> None:
    """Imported files are known by path, size and time, so their audio is not even read."""
    library = shared.library()
    source = corpus_source(corpus, "cn-celeb1")
    job = ImportJob()

    def stop(_: ImportJob) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Uploader(shared.client, library, source).work(job, stop, lambda _: None)
    before = {clip.name for clip in clips_of(shared, library)}
    assert before

    done = run("import", corpus, "--layout", "cn-celeb1", "-l", library, "--json", code=3)
    progress = json.loads(done.stdout)["progress"]
    assert int(progress["imported"]) + int(progress["existing"]) == 3
    assert int(progress["existing"]) == len(before)
    times = {path: path.stat() for path in corpus.rglob("*.flac")}
    for path, stat in times.items():
        # Same size, same time, other bytes: sent again, they would be a clip of their own.
        path.write_bytes(bytes(stat.st_size))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = run("import", corpus, "--layout", "cn-celeb1", "-l", library, "--json", code=3)
    assert json.loads(again.stdout)["progress"]["existing"] == "3"
    assert len(clips_of(shared, library)) == 3


def test_what_is_in_is_known_by_its_bytes_too(run: Run, corpus: Path, tmp_path: Path) -> None:
    """Under another path as well."""
    run("import", corpus, "--layout", "cn-celeb1", "-l", "moved", code=3)
    corpus.rename(tmp_path / "elsewhere")
    corpus = tmp_path / "elsewhere" / "data"
    done = run("import", corpus, "--layout", "cn-celeb1", "-l", "moved", code=3)
    assert "0 imported into moved, 3 there already, 2 failed" in done.stdout


def test_a_layout_labels_what_was_imported_without_one(run: Run, shared: Running) -> None:
    """This holds for files of any import. Fields filled in by hand stay. Then no work is left."""
    folder, library = shared.folder(), shared.library()
    for seed, name in enumerate(("0_ann_0", "1_ann_0", "0_bob_0", "1_bob_0")):
        sing(folder / "recordings" / f"{name}.wav", 40 + seed)
    assert "4 imported" in run("import", folder, "-l", library).stdout
    first = {clip.source: clip for clip in clips_of(shared, library)}["recordings/0_ann_0.wav"]
    filled = Clip(name=first.name, label="zero", metadata={"room": "hall", "index": "none"})
    shared.client.call(
        shared.client.stubs.clips.UpdateClip,
        clip_pb2.UpdateClipRequest(clip=filled, update_mask={"paths": ["label", "metadata"]}),
    )
    assert "no clip with a speaker" in run("evaluate", library, "--by", "speaker", code=1).stderr

    arguments = ("import", folder, "--layout", "fsdd", "-l", library)
    done = run(*arguments)
    assert (
        f"0 imported into {library}, 4 there already, 4 of them labelled now, 0 failed"
        in done.stdout
    )
    clips = {clip.source: clip for clip in clips_of(shared, library)}
    other = clips["recordings/1_bob_0.wav"]
    assert (other.speaker, other.label, other.metadata["index"]) == ("bob", "1", "0")
    first = clips["recordings/0_ann_0.wav"]
    assert (first.speaker, first.label) == ("ann", "zero")
    told = {"corpus": "fsdd", "digit": "0", "path": "recordings/0_ann_0.wav"}
    assert dict(first.metadata) == {**told, "room": "hall", "index": "none"}
    found = run("evaluate", library, "--by", "speaker", "--resamples", 0, "--json")
    assert json.loads(found.stdout)["targetTrialCount"] == 2
    progress = json.loads(run(*arguments, "--json").stdout)["progress"]
    assert (progress["existing"], progress["labelled"], progress["failed"]) == ("4", "0", "0")


def test_a_manifest(run: Run, shared: Running, tmp_path: Path) -> None:
    """Paths from its folder; files that are missing or outside by a link fail with a reason."""
    sing(tmp_path / "set" / "a" / "one.wav", 11)
    sing(tmp_path / "outside.wav", 12)
    (tmp_path / "set" / "link.wav").symlink_to(tmp_path / "outside.wav")
    (tmp_path / "set" / "folder.wav").mkdir()
    manifest = tmp_path / "set" / "list.csv"
    manifest.write_text(
        "path,label,speaker,display_name,metadata.room\n"
        "a/one.wav,door,ann,A door,hall\n"
        "gone.wav,,,,\nlink.wav,,,,\nfolder.wav,,,,\n"
    )
    done = run("import", "--manifest", manifest, "-l", "listed", code=3)
    assert "1 imported into listed, 0 there already, 3 failed" in done.stdout
    for word in ("gone.wav: PATH_NOT_FOUND", "link.wav: PATH_NOT_ALLOWED", "folder.wav: AUDIO_U"):
        assert word in done.stdout
    (clip,) = clips_of(shared, "listed")
    assert (clip.display_name, clip.label, clip.speaker) == ("A door", "door", "ann")
    assert dict(clip.metadata) == {"path": "a/one.wav", "room": "hall"}
    manifest.write_text("path\n../outside.wav\n")
    refused = run("import", "--manifest", manifest, "-l", "listed", code=1)
    assert "FIELD_INVALID" in refused.stderr
    assert "line 2" in refused.stderr


def test_a_dry_run_counts_and_asks_nobody(run: Run, corpus: Path) -> None:
    """By speaker, label and session; also without a gateway."""
    elsewhere = ("--target", "127.0.0.1:1")
    done = run("import", corpus, "--layout", "cn-celeb1", "-l", "x", "--dry-run", *elsewhere)
    assert "4 files of" in done.stdout
    assert "1 do not fit, 0 are missing" in done.stdout
    assert "speakers: 2, labels: 3, sessions: 3" in done.stdout
    assert "notes.wav: no file of cn-celeb1" in done.stdout
    plain = run("import", corpus, "-l", "x", "--dry-run", "--json", *elsewhere)
    assert json.loads(plain.stdout)["fit"] == 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "-l", "x"),
        ("import", ".", "-l", "x", "--layout", "timit"),
        ("import", ".", "-l", "x", "--layout", "fsdd", "--from", "server"),
        ("import", ".", "-l", "x", "--manifest", __file__),
        ("import", "-l", "x", "--manifest", "none.csv"),
    ],
)
def test_wrong_usage_is_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    """With a word on what is wrong."""
    assert run(*arguments, code=2).stderr


def test_a_library_that_is_gone_stops_the_import(shared: Running, corpus: Path) -> None:
    """It is no fault of one file."""
    failed: list[FileFailure] = []
    uploader = Uploader(shared.client, "nowhere", corpus_source(corpus, "cn-celeb1"))
    with pytest.raises(ServiceError) as stopped:
        uploader.work(ImportJob(), lambda _: None, failed.append)
    assert stopped.value.reason is Reason.LIBRARY_NOT_FOUND


def test_an_import_survives_the_death_of_the_gateway(tmp_path: Path) -> None:
    """Files that were being sent are sent again: each is imported once, and none has failed."""
    for seed in range(24):
        sing(tmp_path / "recordings" / f"{seed % 10}_ann_{seed}.wav", seed)
    serving = subprocess.Popen(
        [AUDIOSEARCH, "serve", "--data-dir", str(tmp_path / "data"), "--port", "0", "--json"],
        env={
            **os.environ,
            "AUDIOSEARCH_OFFLINE": "1",
            "PPSPEECH_HOME": str(tmp_path / "no-cache"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert serving.stdout
        ready = json.loads(serving.stdout.readline())
        listing = ["pgrep", "-P", str(serving.pid), "-f", "gateway"]
        found = subprocess.run(listing, capture_output=True, text=True, check=True)
        (gateway,) = map(int, found.stdout.split())
        with AudiosearchClient(ready["target"]) as client:
            request = library_pb2.CreateLibraryRequest(library_id="alive")
            client.call(client.stubs.libraries.CreateLibrary, request)
            job = ImportJob()

            def kill_once(state: ImportJob) -> None:
                if state.progress.imported == 3 and Path(f"/proc/{gateway}").exists():
                    os.kill(gateway, signal.SIGKILL)

            source = corpus_source(tmp_path / "recordings", "fsdd")
            Uploader(client, "alive", source).work(job, kill_once, lambda _: None)
            assert not job.progress.failed, job
            assert job.progress.imported + job.progress.existing == 24
            clips = list(client.clips("alive", clip_pb2.ListClipsRequest()))
            assert len({clip.display_name for clip in clips}) == len(clips) == 24
        serving.send_signal(signal.SIGINT)
        assert serving.wait(60) == 0
    finally:
        serving.kill()
        serving.communicate()
