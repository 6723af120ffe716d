"""Channels of audio, as people name them."""

from __future__ import annotations

from audiosearch.embedding.v1.embedding_service_pb2 import EmbedAudioConfig

from serving import limits
from serving.errors import Reason, ServiceError

NAMES = {"mix": 0, "left": 1, "right": 2}
"""Names of channels; the others have their number alone, counted from 1."""

MOST = int(limits.of(EmbedAudioConfig, "channel").maximum)


def number_of(text: str) -> int:
    """The number of a channel that is named in words or by its number; 0 for all, mixed to one.

    Raises:
        ServiceError: FIELD_INVALID.
    """
    if text in NAMES:
        return NAMES[text]
    if (
        not (text.isascii() and text.isdecimal() and len(text) <= len(str(MOST)))
        or int(text) > MOST
    ):
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"channel: {text[:100]!r} is not mix, left, right or a number up to {MOST}",
            {"field": "channel"},
        )
    return int(text)


def name_of(number: int) -> str:
    """The name of a channel for people."""
    names = {known: name for name, known in NAMES.items()}
    return names.get(number, str(number))
