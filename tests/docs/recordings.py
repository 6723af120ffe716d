"""Folders that the pages speak of: example clips, and made-up voices named as corpora name them."""

from __future__ import annotations

from pathlib import Path

import soundfile

from deploy import example_sounds
from tests.vowels import RATE, say

PEOPLE = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
DIGITS = 8
SECONDS = 0.7


def _record(path: Path, speaker: int, take: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, say(speaker, take, SECONDS), RATE)
    return path


def make(folder: Path) -> None:
    """Makes `sounds`, `fsdd`, `new` and `CN-Celeb_flac` in a folder."""
    (folder / "sounds").mkdir(parents=True)
    example_sounds.write_all(folder / "sounds")
    for number, person in enumerate(PEOPLE):
        for digit in range(DIGITS):
            _record(folder / f"fsdd/recordings/{digit}_{person}_2.wav", number, digit)
            for index in range(2):
                take = 100 * (1 + index) + digit
                _record(folder / f"new/{digit}_{person}_{index}.wav", number, take)
    _celebrities(folder / "CN-Celeb_flac")


def _celebrities(root: Path) -> None:
    """Enrollments and tests of three people, and the trials of all with all."""
    people = {f"id0080{number}": number for number in range(3)}
    enrolled, trials = [], []
    for person, number in people.items():
        for part in (1, 2):
            _record(root / f"data/{person}/vlog-01-00{part}.flac", number, part)
        enrolled.append(f"{person}-enroll {person}/vlog-01-001.wav {person}/vlog-01-002.wav")
        _record(root / f"eval/test/{person}-singing-01-005.flac", number, 5)
        trials += [
            f"{person}-enroll test/{other}-singing-01-005.wav {int(other == person)}"
            for other in people
        ]
    (root / "eval/lists").mkdir()
    (root / "eval/lists/enroll.map").write_text("\n".join(enrolled) + "\n")
    (root / "eval/lists/trials.lst").write_text("\n".join(trials) + "\n")
