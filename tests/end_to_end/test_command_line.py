"""The command line, as a user types it."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from functools import partial
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip, ListClipsRequest, UpdateClipRequest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.conftest import REPOSITORY
from tests.end_to_end.command_line import AUDIOSEARCH, Run
from tests.end_to_end.command_line import run as run_command
from tests.end_to_end.conftest import Running


@pytest.fixture
def run(shared: Running, tmp_path: Path) -> Run:
    """Runs `audiosearch` with arguments against the shared stack, in a folder of its own."""
    return partial(run_command, AUDIOSEARCH_TARGET=shared.stack.target, cwd=tmp_path)


def test_the_whole_story(run: Run, shared: Running, sounds: Path, tmp_path: Path) -> None:
    """Create, import, search, list, show, download, delete, each with --json."""
    library = json.loads(run("library", "create", "story", "--json").stdout)
    assert library["name"] == "libraries/story"
    job = json.loads(run("import", sounds, "--library", "story", "--json").stdout)
    assert (job["progress"]["imported"], job["progress"]["failed"]) == ("20", "0")

    query = sounds / "bronze_bell_1.wav"
    answer = json.loads(run("search", query, "--library", "story", "-k", 3, "--json").stdout)
    assert all(match["clip"] and match["segments"] for match in answer["matches"])
    assert len(answer["matches"]) == 3
    first = answer["matches"][0]
    assert first["clip"]["displayName"] == "bronze_bell_1.wav"
    assert first["score"] == pytest.approx(1, abs=1e-4)
    table = run("search", query, "--library", "story", "-k", 3).stdout
    assert re.search(r"1\s+1\.000\s.*bronze_bell_1\.wav", table)

    by_clip = json.loads(
        run("search", "--clip", first["clip"]["name"], "-l", "story", "--json").stdout
    )
    assert by_clip["matches"][0]["clip"]["displayName"].startswith("bronze_bell_")

    clips = json.loads(run("clip", "list", "--library", "story", "--json").stdout)["clips"]
    assert len(clips) == 20
    name = first["clip"]["name"]
    shown = json.loads(run("clip", "show", name, "--json").stdout)
    assert shown["audioObject"]["contentType"] == "audio/wav"
    run("clip", "download", name, "-o", "copy.wav")
    assert (tmp_path / "copy.wav").read_bytes() == query.read_bytes()
    assert "there already" in run("clip", "download", name, "-o", "copy.wav", code=2).stderr
    trashed = json.loads(run("clip", "delete", name, "--json").stdout)
    assert trashed["state"] == "STATE_TRASHED"
    assert json.loads(run("clip", "delete", name, "--permanent", "--json").stdout) == {}
    assert "CLIP_NOT_FOUND" in run("clip", "show", name, code=1).stderr

    listed = json.loads(run("library", "list", "--json").stdout)["libraries"]
    assert "libraries/story" in {each["name"] for each in listed}
    assert json.loads(run("library", "show", "story", "--json").stdout)["clipCount"] == "19"
    assert "LIBRARY_NOT_EMPTY" in run("library", "delete", "story", code=1).stderr
    run("library", "delete", "story", "--force")


@pytest.mark.parametrize(
    ("called", "written"),
    [
        ("my bell.wav", "my bell.wav"),
        ("../../up.wav", "up.wav"),
        ("C:\\sounds\\x.wav", "x.wav"),
        (".profile", "profile"),
        ("声" * 100 + ".wav", "声" * 65 + ".wav"),
        ("..", ""),
        ("", ""),
    ],
)
def test_a_download_takes_the_name_of_its_clip(
    run: Run, shared: Running, sounds: Path, tmp_path: Path, called: str, written: str
) -> None:
    """In the current folder; a file that is there is kept unless that is asked for."""
    sound, library = sounds / "bronze_bell_1.wav", shared.library()
    clip = shared.client.upload(library, sound, Clip(display_name=called or " ")).clip
    if not called.strip():
        change = UpdateClipRequest(
            clip=Clip(name=clip.name), update_mask=FieldMask(paths=["display_name"])
        )
        shared.client.call(shared.client.stubs.clips.UpdateClip, change)
    run("clip", "download", clip.name)
    file = tmp_path / (written or clip.name.rpartition("/")[2])
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_bytes() == sound.read_bytes()
    file.write_text("mine")
    assert "there already" in run("clip", "download", clip.name, code=2).stderr
    assert file.read_text() == "mine"
    run("clip", "download", clip.name, "--force")
    assert file.read_bytes() == sound.read_bytes()


def test_plain_output_of_every_command(run: Run, sounds: Path) -> None:
    """For people."""
    assert "created" in run("library", "create", "plain").stdout
    assert "20 imported" in run("import", sounds, "--library", "plain").stdout
    assert "plain" in run("library", "list").stdout
    assert "clips         20" in run("library", "show", "plain").stdout
    assert "sword_clash_1.wav" in run("clip", "list", "--library", "plain").stdout
    assert "192 values of models/" in run("embed", sounds / "bronze_bell_1.wav").stdout
    assert "ecapatdnn_small" in run("model", "list").stdout
    assert "deleted" in run("library", "delete", "plain", "--force").stdout


def test_embed_shows_the_vector_and_what_was_heard(run: Run, sounds: Path) -> None:
    """192 values of unit length."""
    answer = json.loads(run("embed", sounds / "bronze_bell_1.wav", "--json").stdout)
    values = answer["embedding"]["values"]
    assert len(values) == 192
    assert sum(value * value for value in values) == pytest.approx(1, abs=1e-4)
    assert answer["audio"]["sampleRate"] == 16_000
    models = json.loads(run("model", "list", "--json").stdout)["models"]
    assert models[0]["name"] == answer["embedding"]["model"]


def test_a_folder_of_the_client_is_uploaded_where_the_server_may_not_read_it(
    run: Run,
    shared: Running,
    sounds: Path,
    tmp_path: Path,
) -> None:
    """Failures are told by name. Imported files are not sent again."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for path in sorted(sounds.iterdir())[:3]:
        shutil.copy(path, folder)
    (folder / "bad.wav").write_text("no audio")
    shutil.copy(folder / "bronze_bell_1.wav", folder / "copy.wav")
    done = run("import", folder, "--library", "mine", code=3)
    assert "3 imported into mine, 1 there already, 1 failed" in done.stdout
    assert "bad.wav: AUDIO_UNDECODABLE" in done.stdout
    # Either may come first and be the clip: several are sent at a time.
    pair = ["bronze_bell_1.wav", "copy.wav"]
    told = [f"{one} is the same audio as {other}" for one, other in itertools.permutations(pair)]
    assert any(each in done.stdout for each in told)
    again = json.loads(run("import", folder, "--library", "mine", "--json", code=3).stdout)
    assert again["progress"]["existing"] == "4"
    (duplicate,) = again["duplicates"]
    assert sorted(duplicate.values()) == pair
    single = run("import", folder / "bad.wav", "--library", "mine", code=1)
    assert "1 failed" in single.stdout
    assert (
        "PATH_NOT_ALLOWED" in run("import", folder, "-l", "mine", "--from", "server", code=1).stderr
    )


