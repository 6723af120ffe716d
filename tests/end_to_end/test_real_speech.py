"""Real recordings that no model here was trained on."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

from tests.end_to_end.conftest import Running
from tests.end_to_end.test_import import run_import


def test_the_nearest_other_clip_is_of_the_same_speaker(shared: Running, test_data: Path) -> None:
    """Six speakers, four takes of three digits, 8 kHz and short: right for nine in ten."""
    library, folder = shared.library(), shared.folder()
    recordings = test_data / "fsdd" / "recordings"
    speakers = sorted({path.stem.split("_")[1] for path in recordings.glob("0_*_0.wav")})
    for speaker in speakers:
        for digit, take in itertools.product(range(3), range(4)):
            shutil.copy(recordings / f"{digit}_{speaker}_{take}.wav", folder)
    job = run_import(shared, library, folder)
    assert (len(speakers), job.progress.imported) == (6, 72)
    right = 0
    for path in sorted(folder.iterdir()):
        first, second = shared.client.search(library, path, k=2).matches
        assert first.clip.display_name == path.name
        right += second.clip.display_name.split("_")[1] == path.stem.split("_")[1]
    assert right / 72 >= 0.9
