"""Translates what is known of the stored audio into messages of the contract."""

from __future__ import annotations

from audiosearch.catalog.v1.store_pb2 import AudioCheck
from google.protobuf.timestamp_pb2 import Timestamp

from catalog_service import answers
from catalog_service.audio.check_rows import Summary


def audio_check(of: Summary) -> AudioCheck:
    """Returns what is known of all stored audio."""
    since = of.hashed_since
    return AudioCheck(
        damaged_count=of.damaged,
        missing_count=of.missing,
        referring_count=of.referring,
        clips=of.clips,
        hashed_since_time=Timestamp(**answers.time(since)) if since else None,
    )