def test_many_clips_at_once(run: Run, shared: Running, sounds: Path, tmp_path: Path) -> None:
    """Chosen by what they fit: changed, saved as a zip, moved to another library and deleted."""
    library, other = shared.library(), shared.library()
    for path in sorted(sounds.iterdir())[:3]:
        shared.client.upload(library, path, Clip(label="new", metadata={"from": "test"}))
    inside = ("--library", library)
    change = ("--label", "new", "--set-label", "old", "--set-metadata", "room=hall")
    assert "3 clips changed, 0 failed" in run("clip", "update", *inside, *change).stdout
    run("clip", "download", *inside, "--label", "old", "-o", "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        saved = {Path(name).name: archive.read(name) for name in archive.namelist()}
    assert saved == {path.name: path.read_bytes() for path in sorted(sounds.iterdir())[:3]}
    assert "name clips, or options" in run("clip", "delete", *inside, code=2).stderr
    assert "3 clips moved" in run("clip", "move", *inside, "--all", "--to", other).stdout
    moved = list(shared.client.clips(other, ListClipsRequest()))
    assert {clip.label for clip in moved} == {"old"}
    assert all(dict(clip.metadata) == {"from": "test", "room": "hall"} for clip in moved)
    assert not list(shared.client.clips(library, ListClipsRequest()))
    named = ("clip", "delete", moved[0].name, f"{moved[0].name}x")
    assert "1 clips deleted, 1 failed" in run(*named, code=3).stdout
    assert "--yes" in run("clip", "delete", "-l", other, "--all", code=2).stderr
    assert "2 clips deleted" in run("clip", "delete", "-l", other, "--all", "--yes").stdout


def test_what_runs_and_what_is_imported_is_told(run: Run, shared: Running, sounds: Path) -> None:
    """Services, operations by list and by name, and a map that goes on to another program."""
    library = shared.library()
    assert "gateway    serving" in run("status").stdout
    folder = shared.folder()
    shutil.copy(sounds / "bronze_bell_1.wav", folder)
    run("import", folder, "-l", library, "--from", "server")
    listed = json.loads(run("operation", "list", "-l", library, "--json").stdout)["operations"]
    assert "1 imported" in run("operation", "show", listed[0]["name"]).stdout
    run("operation", "cancel", listed[0]["name"])
    rows = run("map", library, "--output", "-").stdout.splitlines()
    assert [row.split(",")[3] for row in rows] == ["name", "bronze_bell_1.wav"]
    assert "called Bells" in run("library", "update", library, "--display-name", "Bells").stdout


def test_a_failed_import_leaves_no_library(run: Run, tmp_path: Path) -> None:
    """Neither if the folder holds no audio, nor if none of it can be decoded."""
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "notes.txt").write_text("no audio")
    assert "1 .txt" in run("import", folder, "--library", "unmade", code=1).stderr
    (folder / "bad.wav").write_text("no audio")
    told = run("import", folder, "--library", "unmade", code=1)
    assert "AUDIO_UNDECODABLE" in told.stderr
    assert "LIBRARY_NOT_FOUND" in run("library", "show", "unmade", code=1).stderr


