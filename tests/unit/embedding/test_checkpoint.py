"""The sources of the weights, and the ones that are refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from embedding_service.checkpoints import official as official_checkpoint
from embedding_service.checkpoints.archive import CheckpointError, read_checkpoint
from embedding_service.checkpoints.checkpoint import Checkpoint, Source, choose, find
from embedding_service.checkpoints.official import Official
from embedding_service.checkpoints.wanted import BUNDLED
from embedding_service.settings import EmbeddingSettings
from tests.unit.embedding.conftest import NAME, TAG


def warnings(logs: list[Any]) -> list[Any]:
    """The warnings among log entries."""
    return [entry for entry in logs if entry["log_level"] == "warning"]


def fall_back(official: Official, home: Path, bundled: Path, **more: Any) -> str:
    """Checks that the bundled checkpoint is taken with one warning; returns its reason."""
    with capture_logs() as logs:
        found = find(None, official, home, bundled=bundled, **more)
    assert (found.name, found.source) == ("ecapatdnn_small-16k", Source.BUNDLED)
    (warning,) = warnings(logs)
    assert "small bundled model" in warning["event"]
    assert official.url in warning["event"]
    assert "AUDIOSEARCH_CHECKPOINT" in warning["event"]
    assert not list(home.rglob("*.tar.gz"))
    assert not list(home.rglob("*.pdparams"))
    return str(warning["event"])


def test_the_list_of_paddlespeech() -> None:
    """Address and hash come from the installed PaddleSpeech."""
    listed = official_checkpoint.listed(TAG)
    assert listed.tag == TAG
    assert listed.url.startswith("https://")
    assert listed.url.endswith(".tar.gz")
    assert len(listed.md5) == 32


def test_paddlespeech_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The bundled models run, and one that was set says how to install it."""
    monkeypatch.setitem(sys.modules, "paddlespeech", None)
    with pytest.raises(CheckpointError, match="pip install --no-deps paddlespeech=="):
        official_checkpoint.listed(TAG)
    with capture_logs() as logs:
        voices, sounds = choose(EmbeddingSettings(AUDIOSEARCH_MODELS="voices,sounds"))
    assert (voices.name, voices.source) == ("ecapatdnn_small-16k", Source.BUNDLED)
    assert (sounds.name, sounds.source) == ("panns_small-32k", Source.BUNDLED)
    told = [entry["event"] for entry in warnings(logs)]
    assert all("PaddleSpeech is not installed" in text for text in told)
    assert all("pip install --no-deps paddlespeech==" in text for text in told)
    with pytest.raises(CheckpointError, match="paddlespeech=="):
        list(choose(EmbeddingSettings(AUDIOSEARCH_CHECKPOINT=tmp_path)))


def test_its_cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is where PaddleSpeech has it."""
    monkeypatch.setenv("PPSPEECH_HOME", str(home))
    assert official_checkpoint.home() == home
    monkeypatch.delenv("PPSPEECH_HOME")
    assert official_checkpoint.home() == Path.home() / ".paddlespeech"


def test_download_then_cache(server: Any, official: Official, home: Path, bundled: Path) -> None:
    """The first start downloads to where PaddleSpeech looks; the second needs no server."""
    with capture_logs() as logs:
        first = find(None, official, home, bundled=bundled)
    assert (first.name, first.source) == (TAG, Source.DOWNLOAD)
    assert not warnings(logs)
    assert logs[-1]["percent"] == 100
    place = home / "models" / TAG / "1.0"
    assert {entry.name for entry in place.iterdir()} == {f"{NAME}.tar.gz", NAME}
    assert (place / NAME / "model" / "model.pdparams").is_file()
    asked = server.asked
    second = find(None, official, home, bundled=bundled)
    assert second.source is Source.CACHE
    assert second.weights.sha256 == first.weights.sha256
    assert server.asked == asked


def test_an_archive_without_a_top_folder(
    server: Any, home: Path, bundled: Path, write: Any, pack: Any
) -> None:
    """An archive of conf/ and model/ is unpacked below its own name, as PaddleSpeech does."""
    md5 = server.give(pack(write("flat"), "."))
    url = f"{server.address}/{NAME}.tar.gz"
    find(None, Official(TAG, "1.0", url, md5), home, bundled=bundled)
    place = home / "models" / TAG / "1.0"
    assert (place / f"{NAME}.tar" / "conf" / "model.yaml").is_file()


def test_a_cached_archive_that_is_broken(
    server: Any, official: Official, home: Path, bundled: Path
) -> None:
    """An archive with another hash is not used but replaced."""
    find(None, official, home, bundled=bundled)
    official.archive(home).write_bytes(b"half")
    assert find(None, official, home, bundled=bundled).source is Source.DOWNLOAD
    official.archive(home).write_bytes(b"half")
    assert find(None, official, home, offline=True, bundled=bundled).source is Source.BUNDLED


@pytest.mark.parametrize("manner", ["half", "missing"])
def test_a_download_that_fails(
    server: Any, official: Official, home: Path, bundled: Path, manner: str
) -> None:
    """An interrupted download leaves nothing and falls back to the bundled checkpoint."""
    server.manner = manner
    assert official.url in fall_back(official, home, bundled)
    server.manner = "whole"
    assert find(None, official, home, bundled=bundled).source is Source.DOWNLOAD


def test_a_download_that_stalls(server: Any, official: Official, home: Path, bundled: Path) -> None:
    """A download that sends nothing more is given up."""
    server.manner = "stall"
    with pytest.raises(official_checkpoint.DownloadError):
        official_checkpoint.download(official, home, stall_seconds=0.3)
    assert not list(home.rglob("*.tar.gz"))


def test_a_wrong_hash(server: Any, official: Official, home: Path, bundled: Path) -> None:
    """An archive with a wrong hash is refused in plain words and not kept."""
    wrong = Official(TAG, "1.0", official.url, "0" * 32)
    assert "something other" in fall_back(wrong, home, bundled)


def test_an_address_that_does_not_answer(
    server: Any, official: Official, home: Path, bundled: Path
) -> None:
    """An address that can't be reached, or says nothing, is given up in time."""
    server.manner = "silent"
    unreached: dict[str, str] = {}
    for _ in range(2):
        why = fall_back(official, home, bundled, reach_seconds=0.3, unreached=unreached)
        assert "can't be reached" in why
    assert server.asked == 1
    nobody = Official(TAG, "1.0", "http://127.0.0.1:9/x.tar.gz", official.md5)
    assert "can't be reached" in fall_back(nobody, home, bundled)


