"""The training recipe: its parts, and a short run from a folder of voices to a checkpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import paddle
import pytest
import soundfile
import yaml
from paddlespeech.vector.models.ecapa_tdnn import EcapaTdnn
from paddlespeech.vector.modules.sid_model import SpeakerIdetification

from embedding_service.network.features import FeatureSettings, log_mel
from tests.unit.training.small_run import RATE, SPEAKERS, small_run
from tools.training.batches import BatchMaker, BatchPlan, batches_from
from tools.training.checkpoint import load_state
from tools.training.corpus import (
    SpeechError,
    open_corpus,
    prepare_corpus,
    split_speakers,
)
from tools.training.options import OptionsError, parse_options
from tools.training.recipe import ResumeError, Training
from tools.training.sounds.classes import FAMILIES
from tools.training.voices import ALTERATIONS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def _wave(seconds: float, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.fixture(scope="module")
def work(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same speakers prepared."""
    folder = tmp_path_factory.mktemp("work")
    prepare_corpus(speech, folder)
    return folder


def _exported(work: Path) -> dict[str, Any]:
    parameters: dict[str, Any] = paddle.load(str(work / "checkpoint/model/model.pdparams"))
    return {name: value.numpy() for name, value in parameters.items()}


# The run as a whole


@pytest.fixture(scope="module")
def finished(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A finished run of three steps: its work folder and what it reported."""
    work = tmp_path_factory.mktemp("finished")
    lines: list[str] = []
    lines.append(str(Training(small_run(speech, work), lines.append).run()))
    return work, lines


def test_run_exports_a_checkpoint_for_paddlespeech(finished: tuple[Path, list[str]]) -> None:
    """PaddleSpeech's own classes load what the recipe exports and embed with it."""
    folder = finished[0] / "checkpoint"
    config = yaml.safe_load((folder / "conf" / "model.yaml").read_text("utf-8"))
    assert FeatureSettings.from_config(config) == FeatureSettings()
    model = SpeakerIdetification(EcapaTdnn(**config["model"]), config["num_speakers"])
    missing, unexpected = model.set_state_dict(
        paddle.load(str(folder / "model" / "model.pdparams"))
    )
    assert (missing, unexpected) == (["weight"], [])
    model.eval()
    features = paddle.to_tensor(log_mel(_wave(1.0), FeatureSettings())).unsqueeze(0)
    embedding = model.backbone(features, paddle.ones([1])).numpy()
    assert embedding.shape == (1, 192, 1)
    assert np.isfinite(embedding).all()


def test_run_reports_its_figures_beside_the_baselines(finished: tuple[Path, list[str]]) -> None:
    """The figures on held-out speakers are reported for the baseline and the model."""
    lines = finished[1]
    assert any("3 speakers and 2 held out" in line for line in lines)
    assert any(line.startswith("baseline: EER clean") for line in lines)
    assert lines[-1].startswith("EER clean")


def test_same_seed_gives_the_same_weights(
    speech: Path, tmp_path: Path, finished: tuple[Path, list[str]]
) -> None:
    """Two runs of one seed agree in every bit, whatever the number of processes."""
    Training(small_run(speech, tmp_path, processes=2), [].append).run()
    first, second = _exported(finished[0]), _exported(tmp_path)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_resumed_run_ends_like_one_without_a_pause(
    speech: Path, tmp_path: Path, finished: tuple[Path, list[str]]
) -> None:
    """Leaving off after two steps and going on changes nothing in the result."""
    lines: list[str] = []
    Training(small_run(speech, tmp_path, pause_after=2), lines.append).run()
    assert load_state(tmp_path / "state.pdparams")["progress"]["step"] == 2
    Training(small_run(speech, tmp_path, resume=True), lines.append).run()
    assert "resumed at step 2" in lines
    first, second = _exported(finished[0]), _exported(tmp_path)
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_resuming_without_a_state_is_an_error(speech: Path, tmp_path: Path) -> None:
    """The message says how to start instead."""
    with pytest.raises(ResumeError, match="without --resume"):
        Training(small_run(speech, tmp_path, resume=True), [].append).run()


def test_resuming_another_run_is_an_error(speech: Path, finished: tuple[Path, list[str]]) -> None:
    """A state is never mixed with other options than its own."""
    options = small_run(speech, finished[0], resume=True, width=24)
    with pytest.raises(ResumeError, match="another width"):
        Training(options, [].append).run()


# Options


def test_command_line_gives_the_options(tmp_path: Path) -> None:
    """Flags become typed options; the rest keep their defaults."""
    arguments = ["--speech", str(tmp_path), "--work", str(tmp_path), "--minutes", "5"]
    options = parse_options([*arguments, "--width", "128", "--save-minutes", "0.5"])
    assert (options.minutes, options.width, options.save_minutes) == (5.0, 128, 0.5)
    assert options.steps is None


def test_run_without_an_end_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither --minutes nor --steps: exit code 2 and a line that says so."""
    with pytest.raises(SystemExit) as ended:
        parse_options(["--speech", str(tmp_path), "--work", str(tmp_path)])
    assert ended.value.code == 2
    assert "give --minutes or --steps" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"width": 20}, "--width"),
        ({"steps": 0}, "--steps"),
        ({"voices": len(ALTERATIONS) + 1}, "--voices"),
    ],
)
def test_impossible_options_are_named(tmp_path: Path, change: dict[str, int], named: str) -> None:
    """An option that cannot be is refused before anything is read."""
    with pytest.raises(OptionsError, match=named):
        small_run(tmp_path, tmp_path, **change)


# Speech


def test_prepared_speech_holds_every_speaker_in_every_voice(work: Path) -> None:
    """Higher voices speak faster, so that their speech is shorter."""
    corpus = open_corpus(work)
    assert corpus.speakers == SPEAKERS
    voices = corpus.by_class(["bob"], ALTERATIONS)
    for alteration, utterances in zip(ALTERATIONS, voices, strict=True):
        assert utterances[0].length == pytest.approx(5 * RATE / alteration.pitch, abs=2)
        assert np.abs(corpus.read(utterances[0])).max() > 0.1


def test_prepared_speech_is_reused(speech: Path, work: Path) -> None:
    """The same files are not read again."""
    before = (work / "speech.i16").stat().st_mtime_ns
    prepare_corpus(speech, work)
    assert (work / "speech.i16").stat().st_mtime_ns == before


def test_missing_folder_of_speech_is_an_error(tmp_path: Path) -> None:
    """The message names the folder and the option."""
    with pytest.raises(SpeechError, match="--speech"):
        prepare_corpus(tmp_path / "nowhere", tmp_path)


@pytest.mark.parametrize("content", [b"", b"this is no audio" * 99])
def test_unreadable_speech_is_named(tmp_path: Path, content: bytes) -> None:
    """A file that is no audio is an error that says which one."""
    (tmp_path / "eve-1.flac").write_bytes(content)
    with pytest.raises(SpeechError, match=r"eve-1\.flac"):
        prepare_corpus(tmp_path, tmp_path / "work")


def test_very_short_speech_is_named(tmp_path: Path) -> None:
    """A recording too short to cut from is an error that says which one."""
    soundfile.write(tmp_path / "eve-1.wav", _wave(0.5), RATE)
    with pytest.raises(SpeechError, match=r"eve-1\.wav"):
        prepare_corpus(tmp_path, tmp_path / "work")


def test_held_out_speakers_are_never_trained_on() -> None:
    """The two groups share nobody and lose nobody."""
    names = tuple(str(number) for number in range(40))
    trained, held_out = split_speakers(names, 7)
    assert len(held_out) == 7
    assert sorted(trained + held_out) == sorted(names)
    assert split_speakers(names, 7) == (trained, held_out)


def test_too_few_speakers_to_hold_out_is_an_error() -> None:
    """At least two must remain to train on."""
    with pytest.raises(SpeechError, match="too few"):
        split_speakers(("a", "b", "c"), 2)


# Batches


def _plan(work: Path) -> BatchPlan:
    return BatchPlan(seed=3, work=work, speakers=SPEAKERS[:3], sounds_per_family=1, frames=600)


def test_batch_depends_on_its_number_alone(work: Path) -> None:
    """The same number gives the same clips, in any process and any order."""
    maker = BatchMaker(_plan(work))
    third = maker.make(3)
    with batches_from(_plan(work), 2, processes=1) as batches:
        next(batches)
        again = next(batches)
    assert np.array_equal(third.features, again.features)
    assert np.array_equal(third.labels, again.labels)


def test_another_seed_gives_other_batches(work: Path) -> None:
    """The seed is what everything random depends on."""
    first, second = (BatchMaker(replace(_plan(work), seed=seed)).make(0) for seed in (1, 2))
    assert first.features.shape != second.features.shape


def test_batch_fits_the_plan(work: Path) -> None:
    """Clips have one length within bounds and labels of known classes, voices and sounds."""
    plan = _plan(work)
    maker = BatchMaker(plan)
    assert maker.class_count == 3 * len(ALTERATIONS) + len(FAMILIES)
    for number in range(6):
        batch = maker.make(number)
        clips, bands, frames = batch.features.shape
        assert bands == 80
        assert plan.shortest <= frames <= plan.longest
        assert len(batch.labels) == clips
        assert clips == 2 or clips * frames <= plan.frames
        assert batch.labels.max() < maker.class_count
