"""`audiosearch speaker`, `calibrate` and `calibration`, as a user types them."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip

from tests.end_to_end.command_line import Run
from tests.end_to_end.command_line import run as run_command
from tests.end_to_end.conftest import Running
from tests.vowels import record

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def run(shared: Running, tmp_path: Path) -> Run:
    """Runs `audiosearch` with arguments against the shared stack, in a folder of its own."""
    return partial(run_command, AUDIOSEARCH_TARGET=shared.stack.target, cwd=tmp_path)


@pytest.fixture
def ann(tmp_path: Path) -> Path:
    """A folder with three recordings of a voice, and text that calls itself one."""
    folder = tmp_path / "ann"
    folder.mkdir()
    for number in range(3):
        record(folder, 0, number, 2.0)
    (folder / "broken.wav").write_text("no audio")
    return folder


def test_the_whole_story(run: Run, library: str, ann: Path, tmp_path: Path) -> None:
    """Enroll, verify, identify, list, show, change, delete, each with --json."""
    speaker, inside = partial(run, "speaker"), ("-l", library, "--json")
    made = json.loads(speaker("enroll", "ann", ann, *inside, code=3).stdout)
    reasons = [outcome.get("failure", {}).get("reason") for outcome in made["outcomes"]]
    assert reasons == ["AUDIO_UNDECODABLE", None, None, None]
    assert made["speaker"]["enrollmentCount"] == 3
    other, probe = record(tmp_path, 3, 0, 2.0), record(tmp_path, 0, 9, 2.0)
    speaker("enroll", "bob", other, "--new", "--display-name", "Bob B.", *inside)
    assert "SPEAKER_EXISTS" in speaker("enroll", "bob", other, "--new", *inside, code=1).stderr

    accepted = json.loads(speaker("verify", "ann", probe, *inside).stdout)
    assert accepted["decision"] == "DECISION_ACCEPT"
    rejected = json.loads(speaker("verify", "bob", probe, *inside).stdout)
    assert rejected["decision"] == "DECISION_REJECT"
    found = json.loads(speaker("identify", probe, "-k", 1, *inside).stdout)
    assert [match["speaker"]["name"] for match in found["matches"]] == [made["speaker"]["name"]]
    nobody = json.loads(speaker("identify", probe, "--candidate", "bob", *inside).stdout)
    assert (nobody["matches"], nobody["candidateCount"]) == ([], "1")

    listed = json.loads(speaker("list", *inside).stdout)["speakers"]
    assert [each["displayName"] for each in listed] == ["ann", "Bob B."]
    clips = json.loads(run("clip", "list", "--enrolled", "ann", *inside).stdout)["clips"]
    assert len(clips) == 3
    by_clip = speaker("identify", "--clip", clips[0]["name"].rpartition("/")[2], *inside)
    assert len(json.loads(by_clip.stdout)["matches"]) == 1
    less = speaker("remove-enrollment", "ann", clips[0]["name"].rpartition("/")[2], *inside)
    assert json.loads(less.stdout)["enrollmentCount"] == 2
    changed = speaker("update", "ann", "--metadata", "room=hall", *inside)
    assert json.loads(changed.stdout)["metadata"] == {"room": "hall"}
    shown = json.loads(speaker("show", "ann", *inside).stdout)
    assert (shown["enrollmentCount"], shown["state"]) == (2, "STATE_ACTIVE")
    assert json.loads(speaker("delete", "ann", "--with-clips", *inside).stdout) == {}
    assert "SPEAKER_NOT_FOUND" in speaker("show", "ann", *inside, code=1).stderr
    assert len(json.loads(run("clip", "list", *inside).stdout)["clips"]) == 2


def test_plain_output(run: Run, library: str, ann: Path, tmp_path: Path) -> None:
    """For people: the result of each recording, and the certainty of an answer with its reason."""
    speaker = partial(run, "speaker", DEFAULT_TABLE=library)
    other, probe = record(tmp_path, 3, 0, 2.0), record(tmp_path, 0, 9, 2.0)
    assert "nobody to compare with" in speaker("identify", probe).stdout
    told = speaker("enroll", "ann", ann, other, code=3).stdout
    assert re.search(r"broken\.wav\s+AUDIO_UNDECODABLE", told)
    assert re.search(r"v0-1\.flac\s+enrolled\s+0\.9\d\d\s+good\s+[12]\.\d\d s", told)
    assert re.search(r"v3-0\.flac\s+VOICE_MISMATCH", told)
    sums = re.search(r"ann: 3 enrollments, (\S+) s of speech; (\S+) s more would help", told)
    assert sums
    spoken, wanted = sums.groups()
    assert 5 < float(spoken) <= 6
    assert round(float(spoken) + float(wanted), 2) == 20
    accepted = speaker("verify", "ann", probe).stdout
    assert accepted.startswith("ACCEPT: it is taken for the voice of ann")
    assert re.search(r"0\.9\d\d\s+█{7,8} ", accepted)
    assert "threshold: 0.500 of the cosine" in accepted
    assert "fit one with `audiosearch calibrate`" in accepted
    rejected = speaker("verify", "ann", other, "--exit-code", code=4)
    assert rejected.stdout.startswith("REJECT: it is not taken")
    assert re.search(r"1\s+0\.9\d\d\s+█+\s+ann", speaker("identify", probe).stdout)
    nobody = speaker("identify", other).stdout
    assert "nobody who is enrolled: 1 compared, the best score is" in nobody
    assert re.search(rf"ann\s+3\s+{spoken} s\s+{wanted} s", speaker("list").stdout)
    shown = speaker("show", "ann").stdout
    assert f"3, {spoken} s of speech" in shown
    ids = re.findall(r"^ ?(\w{26}) ", shown, re.MULTILINE)
    assert len(ids) == 3
    assert "ann: none is left" in speaker("remove-enrollment", "ann", *ids).stdout
    assert "changed" in speaker("update", "ann", "--display-name", "Ann").stdout
    assert "speaker ann deleted" in speaker("delete", "ann").stdout


def test_clips_of_the_library_enroll(
    run: Run, shared: Running, library: str, tmp_path: Path
) -> None:
    """By the speaker that they are labelled with, or one by one."""
    for number in range(4):
        clip = Clip(speaker="Ann A.")
        shared.client.upload(library, record(tmp_path, 0, number, 2.0), clip)
    enroll = partial(run, "speaker", "enroll", "ann", "-l", library)
    assert "ann: 2 enrollments" in enroll("--from-label", "Ann A.", "--count", 2).stdout
    enrolled = {each.name for each in shared.client.speakers.enrollments(library, "ann")}
    oldest, *_, newest = json.loads(run("clip", "list", "-l", library, "--json").stdout)["clips"]
    assert oldest["name"] in enrolled
    assert "ann: 3 enrollments" in enroll("--clip", newest["name"].rpartition("/")[2]).stdout
    assert "ann: 4 enrollments" in enroll("--from-label", "Ann A.").stdout
    told = enroll("--from-label", "Ann A.", code=1).stderr
    assert "CLIP_NOT_FOUND" in told
    assert "nobody's enrollment yet" in told


@pytest.fixture(scope="module")
def labelled(shared: Running, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library of seven speakers with six clips each."""
    folder, library = tmp_path_factory.mktemp("labelled"), shared.library()
    for voice in range(7):
        for number in range(6):
            clip = Clip(speaker=f"v{voice}")
            shared.client.upload(library, record(folder, voice, number), clip)
    return library


