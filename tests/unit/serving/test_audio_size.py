"""The limit of bytes: it agrees with that of seconds."""

from __future__ import annotations

import pytest

from catalog_service.settings import CatalogSettings
from embedding_service.settings import EmbeddingSettings
from gateway.settings import GatewaySettings
from serving.audio_size import too_large
from serving.durations import in_words
from serving.errors import Reason


@pytest.mark.parametrize("settings", [CatalogSettings, EmbeddingSettings, GatewaySettings])
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_the_longest_recording_fits_without_packing(
    settings: type[CatalogSettings | EmbeddingSettings | GatewaySettings], rate: int
) -> None:
    """In 16 bit stereo, at every service that it passes through."""
    size = EmbeddingSettings().max_audio_seconds * rate * 2 * 2
    assert size + 2**16 <= settings().max_audio_bytes


def test_the_error_says_what_is_allowed_and_what_moves_it() -> None:
    """In MiB and in hours or minutes."""
    error = too_large(1400 * 2**20, 1500 * 2**20)
    assert error.reason is Reason.AUDIO_TOO_LONG
    for words in ("1,400.0 MiB", "2.12 hours", "1,500.0 MiB", "AUDIOSEARCH_MAX_AUDIO_BYTES"):
        assert words in error.message
    assert "23.3 minutes" in too_large(256 * 2**20).message


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.5, "0.5 s"), (59, "59 s"), (90, "1.5 minutes"), (3600, "1 hour"), (36000, "10 hours")],
)
def test_lengths_of_time_in_words(seconds: float, words: str) -> None:
    """In the unit that people would use."""
    assert in_words(seconds) == words
