"""Clips that are downloaded into a zip."""

from __future__ import annotations

import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest
from audiosearch.catalog.v1.clip_pb2 import Clip
from audiosearch_cli.clips.downloading import _zip

from serving import retry
from serving.errors import Reason, ServiceError


class Client:
    """A client whose first download is cut off."""

    def __init__(self) -> None:
        """Starts before the first."""
        self.stubs = SimpleNamespace(clips=SimpleNamespace(GetClip=None))
        self._cut = False

    def call(self, _method: Any, request: Any) -> Clip:
        """A clip of one name, whatever is asked for."""
        return Clip(name=request.name, display_name="bell.wav")

    def download(self, _name: str, file: IO[bytes]) -> None:
        """Half of the audio and a failure that passes, then all of it."""
        file.write(b"half")
        if not self._cut:
            self._cut = True
            raise ServiceError(Reason.CATALOG_UNAVAILABLE, "no catalog")
        file.write(b" and half")


def test_a_download_that_is_cut_off_leaves_nothing_in_a_zip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made again, and each clip is there once, whole."""
    monkeypatch.setattr(retry, "MAX_PAUSE_SECONDS", 0.0)
    output, names = tmp_path / "clips.zip", ["libraries/l/clips/1", "libraries/l/clips/2"]
    _zip(Client(), names, output, force=False, as_json=True)  # type: ignore[arg-type]
    with zipfile.ZipFile(output) as archive:
        found = {each: archive.read(each) for each in archive.namelist()}
    assert found == {"bell.wav": b"half and half", "bell (2).wav": b"half and half"}