def test_a_disk_that_takes_nothing(official: Official, home: Path, bundled: Path) -> None:
    """A cache that can't be written falls back too."""
    home.mkdir()
    (home / "models").write_text("a file where a folder should be")
    assert "failed" in fall_back(official, home, bundled)


def test_offline(server: Any, official: Official, home: Path, bundled: Path) -> None:
    """AUDIOSEARCH_OFFLINE asks no server."""
    assert "AUDIOSEARCH_OFFLINE" in fall_back(official, home, bundled, offline=True)
    assert server.asked == 0


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil-audiosearch"])  # noqa: S108  must not appear
def test_an_archive_that_writes_elsewhere(
    server: Any, home: Path, bundled: Path, write: Any, pack: Any, name: str
) -> None:
    """An archive that names files outside its folder is refused, downloaded or set."""
    evil = pack(write("evil-one"), NAME, **{name: b"evil"})
    official = Official(TAG, "1.0", f"{server.address}/{NAME}.tar.gz", server.give(evil))
    with capture_logs():
        assert find(None, official, home, bundled=bundled).source is Source.BUNDLED
    with pytest.raises(CheckpointError, match="AUDIOSEARCH_CHECKPOINT"):
        find(evil, official, home)
    assert not list(home.rglob("evil"))
    assert not Path("/tmp/evil-audiosearch").exists()  # noqa: S108  must not appear


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("My Model (v2)", "my-model-v2"),
        ("..odd", "odd"),
        ("模型", "checkpoint"),
        (NAME, TAG),
        ("x" * 200, "x" * 64),
    ],
)
def test_a_folder_that_was_set(
    official: Official, home: Path, write: Any, folder: str, name: str, tmp_path: Path
) -> None:
    """A folder goes by its name, in plain letters; the official one by its own."""
    (tmp_path / "there").mkdir()
    path = write("plain").rename(tmp_path / "there" / folder)
    found = find(path, official, home)
    assert (found.name, found.source) == (name, Source.SETTING)


def test_an_archive_that_was_set(
    official: Official, home: Path, archive: Path, pack: Any, write: Any
) -> None:
    """An archive may be set too; the official one is known by its hash."""
    assert find(archive, official, home).name == TAG
    assert find(pack(write("own.model")), official, home).name == "own-model"


def test_the_bundled_checkpoint() -> None:
    """The checkpoint in the repository is whole and small."""
    folder = BUNDLED["ecapatdnn_small-16k"]
    weights = read_checkpoint(folder)
    assert weights.config["model"]["lin_neurons"] == 192
    assert (
        BUNDLED["ecapatdnn_small-16k"] / "model" / "model.pdparams"
    ).stat().st_size <= 12 * 2**20
    assert Checkpoint("x", Source.BUNDLED, weights).weights.arrays
