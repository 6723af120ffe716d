"""The spk_id of the earlier demo's routes: any text that stands for a speaker of a library."""

from __future__ import annotations

import hashlib
import re

from audiosearch.catalog.v1.speaker_pb2 import Speaker

from gateway.rest.demo.contract import MOST, SPK_ID
from gateway.rest.messages.schemas import SPEAKER
from serving.errors import Reason, ServiceError
from serving.names import split_speaker

_HASH_DIGITS = 40


def speaker_id(spk_id: str) -> str:
    """The {speaker} part of a speaker's name.

    It is the text itself if that is valid, and otherwise derived from its SHA-256. So each text has
    a name of its own.

    Raises:
        ServiceError: FIELD_INVALID if the text is empty, has control characters, or is too long.
    """
    if re.fullmatch(SPEAKER, spk_id):
        return spk_id
    if not re.fullmatch(SPK_ID, spk_id):
        raise ServiceError(
            Reason.FIELD_INVALID,
            f"spk_id: {spk_id[:100]!r} is not a text of 1 to {MOST} characters, none of which is a "
            "control character",
            {"field": "spk_id"},
        )
    return "vpr-" + hashlib.sha256(spk_id.encode()).hexdigest()[:_HASH_DIGITS]


def new_speaker(spk_id: str) -> Speaker:
    """A new speaker for a text. The text is kept in it if it can't be the name."""
    return Speaker(display_name="" if speaker_id(spk_id) == spk_id else spk_id)


def spk_id_of(speaker: Speaker) -> str:
    """The text that stands for a speaker in these routes: the inverse of `speaker_id`."""
    id_ = split_speaker(speaker.name)[1]
    shown = speaker.display_name
    return shown if re.fullmatch(SPK_ID, shown) and speaker_id(shown) == id_ else id_
