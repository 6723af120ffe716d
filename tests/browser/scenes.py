"""Scenes of the screenshots: libraries, people, a folder to import, sounds to ask with."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from audiosearch.embedding.v1.model_pb2 import PURPOSE_SOUNDS

from deploy import example_sounds
from tests.browser import more_sounds, voices
from tests.browser.site import Site

LIBRARY, PEOPLE = "field-recordings", "interviews"
NAMES = (
    "Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hana",
    "Ivan", "Jun", "Kofi", "Lena", "Marta", "Nils", "Olga", "Pavel",
)  # fmt: skip
VARIANTS = 14
STRANGER = voices.Voice(pitch=60, tract=1.8, tilt=0.2, breath=0.0, pace=8, melody=0.4)
"""A voice far from all others: the bundled model gives cosines of at most 0.47 to them."""


@dataclass(frozen=True)
class Scene:
    """A scene of the screenshots: libraries, a folder to import, a sound to search with."""

    site: Site
    folder: Path
    bell: Path


def enroll(running: Site, folder: Path) -> None:
    """Enrolls many, and lays out recordings of one of them, and of others."""
    for number, name in enumerate(NAMES):
        voice = voices.person(number)
        takes = range(2 + number % 4)
        paths = [voices.record(folder / f"{name} {take + 1}.wav", voice, take) for take in takes]
        running.enroll(PEOPLE, name, *paths)
    running.calibrate(PEOPLE)
    voices.record(folder / "who is it.wav", voices.person(NAMES.index("Hana")), 9)
    voices.record(folder / "a stranger.wav", STRANGER, 1)
    for name in ("Ann", "Ben"):
        for take in (1, 2, 3):
            voices.record(folder / f"{name} {take}.wav", voices.CAST[name], take)


def fill(running: Site, folder: Path) -> Scene:
    """Makes the libraries, searches a few times, and lays out a folder to be imported."""
    library = running.library(LIBRARY, PURPOSE_SOUNDS)
    interviews = running.library(PEOPLE)
    kitchen = folder / "Recorder" / "Kitchen"
    kitchen.mkdir(parents=True)
    for number, clip in enumerate(more_sounds.clips(VARIANTS)):
        path = example_sounds.write(folder / clip.name, clip.samples)
        running.upload(library, path, clip.label, clip.speaker)
        if clip.speaker:
            running.upload(interviews, path, clip.label, clip.speaker)
        if number % 5 == 0:
            running.client.search(library, path)
            shutil.copyfile(path, kitchen / clip.name)
    enroll(running, folder)
    (kitchen / "broken.wav").write_text("Dear Sir or Madam, " * 500)
    (kitchen / "notes.txt").write_text("Recorded in the kitchen.")
    fire = example_sounds.make("crackling_fire", 8)
    example_sounds.write(folder / "a new fire.wav", fire)
    bell = example_sounds.write(folder / "new bell.wav", example_sounds.make("bronze_bell", 99))
    return Scene(running, kitchen.parent, bell)
