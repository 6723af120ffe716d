"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

# One conversion of the bundled model for all tests, and none in the user's own cache.
os.environ.setdefault("AUDIOSEARCH_ENCODER_CACHE", str(REPOSITORY / ".cache" / "encoder"))


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real recordings, kept outside the project; skips the test where it is absent."""
    path = Path(os.environ.get("AUDIOSEARCH_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real recordings at {path}: set AUDIOSEARCH_TEST_DATA to have this tested")
    return path
