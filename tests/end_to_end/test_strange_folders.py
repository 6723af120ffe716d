"""Folders as people have them: audio under any ending, hidden files, links, names with anything."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from audiosearch.catalog.v1 import clip_pb2
from audiosearch.catalog.v1.clip_pb2 import Clip

from deploy import example_sounds
from serving.errors import Reason, ServiceError
from tests.end_to_end.command_line import Run
from tests.end_to_end.command_line import run as run_command
from tests.end_to_end.conftest import Running
from tests.end_to_end.test_import import counts, make_files, run_import

PASSED_OVER = {"hidden": 3, "link": 4, ".txt": 1, ".jpg": 1, "other": 1}
CLEANED = {"new line.wav", "tab here .wav"}
NAMES = {"core audio", "phone.3gp", "video.bin", "plain.wav", *CLEANED}


@pytest.fixture
def run(shared: Running, tmp_path: Path) -> Run:
    """Runs `audiosearch` with arguments against the shared stack, in a folder of its own."""
    return partial(run_command, AUDIOSEARCH_TARGET=shared.stack.target, cwd=tmp_path)


def encode(path: Path, container: str, codec: str, seed: int) -> None:
    """Writes a sound of half a second in a container that libsndfile does not read."""
    sound = np.tile(example_sounds.make("sword_clash", seed)[:4000], 2)
    samples = (sound * 20_000).astype("<i2")[None]
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)


def fill(folder: Path) -> None:
    """Lays out six sounds, of which four are found by content or have strange names."""
    make_files(folder, 3)
    (folder / "0000.wav").rename(folder / "plain.wav")
    (folder / "0001.wav").rename(folder / "new\nline.wav")
    (folder / "0002.wav").rename(folder / "tab\there\x85.wav")
    sound = example_sounds.make("sword_clash", 5)[:4000]
    with (folder / "core audio").open("wb") as file:
        soundfile.write(file, sound, 16_000, format="CAF", subtype="PCM_16")
    encode(folder / "phone.3gp", "3gp", "aac", 6)
    encode(folder / "video.bin", "matroska", "aac", 7)
    (folder / "notes.txt").write_text("not audio")
    (folder / "README").write_text("not audio")
    (folder / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (folder / ".DS_Store").write_bytes(bytes(100))
    (folder / "._plain.wav").write_bytes(b"\0\5\x16\7" + bytes(4000))
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "._plain.wav").write_bytes(b"\0\5\x16\7" + bytes(4000))
    for name, target in (("self", "self"), ("a", "b"), ("b", "a"), ("gone.wav", "nowhere")):
        (folder / name).symlink_to(folder / target)


def clips(shared: Running, library: str) -> list[Clip]:
    """All clips of a library."""
    return list(shared.client.clips(library, clip_pb2.ListClipsRequest()))


def test_the_server_imports_what_is_audio_and_counts_the_rest(
    shared: Running, library: str, run: Run
) -> None:
    """The job's progress tells what was passed over, and so does the command line that follows."""
    folder = shared.folder()
    fill(folder)
    job = run_import(shared, library, folder)
    assert not job.failures
    assert counts(job) == (6, 6, 0, 0)
    assert dict(job.progress.passed_over) == PASSED_OVER
    found = {clip.display_name: clip.source for clip in clips(shared, library)}
    assert found.keys() == NAMES
    assert found["new line.wav"] == "new\nline.wav"
    told = run("import", folder, "--library", library, "--from", "server").stdout
    assert "6 there already, 0 failed" in told
    assert "10 passed over (4 link, 3 hidden, 1 .jpg, 1 .txt, 1 other)" in told


def test_uploads_take_the_same_files(
    shared: Running, library: str, run: Run, tmp_path: Path
) -> None:
    """Counted beforehand and afterwards, for people and as JSON."""
    folder = tmp_path / "mine"
    folder.mkdir()
    fill(folder)
    dry = run("import", folder, "--library", library, "--dry-run").stdout
    assert "6 files of" in dry
    assert "10 passed over (4 link, 3 hidden" in dry
    dry = run("import", folder, "--library", library, "--dry-run", "--json").stdout
    assert json.loads(dry)["passedOver"] == PASSED_OVER
    done = run("import", folder, "--library", library, "--from", "client", "--json").stdout
    progress = json.loads(done)["progress"]
    assert (progress["total"], progress["imported"], progress["failed"]) == ("6", "6", "0")
    assert {kind: int(count) for kind, count in progress["passedOver"].items()} == PASSED_OVER
    assert {clip.display_name for clip in clips(shared, library)} == NAMES
    again = run("import", folder, "--library", library, "--from", "client").stdout
    assert "6 there already, 0 failed" in again
    assert "10 passed over (4 link, 3 hidden" in again


def test_a_folder_without_audio_is_told_for_what_it_holds(
    library: str, run: Run, tmp_path: Path
) -> None:
    """The error counts the kinds that are there instead."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "one.txt").write_text("not audio")
    (tmp_path / "notes" / ".hidden.wav").touch()
    failed = run("import", "notes", "-l", library, "--from", "client", code=1).stderr
    assert "PATH_NOT_FOUND" in failed
    assert "2 passed over (1 .txt, 1 hidden)" in failed


def test_a_folder_is_enrolled_with_its_audio_alone(library: str, run: Run, tmp_path: Path) -> None:
    """A note tells what else is there."""
    (tmp_path / "ann").mkdir()
    for take in range(2):
        speech = np.concatenate([example_sounds.make("voice_low", 40 + take)] * 4)
        with (tmp_path / "ann" / f"take {take}").open("wb") as file:
            soundfile.write(file, speech, 16_000, format="CAF", subtype="PCM_16")
    (tmp_path / "ann" / "notes.txt").write_text("not audio")
    done = run("speaker", "enroll", "ann", "ann", "--library", library)
    assert "1 passed over (1 .txt)" in done.stderr
    assert "2 enrollments" in done.stdout


KINDS = {"list.mp3": b"#EXTM3U\na.mp3\n", "paper.wav": b"%PDF-1.7\n", "notes.m4a": b"MThd\0\0\0\6"}


def test_what_is_no_audio_is_named_wherever_it_is_sent(
    shared: Running, library: str, run: Run
) -> None:
    """Upload, search and both imports refuse a file in the same words, which name its kind."""
    folder = shared.folder()
    for name, content in KINDS.items():
        (folder / name).write_bytes(content)
    told = {each.path: each.failure for each in run_import(shared, library, folder).failures}
    assert told.keys() == KINDS.keys()
    sent = run("import", folder, "--library", library, code=1).stdout
    for name, kind in zip(KINDS, ("a play list", "a PDF document", "music as notes"), strict=True):
        assert told[name].reason == Reason.AUDIO_UNDECODABLE.value
        assert f"this is {kind}" in told[name].message
        assert told[name].message in " ".join(sent.split())
        for call in (shared.client.upload, shared.client.search):
            with pytest.raises(ServiceError) as caught:
                call(library, folder / name)
            assert caught.value.message == told[name].message
    assert not clips(shared, library)
