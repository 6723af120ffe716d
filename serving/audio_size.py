"""The limit of the bytes of one recording, and the error above it, the same for every service."""

from __future__ import annotations

from serving.errors import Reason, ServiceError

MAX_AUDIO_BYTES = 768 * 2**20
"""By default. An hour fits, the longest that is embedded, in 16 bit stereo at 48 kHz."""
SETTING = "AUDIOSEARCH_MAX_AUDIO_BYTES"
_MEBIBYTE = 2**20
_STEREO = 48_000 * 2 * 2
"""Bytes a second of 16 bit stereo at 48 kHz."""


def too_large(limit: int, size: int | None = None) -> ServiceError:
    """AUDIO_TOO_LONG for a recording of `size` bytes, or of unknown size, above a limit."""
    found = "more" if size is None else f"{size / _MEBIBYTE:,.1f} MiB"
    minutes = limit / _STEREO / 60
    return ServiceError(
        Reason.AUDIO_TOO_LONG,
        f"at most {limit} bytes of audio are accepted, {limit / _MEBIBYTE:,.1f} MiB or "
        f"{minutes:,.1f} minutes of uncompressed 48 kHz stereo, and this is {found}: cut it into "
        f"shorter clips, send it compressed, or have the operator raise {SETTING}",
        {"limit": str(limit), "max_bytes": str(limit)},
    )
