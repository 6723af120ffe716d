"""How voiceprints are known in the index.

A vector's id holds the revision of the speaker that it was made of, and voices are compared only
with the one whose revision the catalog says is the speaker's. So a voiceprint that is late, or left
over, is never taken for the right one.
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
    """Id of the voiceprint that counts; empty if there is none."""
    if not speaker.voiceprint_revision:
        return ""
    return vector_id(speaker.uid, speaker.voiceprint_revision)


def is_enrolled(speaker: Speaker) -> bool:
    """Whether somebody can be taken for it: from its first enrollment until its deletion begins."""
    return speaker.state in {Speaker.STATE_ACTIVE, Speaker.STATE_UPDATING}
