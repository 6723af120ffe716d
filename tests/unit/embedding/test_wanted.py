"""AUDIOSEARCH_MODELS: its values, and the checkpoints that they mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from embedding_service.checkpoints import checkpoint as checkpoints
from embedding_service.checkpoints.archive import CheckpointError
from embedding_service.checkpoints.checkpoint import Source
from embedding_service.checkpoints.wanted import BUNDLED, Wanted, parse
from embedding_service.settings import EmbeddingSettings


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine without a network, without checkpoints, with the default models."""
    monkeypatch.setenv("PPSPEECH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUDIOSEARCH_OFFLINE", "1")
    monkeypatch.delenv("AUDIOSEARCH_MODELS")
    return monkeypatch


def names() -> list[tuple[str, Source]]:
    """The checkpoints that the settings of the environment mean."""
    return [(found.name, found.source) for found in checkpoints.choose(EmbeddingSettings())]


def test_a_list() -> None:
    """Purposes, names of checkpoints, and one's own by path."""
    wanted = parse(" voices, panns_cnn14-32k ,dogs=/models/dogs.tar.gz,")
    own = Wanted("dogs", Path("/models/dogs.tar.gz"))
    assert wanted == [Wanted("voices"), Wanted("panns_cnn14-32k"), own]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (" , ", "names no model"),
        ("voices,voices", "names voices twice"),
        ("cats", "'cats' is not known; name voices, sounds, ecapatdnn_voxceleb12-16k"),
        ("Cats=/x", "'Cats' can't be the name"),
        ("sounds=/x", "'sounds' can't be the name"),
        ("default=/x", "'default' can't be the name"),
        ("cats=", "lacks the path"),
    ],
)
def test_a_bad_list(value: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings refuse it, with the variable and the entry."""
    monkeypatch.setenv("AUDIOSEARCH_MODELS", value)
    with pytest.raises(ValueError, match=f"AUDIOSEARCH_MODELS.*{words}"):
        EmbeddingSettings()


def test_without_a_model_for_sounds(offline: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The default list does without one, with a warning; who asks for it gets an error."""
    offline.setitem(BUNDLED, "panns_small-32k", tmp_path / "missing")
    with capture_logs() as logs:
        assert names() == [("ecapatdnn_small-16k", Source.BUNDLED)]
    warnings = [entry["event"] for entry in logs if "no model for sounds" in entry["event"]]
    assert len(warnings) == 1
    assert "name the file in AUDIOSEARCH_MODELS, as panns_cnn10-32k=FILE" in warnings[0]
    offline.setenv("AUDIOSEARCH_MODELS", "voices,sounds")
    with pytest.raises(CheckpointError, match="AUDIOSEARCH_MODELS: sounds: there is no checkpoint"):
        names()


def test_names(offline: pytest.MonkeyPatch, write: Callable[..., Path], tmp_path: Path) -> None:
    """A named one is taken from where it is; an official one that is nowhere is an error."""
    offline.setenv("AUDIOSEARCH_MODELS", f"own={write('own')},ecapatdnn_small-16k")
    assert names() == [("own", Source.SETTING), ("ecapatdnn_small-16k", Source.BUNDLED)]
    offline.setenv("AUDIOSEARCH_MODELS", "ecapatdnn_voxceleb12-16k")
    with pytest.raises(CheckpointError, match="ecapatdnn_voxceleb12-16k: there is no"):
        names()
    offline.setenv("AUDIOSEARCH_MODELS", f"own={tmp_path / 'nowhere'}")
    with pytest.raises(CheckpointError, match=r"AUDIOSEARCH_MODELS: own: .*neither a folder"):
        names()
