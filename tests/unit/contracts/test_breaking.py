"""`make lint` finds contracts that break the clients of those in protos/BASELINE."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

CLIP = "protos/audiosearch/catalog/v1/clip.proto"
LABEL = re.compile(r"^  string label = 3\b[^;]*;\n", re.MULTILINE)


def git(folder: Path, *arguments: str) -> str:
    """Returns the answer of git."""
    who = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    command = ("git", "-C", str(folder), *who, *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def compare(folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the comparison as `make lint` does."""
    command = [sys.executable, str(folder / "protos/breaking.py")]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose BASELINE is the commit with our contracts as they are."""
    folder = tmp_path / "repository"
    left_out = shutil.ignore_patterns("*_pb2*", "__pycache__")
    shutil.copytree(REPOSITORY / "protos", folder / "protos", ignore=left_out)
    git(folder.parent, "init", "--quiet", str(folder))
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "contracts")
    (folder / "protos/BASELINE").write_text(git(folder, "rev-parse", "HEAD") + "\n")
    git(folder, "commit", "--quiet", "-am", "baseline")
    return folder


def test_a_field_more_breaks_nothing_and_a_field_less_does(repository: Path) -> None:
    """The field that is gone is named."""
    clip = repository / CLIP
    before = clip.read_text()
    clip.write_text(LABEL.sub(r"\g<0>\n  // Another.\n  string another = 99;\n", before, count=1))
    assert clip.read_text() != before
    done = compare(repository)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    clip.write_text(LABEL.sub("", before, count=1))
    done = compare(repository)
    assert done.returncode != 0
    assert 'field "3" with name "label" on message "Clip" was deleted' in done.stdout


def test_a_baseline_that_names_no_commit_is_a_failure(repository: Path) -> None:
    """A slip of the pen does not switch the comparison off."""
    (repository / "protos/BASELINE").write_text("v1\n")
    done = compare(repository)
    assert done.returncode != 0
    assert "protos/BASELINE" in done.stderr


def test_a_commit_that_is_not_at_hand_is_told(repository: Path) -> None:
    """As in a history that was imported under other ids."""
    (repository / "protos/BASELINE").write_text("0" * 40 + "\n")
    done = compare(repository)
    assert done.returncode == 0
    assert "NOT compared" in done.stderr


def test_a_shallow_clone_says_that_nothing_was_compared(repository: Path, tmp_path: Path) -> None:
    """With the command that brings the commit; after it, it compares."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{repository}", str(clone))
    clip = clone / CLIP
    clip.write_text(LABEL.sub("", clip.read_text(), count=1))
    done = compare(clone)
    assert done.returncode == 0
    assert "NOT compared" in done.stderr
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    command = done.stderr.split("`")[1]
    git(clone, *command.split()[1:])
    assert compare(clone).returncode != 0
