"""PaddleSpeech's official checkpoints of PANNs: listed, downloaded, cached, refused when wrong."""

from __future__ import annotations

import runpy
import tarfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from embedding_service.checkpoints import official as official_checkpoint
from embedding_service.checkpoints.archive import LAYOUTS, read_checkpoint
from embedding_service.checkpoints.official import DownloadError, Official
from embedding_service.checkpoints.wanted import OFFICIAL
from embedding_service.network import families
from embedding_service.network.families.panns.network import Shape
from tools.servers.checkpoints import random_panns, write_official_panns

TAG = "panns_cnn6-32k"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as large as the official one, weights drawn by lot."""
    place = tmp_path_factory.mktemp("official") / "panns_cnn6"
    return write_official_panns(place, random_panns(Shape("CNN6")), "CNN6")


@pytest.fixture(scope="module")
def packed(folder: Path) -> Path:
    """Its archive."""
    archive = folder.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz", compresslevel=0) as tar:
        tar.add(folder, folder.name)
    return archive


@pytest.fixture
def offered(server: Any, packed: Path) -> Official:
    """Its archive on a server."""
    md5 = server.give(packed)
    return Official(TAG, "1.0", f"{server.address}/panns_cnn6.tar.gz", md5)


@pytest.mark.parametrize("tag", [tag for tag in OFFICIAL if tag.startswith("panns")])
def test_the_list_of_paddlespeech(tag: str) -> None:
    """Address, hash and the names of the files are those of the installed PaddleSpeech."""
    listed = official_checkpoint.listed(tag)
    assert listed.tag == tag
    assert listed.url.endswith(f"/{listed.stem}.tar.gz")
    assert len(listed.md5) == 32
    spec = find_spec("paddlespeech")
    assert spec is not None
    package = Path(next(iter(spec.submodule_search_locations or [])))
    table = runpy.run_path(str(package / "resource" / "pretrained_models.py"))
    entry = table["cls_dynamic_pretrained_models"][tag][listed.version]
    (layout,) = (layout for layout in LAYOUTS if layout.family == tag.removesuffix("-32k"))
    names = [entry["cfg_path"], entry["ckpt_path"], entry["label_file"]]
    assert [str(file) for file in layout.files] == names


def test_download_then_cache(server: Any, offered: Official, home: Path) -> None:
    """It is downloaded to where PaddleSpeech looks, then found there, and runs."""
    assert official_checkpoint.cached(offered, home) is None
    archive = official_checkpoint.download(offered, home)
    place = home / "models" / TAG / "1.0"
    assert (place / "panns_cnn6" / "cnn6.pdparams").is_file()
    assert official_checkpoint.cached(offered, home) == archive
    network = families.build(read_checkpoint(archive), threads=1)
    assert network.traits.family == "panns_cnn6"
    assert len(network.traits.tags) == 527


@pytest.mark.parametrize("manner", ["half", "missing", "stall"])
def test_a_download_that_fails(server: Any, offered: Official, home: Path, manner: str) -> None:
    """It leaves nothing behind, and the next attempt succeeds."""
    server.manner = manner
    with pytest.raises(DownloadError):
        official_checkpoint.download(offered, home, stall_seconds=0.3)
    assert not list(home.rglob("*.tar.gz"))
    assert not list(home.rglob("*.pdparams"))
    server.manner = "whole"
    assert official_checkpoint.download(offered, home).is_file()


def test_a_wrong_archive(server: Any, offered: Official, home: Path) -> None:
    """Another file than the listed one is refused in plain words and not kept."""
    wrong = Official(TAG, "1.0", offered.url, "0" * 32)
    with pytest.raises(DownloadError, match="something other"):
        official_checkpoint.download(wrong, home)
    assert not list(home.rglob("*.tar.gz"))


def test_a_cached_archive_that_is_broken(offered: Official, home: Path) -> None:
    """An archive that was cut off is not used."""
    archive = official_checkpoint.download(offered, home)
    archive.write_bytes(archive.read_bytes()[:1000])
    assert official_checkpoint.cached(offered, home) is None


def test_an_archive_without_its_labels(
    server: Any, folder: Path, pack: Any, home: Path, tmp_path: Path
) -> None:
    """An archive of the right hash that lacks a file is refused by the name of the file."""
    other = tmp_path / "panns_cnn6"
    other.mkdir()
    for name in ("panns.yaml", "cnn6.pdparams"):
        (other / name).write_bytes((folder / name).read_bytes()[:1000])
    archive = pack(other, "panns_cnn6")
    lacking = Official(TAG, "1.0", f"{server.address}/x.tar.gz", server.give(archive))
    with pytest.raises(DownloadError, match=r"audioset_labels\.txt"):
        official_checkpoint.download(lacking, home)
