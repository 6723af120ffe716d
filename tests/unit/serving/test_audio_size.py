"""The limit of bytes: it agrees with that of seconds."""

from __future__ import annotations

import pytest

from catalog_service.settings import CatalogSettings
from embedding_service.settings import EmbeddingSettings
from gateway.settings import GatewaySettings
from serving.audio_size import too_large
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
    """In MiB and minutes."""
    error = too_large(768 * 2**20, 900 * 2**20)
    assert error.reason is Reason.AUDIO_TOO_LONG
    for words in ("768.0 MiB", "69.9 minutes", "900.0 MiB", "AUDIOSEARCH_MAX_AUDIO_BYTES"):
        assert words in error.message
