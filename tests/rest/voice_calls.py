"""Voices, and calls that enroll them."""

from __future__ import annotations

from typing import Any

import httpx

from tests.rest.conftest import Rest
from tests.rest.sounds import wav

SPEAKERS = {"low": "voice_low", "middle": "voice_middle", "high": "voice_high"}
"""Speakers, and the example sound that is the voice of each."""


def voice(speaker: str, variant: int) -> bytes:
    """A recording of one of them."""
    return wav(SPEAKERS[speaker], variant)


def stranger(variant: int = 2) -> bytes:
    """A recording that sounds like none of them."""
    return wav("bronze_bell", variant)


def path(library: str, speaker: str = "") -> str:
    """Path of a library's speakers, or of one of them."""
    return f"/v1/libraries/{library}/speakers" + (f"/{speaker}" if speaker else "")


def enroll(
    rest: Rest, library: str, speaker: str, *recordings: bytes, **fields: str
) -> httpx.Response:
    """Enrolls with recordings in one form."""
    files = [
        ("audio", (f"{number}.wav", audio)) for number, audio in enumerate(recordings, start=1)
    ]
    return rest.http.post(path(library, speaker) + ":enroll", data=fields, files=files)


def enroll_all(rest: Rest, library: str, count: int = 3) -> None:
    """Enrolls all three, each with so many recordings."""
    for name in SPEAKERS:
        recordings = [voice(name, variant) for variant in range(1, count + 1)]
        answer = enroll(rest, library, name, *recordings)
        assert answer.status_code == 200, answer.text


def enrollments(rest: Rest, library: str, speaker: str) -> list[dict[str, Any]]:
    """The clips that a speaker is enrolled with."""
    name = f"libraries/{library}/speakers/{speaker}"
    params = {"filter.enrolledSpeaker": name}
    page = rest.http.get(f"/v1/libraries/{library}/clips", params=params)
    assert page.status_code == 200, page.text
    return list(page.json()["clips"])


def names(answer: Any) -> list[str]:
    """The {speaker} parts of those that a recording may be, the best first."""
    return [match["speaker"]["name"].rpartition("/")[2] for match in answer.json()["matches"]]
