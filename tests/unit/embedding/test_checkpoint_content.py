"""The required contents of a checkpoint: each flaw is one clear error."""

from __future__ import annotations

import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import pytest

from embedding_service.checkpoints.archive import CheckpointError, read_checkpoint
from embedding_service.checkpoints.checkpoint import find
from embedding_service.checkpoints.official import Official


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (["conf/model.yaml"], "lacks conf/model.yaml"),
        (["model/model.pdparams"], "lacks model/model.pdparams"),
        (["conf/model.yaml", "model/model.pdparams"], "conf/model.yaml and model/model.pdparams"),
    ],
)
def test_missing_files(
    official: Official, home: Path, write: Any, lost: list[str], words: str
) -> None:
    """A checkpoint that was set and lacks a file is refused, never passed over."""
    folder = write()
    for file in lost:
        (folder / file).unlink()
    with pytest.raises(CheckpointError, match=words):
        find(folder, official, home)


def test_what_is_no_checkpoint(official: Official, home: Path, tmp_path: Path) -> None:
    """A path to nothing, or to another file, is refused."""
    other = tmp_path / "other.tar.gz"
    other.write_bytes(b"no archive")
    for path in (tmp_path / "none", other):
        with pytest.raises(CheckpointError, match=str(path)):
            find(path, official, home)


@pytest.mark.parametrize("text", ["- 1", "a: [", "\0", ""])
def test_settings_that_can_not_be_read(write: Any, text: str) -> None:
    """A conf/model.yaml that is none is refused."""
    folder = write()
    (folder / "conf" / "model.yaml").write_text(text)
    with pytest.raises(CheckpointError):
        read_checkpoint(folder)


class Evil:
    """Would run a command when unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Names what to run."""
        return os.system, ("touch /tmp/evil-audiosearch",)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (pickle.dumps({"backbone.x": Evil()}), "which weights don't need"),
        (pickle.dumps([1, 2]), "no dictionary"),
        (pickle.dumps({"backbone.x": "text"}), "no array"),
        (b"", "model.pdparams"),
        (b"\x80\x04no pickle", "model.pdparams"),
    ],
)
def test_weights_that_are_none(write: Any, data: bytes, words: str) -> None:
    """A weights' file that is none is refused, and code in it never runs."""
    folder = write()
    (folder / "model" / "model.pdparams").write_bytes(data)
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint(folder)
    assert not Path("/tmp/evil-audiosearch").exists()  # noqa: S108  must not appear


def test_weights_cut_off(write: Any) -> None:
    """A weights' file that was cut off is refused."""
    folder = write()
    file = folder / "model" / "model.pdparams"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"model\.pdparams"):
        read_checkpoint(folder)


def test_an_archive_that_unpacks_to_too_much(tmp_path: Path) -> None:
    """An archive that claims gigabytes is refused before it is unpacked."""
    target = tmp_path / "bomb.tar"
    member = tarfile.TarInfo("conf/model.yaml")
    member.size = 2 * 2**30
    with target.open("wb") as file:
        file.write(member.tobuf())
        file.truncate(2 * 2**30 + 10240)
    with pytest.raises(CheckpointError, match="unpacks to more"):
        read_checkpoint(target)
