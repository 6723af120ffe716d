"""The ids of voiceprints in the index.

A vector's id holds the speaker's revision that it was made of. Voices are compared only with the
vector whose revision the catalog names. So a late or outdated voiceprint is never used by mistake.
"""

from __future__ import annotations

from audiosearch.catalog.v1.speaker_pb2 import Speaker


def vector_id(uid: str, revision: int) -> str:
    """Id of the voiceprint of a revision."""
    return f"{uid}-{revision}"


def parse_vector_id(id_: str) -> tuple[str, int]:
    """The speaker's uid and the revision in a vector's id."""
    uid, _, revision = id_.rpartition("-")
    return uid, int(revision)


def current_id(speaker: Speaker) -> str:
    """Id of the current voiceprint; empty if there is none."""
    if not speaker.voiceprint_revision:
        return ""
    return vector_id(speaker.uid, speaker.voiceprint_revision)


def is_enrolled(speaker: Speaker) -> bool:
    """True if the speaker can be recognised: from its first enrollment until its deletion."""
    return speaker.state in {Speaker.STATE_ACTIVE, Speaker.STATE_UPDATING}
