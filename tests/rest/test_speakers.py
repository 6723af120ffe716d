"""Speakers over REST: read, listed, changed and deleted."""

from __future__ import annotations

from typing import Any

import pytest

from serving.errors import Reason
from tests.rest.answers import refused
from tests.rest.conftest import Rest
from tests.rest.voice_calls import enroll, enroll_all, enrollments, path, voice


def test_a_speaker_is_read_changed_and_deleted(rest: Rest, library: str) -> None:
    """Only what the mask names changes; its clips stay unless they are to go."""
    enroll_all(rest, library, count=2)
    where = path(library, "low")
    speaker = rest.http.get(where).json()
    mask = {"updateMask": "displayName"}
    changed = rest.http.patch(
        where, params=mask, json={"displayName": "Ann", "metadata": {"a": "b"}}
    )
    assert (changed.json()["displayName"], changed.json()["metadata"]) == ("Ann", {})
    changed = rest.http.patch(where, json={**speaker, "metadata": {"a": "b"}})
    assert (changed.json()["displayName"], changed.json()["metadata"]) == ("low", {"a": "b"})
    assert rest.http.patch(where, json={}).json() == changed.json()
    clips = [clip["name"] for clip in enrollments(rest, library, "low")]
    assert rest.http.delete(where).json() == {}
    refused(rest.http.get(where), 404, Reason.SPEAKER_NOT_FOUND)
    assert [rest.http.get(f"/v1/{clip}").json()["enrolledSpeaker"] for clip in clips] == ["", ""]
    clips = [clip["name"] for clip in enrollments(rest, library, "high")]
    assert rest.http.delete(path(library, "high"), params={"deleteClips": "true"}).json() == {}
    for clip in clips:
        refused(rest.http.get(f"/v1/{clip}"), 404, Reason.CLIP_NOT_FOUND)
    refused(rest.http.delete(path(library, "high")), 404, Reason.SPEAKER_NOT_FOUND)
    listed = rest.http.get(path(library)).json()["speakers"]
    assert [each["name"].rpartition("/")[2] for each in listed] == ["middle"]


def test_speakers_are_listed_page_by_page(rest: Rest, library: str) -> None:
    """Each once, by name."""
    enroll_all(rest, library, count=1)
    first = rest.http.get(path(library), params={"pageSize": "2"}).json()
    token = first["nextPageToken"]
    second = rest.http.get(path(library), params={"pageSize": "2", "pageToken": token}).json()
    pages = [
        [each["name"].rpartition("/")[2] for each in page["speakers"]] for page in (first, second)
    ]
    assert pages == [["high", "low"], ["middle"]]
    assert second["nextPageToken"] == ""
    creating = rest.http.get(path(library), params={"state": "STATE_CREATING"})
    assert creating.json()["speakers"] == []


def test_enrollments_are_taken_away(rest: Rest, library: str) -> None:
    """Their clips stay; without any, nobody is taken for the speaker."""
    enroll_all(rest, library, count=2)
    first, second = (clip["name"] for clip in enrollments(rest, library, "low"))
    where = path(library, "low") + ":removeEnrollments"
    left = rest.http.post(where, json={"clips": [first]}).json()
    assert (left["enrollmentCount"], left["state"]) == (1, "STATE_ACTIVE")
    assert rest.http.get(f"/v1/{first}").json()["enrolledSpeaker"] == ""
    assert rest.http.post(where, json={"clips": [first, second]}).json()["enrollmentCount"] == 0
    found = rest.http.post(path(library) + ":identify", content=voice("low", 3)).json()
    assert found["candidateCount"] == "2"
    refused(
        rest.http.post(path(library, "low") + ":verify", content=voice("low", 3)),
        400,
        Reason.SPEAKER_NOT_ENROLLED,
    )
    assert rest.http.get(f"/v1/libraries/{library}").json()["clipCount"] == "6"


BAD: list[tuple[str, str, dict[str, Any], int, Reason]] = [
    ("GET", "", {"params": {"pageSize": "-1"}}, 400, Reason.FIELD_INVALID),
    ("GET", "", {"params": {"state": "ACTIVE"}}, 400, Reason.FIELD_INVALID),
    ("GET", "", {"params": {"pageToken": "x"}}, 400, Reason.FIELD_INVALID),
    ("GET", "/absent", {}, 404, Reason.SPEAKER_NOT_FOUND),
    ("GET", "/absent?x=1", {}, 400, Reason.FIELD_INVALID),
    ("GET", "/x%27%20or%20%271%27=%271", {}, 400, Reason.FIELD_INVALID),
    ("GET", "/%00", {}, 400, Reason.FIELD_INVALID),
    ("GET", "/" + "x" * 64, {}, 400, Reason.FIELD_INVALID),
    ("GET", "/..%2Fx", {}, 404, Reason.ROUTE_NOT_FOUND),
    ("GET", "/absent:enroll", {}, 405, Reason.METHOD_NOT_ALLOWED),
    ("POST", "/absent:other", {}, 404, Reason.ROUTE_NOT_FOUND),
    ("POST", "/x.y:enroll", {"content": b"x"}, 400, Reason.FIELD_INVALID),
    ("PATCH", "/absent", {"json": {"displayName": "x"}}, 404, Reason.SPEAKER_NOT_FOUND),
    ("PATCH", "/absent?updateMask=name", {"json": {}}, 400, Reason.FIELD_INVALID),
    ("PATCH", "/absent", {"json": {"other": 1}}, 400, Reason.FIELD_INVALID),
    ("DELETE", "/absent", {}, 404, Reason.SPEAKER_NOT_FOUND),
    ("DELETE", "/absent?deleteClips=yes", {}, 400, Reason.FIELD_INVALID),
    ("POST", "/absent:removeEnrollments", {"json": {}}, 400, Reason.FIELD_INVALID),
    ("POST", "/absent:removeEnrollments", {"json": {"clips": ["x"]}}, 400, Reason.FIELD_INVALID),
]


@pytest.mark.parametrize(
    ("method", "where", "options", "status", "reason"),
    BAD,
    ids=[f"{method} {where[:40]}" for method, where, *_ in BAD],
)
def test_what_can_not_be_done_is_told(
    rest: Rest,
    library: str,
    method: str,
    where: str,
    options: dict[str, Any],
    status: int,
    reason: Reason,
) -> None:
    """By status and reason."""
    refused(rest.http.request(method, path(library) + where, **options), status, reason)


def test_a_library_that_is_missing_is_told(rest: Rest) -> None:
    """Before anything of the audio is read."""
    refused(rest.http.get(path("absent")), 404, Reason.LIBRARY_NOT_FOUND)
    refused(enroll(rest, "absent", "Ann", voice("low", 1)), 404, Reason.LIBRARY_NOT_FOUND)
    absent = rest.http.post(path("absent") + ":identify", content=voice("low", 1))
    refused(absent, 404, Reason.LIBRARY_NOT_FOUND)
