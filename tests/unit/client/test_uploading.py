"""Uploads of a corpus into a library that has clips already."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip, GetClipRequest, UpdateClipRequest
from audiosearch.catalog.v1.import_job_pb2 import ImportJob
from audiosearch.gateway.v1.clips_pb2 import UploadClipResponse
from audiosearch_cli.imports import report
from audiosearch_client.client import AudiosearchClient
from audiosearch_client.corpora.entry import Source
from audiosearch_client.corpora.sources import corpus_source, folder_source
from audiosearch_client.uploading import Uploader


class Shelf:
    """A library in memory behind what the client of a gateway has: one clip for the same bytes.

    A change takes a moment, in which others come in between.
    """

    def __init__(self) -> None:
        """Has no clips."""
        self.clips: dict[bytes, Clip] = {}
        self.calls: list[str] = []
        self.stubs = SimpleNamespace(
            clips=SimpleNamespace(GetClip=self._get, UpdateClip=self._update)
        )

    def upload(
        self, library: str, path: Path, clip: Clip, request_id: str, *, id_names_audio: bool
    ) -> UploadClipResponse:
        """The clip that is made, or the one that is there."""
        assert id_names_audio, "a repeat would send its audio"
        content = path.read_bytes()
        described = Clip(name=f"libraries/{library}/clips/{content.hex()}")
        described.MergeFrom(clip)
        kept = self.clips.setdefault(content, described)
        return UploadClipResponse(clip=kept, created=kept is described)

    def call(self, method: Any, request: Any) -> Any:
        """Calls one of `stubs`, and notes its name."""
        self.calls.append(method.__name__)
        return method(request)

    def _get(self, request: GetClipRequest) -> Clip:
        found = Clip()
        found.CopyFrom(self.clips[_content(request.name)])
        return found

    def _update(self, request: UpdateClipRequest) -> Clip:
        time.sleep(0.002)
        clip = self._get(GetClipRequest(name=request.clip.name))
        request.update_mask.MergeMessage(request.clip, clip, replace_repeated_field=True)
        self.clips[_content(clip.name)] = clip
        return clip


def _content(name: str) -> bytes:
    return bytes.fromhex(name.rpartition("/")[2])


@pytest.fixture
def shelf() -> Shelf:
    """An empty one."""
    return Shelf()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Four files of two speakers in the layout of FSDD."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for name in ("0_ann_0", "1_ann_0", "0_bob_0", "1_bob_0"):
        (folder / f"{name}.wav").write_text(name)
    return tmp_path


def work(shelf: Shelf, source: Source) -> tuple[ImportJob, Uploader]:
    """Uploads a source to the end; also the uploader, which counts clips that were labelled."""
    job = ImportJob()
    uploader = Uploader(cast("AudiosearchClient", shelf), "x", source)
    uploader.work(job, lambda _: None, lambda _: None)
    assert not job.progress.failed, job
    return job, uploader


def test_a_layout_labels_clips_that_came_without_one(shelf: Shelf, corpus: Path) -> None:
    """Fields that are filled in stay."""
    work(shelf, folder_source(corpus))
    shelf.clips[b"0_bob_0"].speaker = "Robert"
    job, uploader = work(shelf, corpus_source(corpus, "fsdd"))
    assert (job.progress.imported, job.progress.existing, uploader.labelled) == (0, 4, 4)
    clip = shelf.clips[b"1_ann_0"]
    assert (clip.speaker, clip.label) == ("ann", "1")
    assert dict(clip.metadata) == {
        "corpus": "fsdd",
        "digit": "1",
        "index": "0",
        "path": "recordings/1_ann_0.wav",
    }
    assert (shelf.clips[b"0_bob_0"].speaker, shelf.clips[b"0_bob_0"].label) == ("Robert", "0")


def test_clips_that_lack_nothing_cost_no_call(shelf: Shelf, corpus: Path) -> None:
    """Neither new ones nor those that are labelled, nor in an import that tells nothing."""
    for source in (corpus_source(corpus, "fsdd"), folder_source(corpus, "spare")):
        for _ in range(2):
            assert work(shelf, source)[1].labelled == 0
    assert not shelf.calls


def test_every_path_of_identical_files_is_kept(shelf: Shelf, corpus: Path) -> None:
    """Although several are uploaded at the same moment, and none counts as labelled."""
    copies = [f"2_ann_{number}.wav" for number in range(12)]
    for name in copies:
        shutil.copy(corpus / "recordings" / "0_ann_0.wav", corpus / "recordings" / name)
    job, uploader = work(shelf, corpus_source(corpus, "fsdd"))
    assert (job.progress.imported, job.progress.existing, uploader.labelled) == (4, 12, 0)
    metadata = shelf.clips[b"0_ann_0"].metadata
    kept = [metadata[key] for key in metadata if key.split(".")[0] == "path"]
    assert sorted(kept) == sorted(f"recordings/{name}" for name in ["0_ann_0.wav", *copies])


def test_how_many_were_labelled_is_told(
    shelf: Shelf, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text tells a count above 0. JSON always has it, as text like other 64-bit counts."""
    for source, words in (
        (folder_source(corpus), "4 imported into x, 0 there already, 0 failed, in 2 s\n"),
        (
            corpus_source(corpus, "fsdd"),
            "0 imported into x, 4 there already, 4 of them labelled now, 0 failed, in 2 s\n",
        ),
    ):
        job, uploader = work(shelf, source)
        report.summarise(job, uploader, "x", 2.0, whole=None)
        assert capsys.readouterr().out == words
        report.print_json(job, uploader)
        progress = json.loads(capsys.readouterr().out)["progress"]
        assert progress["labelled"] == str(uploader.labelled)
        assert progress["existing"] == str(job.progress.existing)