def test_a_watched_folder_is_imported_until_ctrl_c(
    run: Run, shared: Running, sounds: Path, tmp_path: Path
) -> None:
    """Each file once, a changed one again; the code is 130, and the way to go on is told."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    shutil.copy(sounds / "bronze_bell_1.wav", folder / "one.wav")
    watch = [AUDIOSEARCH, "import", str(folder), "--library", "watched", "--watch", "--json"]
    # A shell has its background ignore Ctrl-C, with all that is started from there.
    command = subprocess.Popen(
        ["/usr/bin/env", "--default-signal=INT", *map(str, watch)],
        env={**os.environ, "AUDIOSEARCH_TARGET": shared.stack.target},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert command.stdout
        assert json.loads(command.stdout.readline())["progress"]["imported"] == "1"
        shutil.copy(sounds / "bronze_bell_2.wav", folder / "two.wav")
        assert json.loads(command.stdout.readline())["progress"]["imported"] == "1"
        command.send_signal(signal.SIGINT)
        _, told = command.communicate(timeout=60)
    finally:
        command.kill()
        command.communicate()
    assert command.returncode == 130
    assert f"stopped: 2 imported; the same command goes on watching {folder}" in told
    assert "2 there already" in run("import", folder, "--library", "watched").stdout


def test_the_version_and_short_help(run: Run) -> None:
    """As other programs have them; errors are red on a terminal alone."""
    assert run("--version").stdout == f"audiosearch {version('audiosearch')}\n"
    assert run("clip", "list", "-h").stdout == run("clip", "list", "--help").stdout
    assert "complete" in run("--show-completion", "bash").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["search"],
        ["search", "missing.wav", "--library", "x"],
        ["search", "--library", "x"],
        ["import", "missing", "--library", "x"],
        ["library", "create"],
        ["clip", "show", "no-library"],
        ["clip", "list", "--library", "x", "--state", "lost"],
        ["nonsense"],
        ["serve", "--port", "99999"],
    ],
)
def test_wrong_usage_is_code_2(run: Run, arguments: list[str]) -> None:
    """With a word on what is wrong."""
    assert run(*arguments, code=2).stderr


def test_a_failed_request_is_code_1_and_one_line(run: Run, sounds: Path) -> None:
    """The reason and what to do."""
    query = sounds / "bronze_bell_1.wav"
    for done, word in [
        (run("search", query, "--library", "nowhere", code=1), "LIBRARY_NOT_FOUND"),
        (run("search", query, "--library", "../x", code=1), "FIELD_INVALID"),
        (run("search", query, "-l", "nowhere", "-k", 0, code=1), "FIELD_INVALID"),
        (
            run("library", "list", code=1, AUDIOSEARCH_TARGET="127.0.0.1:1"),
            "GATEWAY_UNAVAILABLE: no gateway answers at 127.0.0.1:1",
        ),
    ]:
        assert word in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_seeds_variables_name_library_and_k(run: Run, sounds: Path) -> None:
    """DEFAULT_TABLE and TOP_K."""
    settings = {"DEFAULT_TABLE": "audio_table", "TOP_K": "2"}
    run("import", sounds, **settings)
    answer = json.loads(run("search", sounds / "bronze_bell_1.wav", "--json", **settings).stdout)
    assert len(answer["matches"]) == 2


def test_serve_runs_the_stack_until_it_is_told_to_stop(tmp_path: Path, sounds: Path) -> None:
    """In the foreground; a killed service is started again; Ctrl-C ends all with code 0."""
    environment = {
        **os.environ,
        "AUDIOSEARCH_OFFLINE": "1",
        "PPSPEECH_HOME": str(tmp_path / "no-cache"),
    }
    process = subprocess.Popen(
        [AUDIOSEARCH, "serve", "--data-dir", str(tmp_path / "data"), "--port", "0", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        ready = json.loads(process.stdout.readline())
        environment["AUDIOSEARCH_TARGET"] = ready["target"]
        probe = httpx.get(ready["web"] + "healthz", timeout=30)
        assert probe.json() == {"status": "SERVING"}
        search = [AUDIOSEARCH, "library", "list", "--json"]
        assert subprocess.run(search, env=environment, timeout=60, check=True)
        listing = ["pgrep", "-P", str(process.pid)]
        children = subprocess.run(
            listing, capture_output=True, text=True, check=True
        ).stdout.split()
        assert len(children) == 4
        os.kill(int(children[-1]), signal.SIGKILL)
        end = time.monotonic() + 60
        while subprocess.run(search, env=environment, timeout=60, check=False).returncode:
            assert time.monotonic() < end
            time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    finally:
        process.kill()
        process.communicate()


def test_serve_says_that_a_port_is_taken(tmp_path: Path, shared: Running) -> None:
    """At once, although who has it answers for its health; and leaves nothing running."""
    port = shared.stack.addresses.ports["catalog"]
    ports = ["--port", str(port - 3), "--rest-port", "0"]
    done = subprocess.run(
        [AUDIOSEARCH, "serve", "--data-dir", str(tmp_path / "data"), *ports],
        env={**os.environ, "AUDIOSEARCH_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_demo_does_the_main_job_and_leaves_nothing(tmp_path: Path) -> None:
    """It prints the table and says that the right kind comes first."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo"],
        env={
            **os.environ,
            "AUDIOSEARCH_OFFLINE": "1",
            "PPSPEECH_HOME": str(tmp_path / "no-cache"),
            "TMPDIR": str(tmp_path),
        },
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 clips imported, 0 failed" in done.stdout
    assert done.stdout.count("comes first") == 3
    assert not list(tmp_path.glob("audiosearch-demo-*"))