def test_calibrate_with_charts(run: Run, labelled: str, tmp_path: Path) -> None:
    """Figures of both kinds of scores on the terminal, all as JSON, two charts."""
    folder = tmp_path / "made" / "here"
    told = run("calibrate", labelled, "--output", folder).stdout
    assert "fitted from 42 clips of 7 speakers" in told
    assert "voiceprints of 3 clips each" in told
    assert re.search(r"figure\s+cosine\s+AS-norm", told)
    assert re.search(r"equal error rate\s+[\d.]+ %\s+[\d.]+ %", told)
    assert re.search(r"expected miss rate\s+[\d.]+ % \([\d.]+ % to [\d.]+ %\)", told)
    assert "p_target 0.01, cost of a miss 1, of a false alarm 1" in told
    shown = json.loads(run("calibration", "show", labelled, "--json").stdout)
    assert json.loads((folder / "calibration.json").read_text()) == shown
    for chart in ("calibration-det.png", "thresholds.png"):
        assert (folder / chart).read_bytes().startswith(PNG)


def test_the_operating_point_is_chosen_by_options(run: Run, labelled: str, tmp_path: Path) -> None:
    """At the fit and later. Decisions name the threshold and its expected errors."""
    options = ("--false-alarm", 0.05, "--normalization", "none", "--enrollment-clips", 2)
    made = json.loads(run("calibrate", labelled, *options, "--json").stdout)
    assert made["normalization"] == "NORMALIZATION_NONE"
    assert made["operatingPoint"] == {"maxFalseAlarmRate": 0.05}
    assert made["enrollmentClipCount"] == 2
    run("speaker", "enroll", "v0", "--from-label", "v0", "-l", labelled)
    verify = ("speaker", "verify", "v0", record(tmp_path, 0, 20), "-l", labelled)
    told = run(*verify).stdout
    assert told.startswith("ACCEPT")
    assert "of the log-likelihood ratio of the cosine" in told
    assert re.search(r"expected:\s+[\d.]+ % of the speaker's recordings missed, [\d.]+ % of", told)
    changed = run("calibration", "set", labelled, "--p-target", 0.5, "--cost-miss", 10).stdout
    assert "p_target 0.5, cost of a miss 10, of a false alarm 1" in changed
    assert "-2.303" in changed
    found = run("speaker", "identify", record(tmp_path, 0, 20), "-l", labelled).stdout
    assert "1 compared: a stranger is taken for one of them in at most" in found
    assert "deleted" in run("calibration", "delete", labelled).stdout
    assert "CALIBRATION_NOT_FOUND" in run("calibration", "show", labelled, code=1).stderr
    few = run("calibrate", labelled, "--false-alarm", 1e-6, code=1).stderr
    assert "SPEAKERS_TOO_FEW" in few


