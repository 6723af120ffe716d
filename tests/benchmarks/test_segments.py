"""`make bench-segments` as a user runs it, and how it joins recordings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.conftest import REPOSITORY
from tests.vowels import record
from tools.benchmarks.segments import RATE, join


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the benchmark once."""
    return subprocess.run(
        [sys.executable, "-m", "tools.benchmarks.segments", "--rounds", "1", *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"NO_COLOR": "1", "AUDIOSEARCH_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_both_libraries_are_measured(tmp_path: Path) -> None:
    """Two recordings of three voices; the windows know where."""
    for speaker in range(8):
        record(tmp_path, speaker, 0, 14.0)
    done = run("--recordings", tmp_path, "--held-out", "4", "--sizes", "2x4")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("│")]
    windows, one = ([cell.strip() for cell in line.strip("│").split("│")] for line in lines)
    assert (windows[1], one[1]) == ("windows", "one vector each")
    assert windows[2] == one[2] == "4"
    assert float(windows[3]) >= 0.5
    assert 0 <= float(windows[4]) <= 1
    assert one[4] == ""


def test_speakers_who_say_too_little_are_told(tmp_path: Path) -> None:
    """Nobody says a turn and a query."""
    for speaker in range(8):
        record(tmp_path, speaker, 0, 2.0)
    done = run("--recordings", tmp_path, "--held-out", "3")
    assert done.returncode == 1
    assert "says enough" in done.stderr


def test_a_query_is_no_part_of_its_recording() -> None:
    """Each sample of a speaker is another number, so that it tells where it comes from."""
    speech = {
        str(speaker): np.arange(14 * RATE, dtype=np.float32) + speaker * 2.0**20
        for speaker in range(8)
    }
    drawn = join(speech, ["1", "2", "5"], 2, 4, np.random.default_rng(1))
    assert len(drawn.recordings) == 2
    assert len(drawn.voices) == 3
    for voice in drawn.voices:
        recording = drawn.recordings[voice.recording]
        turn = recording[round(voice.start * RATE) : round(voice.end * RATE)]
        assert turn[0] // 2**20 == turn[-1] // 2**20 == voice.query[0] // 2**20
        assert not set(voice.query.tolist()) & set(recording.tolist())
