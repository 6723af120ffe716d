"""The limits of one recording in bytes and in time, and the words for them, the same everywhere."""

from __future__ import annotations

from serving.durations import in_words
from serving.errors import Reason, ServiceError

MAX_AUDIO_SECONDS = 2 * 3600.0
"""Longest recording that is embedded, by default."""
MAX_AUDIO_BYTES = 1400 * 2**20
"""By default. The longest recording fits in 16 bit stereo at 48 kHz."""
SETTING = "AUDIOSEARCH_MAX_AUDIO_BYTES"
_MEBIBYTE = 2**20
_STEREO = 48_000 * 2 * 2
"""Bytes a second of 16 bit stereo at 48 kHz."""


def too_large(limit: int, size: int | None = None) -> ServiceError:
    """AUDIO_TOO_LONG for a recording of `size` bytes, or of unknown size, above a limit."""
    found = "more" if size is None else f"{size / _MEBIBYTE:,.1f} MiB"
    return ServiceError(
        Reason.AUDIO_TOO_LONG,
        f"at most {limit} bytes of audio are accepted, {limit / _MEBIBYTE:,.1f} MiB or "
        f"{in_words(limit / _STEREO)} of uncompressed 48 kHz stereo, and this is {found}: cut it "
        f"into shorter clips, send it compressed, or have the operator raise {SETTING}",
        {"limit": str(limit), "max_bytes": str(limit)},
    )