@pytest.mark.parametrize(
    "arguments",
    [
        ["speaker", "enroll", "ann", "--library", "x"],
        ["speaker", "enroll", "ann", "missing.wav", "--library", "x"],
        ["speaker", "enroll", "ann", "--from-label", "ann", "--count", "101", "--library", "x"],
        ["speaker", "verify", "ann", "--library", "x"],
        ["speaker", "identify", "--library", "x"],
        ["speaker", "update", "ann", "--library", "x"],
        ["speaker", "update", "ann", "--metadata", "room", "--library", "x"],
        ["speaker", "remove-enrollment", "ann", "--library", "x"],
        ["calibrate"],
        ["calibrate", "x", "--false-alarm", "0.1", "--p-target", "0.1"],
        ["calibrate", "x", "--normalization", "z-norm"],
        ["calibrate", "x", "--enrollment-clips", "0"],
        ["calibration", "set", "x"],
    ],
)
def test_wrong_usage_is_code_2(run: Run, arguments: list[str]) -> None:
    """With a word on what is wrong."""
    assert run(*arguments, code=2).stderr


def test_more_than_can_be_enrolled_at_once(run: Run, library: str, tmp_path: Path) -> None:
    """A folder of 101 files is refused before anything is sent."""
    many = tmp_path / "many"
    many.mkdir()
    for number in range(101):
        (many / f"{number}.wav").write_text("no audio")
    told = run("speaker", "enroll", "ann", many, "-l", library, code=2).stderr
    assert "101 recordings" in " ".join(told.split())


def test_a_failed_request_is_code_1_and_one_line(run: Run, library: str, ann: Path) -> None:
    """The reason and what to do."""
    query = ann / "v0-0.flac"
    for done, word in [
        (run("speaker", "enroll", "ann", query, "-l", "nowhere", code=1), "LIBRARY_NOT_FOUND"),
        (run("speaker", "enroll", "a b", query, "-l", library, code=1), "FIELD_INVALID"),
        (run("speaker", "enroll", "ann", ann / "broken.wav", "-l", library, code=1), "UNDECODABLE"),
        (run("speaker", "verify", "gone", query, "-l", library, code=1), "SPEAKER_NOT_FOUND"),
        (run("calibrate", library, code=1), "SPEAKERS_TOO_FEW"),
        (run("calibrate", "nowhere", code=1), "LIBRARY_NOT_FOUND"),
        (run("calibrate", library, "--p-target", 1.5, code=1), "FIELD_INVALID"),
    ]:
        assert word in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_recordings_that_do_not_agree_are_never_called_good(
    run: Run, library: str, ann: Path, tmp_path: Path
) -> None:
    """Enrolling, the list and the page of a speaker say it, and what is too short to tell."""
    speaker, inside = partial(run, "speaker"), ("-l", library)
    (ann / "broken.wav").unlink()
    assert "good" in speaker("enroll", "ann", ann, *inside).stdout
    other, short = record(tmp_path, 1, 0, 2.0), record(tmp_path, 0, 8, 0.6)
    told = speaker("enroll", "ann", other, short, "--allow-other-voice", *inside).stdout
    assert "low" in told
    assert "too short to tell" in told
    for way in (("list",), ("show", "ann")):
        shown = speaker(*way, *inside).stdout
        assert "low" in shown
        assert "good" not in shown
    assert "its recordings do not agree" in told
    for way in (("verify", "ann", short), ("identify", short)):
        assert "less than 1.5 s of speech" in speaker(*way, *inside).stdout
    assert "less than 1.5 s" not in speaker("verify", "ann", other, *inside).stdout
