"""`make bench-quality` as a user runs it, and its figures counted by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.vowels import record
from tools.benchmarks.quality import Found, found, synthetic
from tools.benchmarks.quality_changes import CHANGES, RATE


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the benchmark on three clips of two seconds."""
    command = [sys.executable, "-m", "tools.benchmarks.quality", "--clips", "3", "--seconds", "2"]
    return subprocess.run(
        [*command, *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def rows(printed: str) -> dict[str, list[str]]:
    """The cells of each row of the table, by its first one."""
    lines = [line.strip("│").split("│") for line in printed.splitlines() if line.startswith("│")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_a_row_for_each_change(tmp_path: Path) -> None:
    """The clip as it is comes first, at 1. Nothing is refused, here and beside."""
    for speaker in range(4):
        record(tmp_path, speaker, 0, 3.0)
    (tmp_path / "notes.txt").write_text("no recording")
    done = run("--recordings", tmp_path, "--beside", REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    table = rows(done.stdout)
    assert list(table) == list(CHANGES)
    assert table["none"] == ["100 %", "1", "1.000", "1.000", ""] * 2
    assert float(table["white noise, 10 dB below"][2]) < 1
    assert {(cells[0], cells[4]) for cells in table.values()} == {("100 %", "")}
    assert {(cells[5], cells[9]) for cells in table.values()} == {("100 %", "")}


def test_too_few_recordings_are_told(tmp_path: Path) -> None:
    """One is too short, one is long enough."""
    record(tmp_path, 0, 0, 1.0)
    record(tmp_path, 1, 0, 3.0)
    done = run("--recordings", tmp_path)
    assert done.returncode == 1
    assert "holds 1 recordings of 2 s or more" in done.stderr


def test_synthetic_clips_are_unlike() -> None:
    """Of the length that was asked for, and never clipped."""
    clips = list(synthetic(20, 1.0))
    assert {clip.shape for clip in clips} == {(RATE,)}
    assert max(np.abs(clip).max() for clip in clips) < 1
    assert max(np.abs(np.corrcoef(clips) - np.eye(20)).ravel()) < 0.9


def test_ranks_and_scores_of_the_originals() -> None:
    """The first is found, the second comes after the first, the third is refused."""
    originals = np.eye(3)
    changed = np.array([[0.8, 0.6, 0.0], [0.8, 0.6, 0.0], [np.nan] * 3])
    got = found(changed, originals)
    assert (got.worst, got.refused) == (2, 1)
    assert (got.first, got.mean, got.lowest) == pytest.approx((1 / 3, 0.7, 0.6))


def test_without_a_vector_there_is_no_rank() -> None:
    """A change whose clips are all refused."""
    assert found(np.full((2, 0), np.nan), np.eye(2)) == Found(0.0, None, None, None, 2)
