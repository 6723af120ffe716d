"""`audiosearch evaluate` on a real stack: synthesised voices, and real ones if they are there."""

from __future__ import annotations

import json
import shutil
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip

from tests.end_to_end.command_line import Run
from tests.end_to_end.command_line import run as run_command
from tests.end_to_end.conftest import Running
from tests.vowels import record

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def run(shared: Running) -> Run:
    """Runs `audiosearch` with arguments against the shared stack."""
    return partial(run_command, AUDIOSEARCH_TARGET=shared.stack.target, seconds=240)


@pytest.fixture(scope="module")
def voices(shared: Running, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library of four speakers with four clips each, known by their paths."""
    folder, library = tmp_path_factory.mktemp("voices"), shared.library()
    for speaker in range(4):
        for take in range(4):
            path = record(folder, speaker, take)
            known = {"path": f"v{speaker}/{take}.flac"}
            clip = Clip(speaker=f"v{speaker}", label=f"take {take % 2}", metadata=known)
            shared.client.upload(library, path, clip)
    return library


def test_by_speaker_with_charts(run: Run, voices: str, tmp_path: Path) -> None:
    """Figures with intervals on the terminal, everything as JSON, two charts."""
    folder = tmp_path / "made" / "here"
    done = run("evaluate", voices, "--by", "speaker", "--output", folder)
    assert "24 target, 96 nontarget" in done.stdout
    assert "200 draws of 4 speakers, seed 0" in done.stdout
    for word in (
        "equal error rate",
        "minDCF, p_target 0.01",
        "recall@10",
        "mean average precision",
    ):
        assert word in done.stdout
    written = json.loads((folder / "evaluation.json").read_text())
    printed = json.loads(run("evaluate", voices, "--by", "speaker", "--json").stdout)
    assert printed == written
    eer = written["equalErrorRate"]
    assert 0 <= eer["low"] <= eer["value"] <= eer["high"] < 0.5
    retrieval = written["retrieval"]
    assert retrieval["queryCount"] == 16
    assert retrieval["recallAt"]["1"]["value"] > 0.7
    assert retrieval["meanAveragePrecision"]["value"] > 0.5
    for chart in ("det.png", "scores.png"):
        assert (folder / chart).read_bytes().startswith(PNG)


def test_error_rates_of_two_speakers_have_no_interval(
    run: Run, shared: Running, tmp_path: Path
) -> None:
    """Drawn anew they are always the same two; the terminal and the JSON say why there is none."""
    library = shared.library()
    for speaker in range(2):
        for take in range(3):
            clip = Clip(speaker=f"v{speaker}")
            shared.client.upload(library, record(tmp_path, speaker, take), clip)
    told = " ".join(run("evaluate", library, "--by", "speaker").stdout.split())
    assert "200 draws of 2 speakers" in told
    assert "no interval of equal error rate and minDCF: it takes trials of 3 speakers" in told
    found = json.loads(run("evaluate", library, "--by", "speaker", "--json").stdout)
    for name in ("equalErrorRate", "minDcf"):
        assert (found[name]["low"], found[name]["high"]) == (None, None)
    assert found["retrieval"]["meanAveragePrecision"]["low"] is not None
    assert "3 speakers" in found["intervals"]["note"]


def test_by_label_and_without_intervals(run: Run, voices: str) -> None:
    """A label that says nothing of the sound is found about as often as chance."""
    found = json.loads(run("evaluate", voices, "--by", "label", "--resamples", 0, "--json").stdout)
    assert found["targetTrialCount"] == 2 * 28
    assert found["equalErrorRate"]["value"] > 0.3
    assert found["equalErrorRate"]["low"] is None
    part = run("evaluate", voices, "--by", "speaker", "--max-clips", 10, "--seed", 3).stdout
    assert "10 clips of 16, chosen with seed 3" in part


def test_a_trial_list_gives_the_same_figures_as_the_labels(
    run: Run, voices: str, tmp_path: Path
) -> None:
    """In VoxCeleb's form, with other endings than the files have."""
    files = [(s, f"v{s}/{take}.wav") for s in range(4) for take in range(4)]
    pairs = combinations(files, 2)
    trials = tmp_path / "veri_test.txt"
    trials.write_text("".join(f"{int(a == b)} {one} {other}\n" for (a, one), (b, other) in pairs))
    listed = json.loads(run("evaluate", voices, "--trials", trials, "--json").stdout)
    made = json.loads(run("evaluate", voices, "--by", "speaker", "--json").stdout)
    assert listed["targetTrialCount"] == 24
    assert listed["equalErrorRate"]["value"] == pytest.approx(made["equalErrorRate"]["value"])
    assert listed["minDcf"]["value"] == pytest.approx(made["minDcf"]["value"])
    assert "retrieval" not in listed


def test_enrollments_of_several_clips(run: Run, voices: str, tmp_path: Path) -> None:
    """As CN-Celeb's enroll.map tells them; names that it lacks are told."""
    enroll, trials = tmp_path / "enroll.map", tmp_path / "trials.lst"
    enroll.write_text("".join(f"v{s}-enroll v{s}/0.wav v{s}/1.wav\n" for s in range(4)))
    lines = [
        f"v{s}-enroll v{t}/{take}.wav {int(s == t)}\n"
        for s in range(4)
        for t in range(4)
        for take in (2, 3)
    ]
    trials.write_text("".join(lines))
    arguments = ("evaluate", voices, "--trials", trials)
    found = json.loads(run(*arguments, "--enroll", enroll, "--json").stdout)
    assert (found["targetTrialCount"], found["nontargetTrialCount"]) == (8, 24)
    assert found["equalErrorRate"]["value"] < 0.4
    missing = run(*arguments, code=1).stderr
    assert "CLIP_NOT_FOUND: 4 files of the list are no clips" in missing
    enroll.write_text("v0-enroll v0/0.wav\n")
    assert "tells nothing of 3 names" in run(*arguments, "--enroll", enroll, code=1).stderr


def test_a_trial_list_may_name_each_of_identical_files(
    run: Run, shared: Running, tmp_path: Path
) -> None:
    """The library keeps one clip of them, with both paths, whenever the copy came."""
    library, folder = shared.library(), tmp_path / "recordings"
    folder.mkdir()
    for speaker, name in enumerate(("ann", "bob")):
        for take in range(2):
            record(tmp_path, speaker, take).rename(folder / f"{take}_{name}_0.flac")
    run("import", tmp_path, "-l", library, "--from", "client")
    for name in ("ann", "bob"):
        shutil.copy(folder / f"0_{name}_0.flac", folder / f"0_{name}_1.flac")
    told = json.loads(run("import", tmp_path, "--layout", "fsdd", "-l", library, "--json").stdout)
    assert (told["progress"]["existing"], told["progress"]["labelled"]) == ("6", "4")
    trials = tmp_path / "trials.txt"
    trials.write_text(
        "1 recordings/0_ann_0.wav recordings/1_ann_0.wav\n"
        "1 0_ann_1.wav 1_ann_0.wav\n"
        "0 0_ann_1.wav 0_bob_1.wav\n"
        "0 recordings/0_ann_0.wav recordings/0_bob_0.wav\n"
    )
    found = json.loads(run("evaluate", library, "--trials", trials, "--json").stdout)
    assert (found["targetTrialCount"], found["nontargetTrialCount"]) == (2, 2)
    assert found["clipCount"] == 3
    trials.write_text("1 0_ann_2.wav 1_ann_0.wav\n0 0_ann_0.wav 0_bob_0.wav\n")
    missing = run("evaluate", library, "--trials", trials, code=1).stderr
    assert "1 files of the list are no clips" in missing


def test_what_can_not_be_evaluated_is_told(
    run: Run, shared: Running, voices: str, tmp_path: Path
) -> None:
    """A library with one speaker, one without any, one that is not there, and wrong usage."""
    lone = shared.library()
    assert "no clip with a speaker" in run("evaluate", lone, "--by", "speaker", code=1).stderr
    shared.client.upload(lone, record(tmp_path, 0, 9), Clip(speaker="ann"))
    told = run("evaluate", lone, "--by", "speaker", code=1).stderr
    assert "STATE_CONFLICT" in told
    assert "only one speaker, ann" in told
    assert "LIBRARY_NOT_FOUND" in run("evaluate", "nowhere", "--by", "label", code=1).stderr
    for arguments in ((), ("--by", "label", "--trials", __file__), ("--by", "nose")):
        run("evaluate", voices, *arguments, code=2)


def test_real_voices(run: Run, test_data: Path, tmp_path: Path) -> None:
    """Six people who say single digits: better than chance, as the model card has it."""
    folder = test_data / "fsdd"
    if not (folder / "recordings").is_dir():
        pytest.skip(f"no recordings of FSDD in {test_data}")
    names = [
        f"{digit}_{speaker}_{index}.wav"
        for speaker in ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
        for digit in range(5)
        for index in range(2)
    ]
    part = tmp_path / "recordings"
    part.mkdir()
    for name in names:
        (part / name).write_bytes((folder / "recordings" / name).read_bytes())
    done = run("import", tmp_path, "--layout", "fsdd", "-l", "digits", "--json")
    assert json.loads(done.stdout)["progress"]["imported"] == "60"
    found = json.loads(run("evaluate", "digits", "--by", "speaker", "--json").stdout)
    assert found["targetTrialCount"] == 6 * 45
    assert found["equalErrorRate"]["value"] < 0.42
    assert found["retrieval"]["recallAt"]["1"]["value"] > 0.6
